CREATE TABLE customers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text NOT NULL UNIQUE,
    name       text NOT NULL,
    balance    bigint NOT NULL DEFAULT 0 CHECK (balance >= 0),
    version    bigint NOT NULL DEFAULT 1
);

CREATE TABLE categories (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id  bigint REFERENCES categories,
    name       text NOT NULL
);
CREATE INDEX ON categories (parent_id);

CREATE TABLE products (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    category_id bigint NOT NULL REFERENCES categories,
    sku         text NOT NULL UNIQUE,
    name        text NOT NULL,
    price_cents bigint NOT NULL,
    stock       int NOT NULL,
    tags        text[] NOT NULL DEFAULT '{}',
    attributes  jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL,
    deleted_at  timestamptz
);
CREATE INDEX ON products (category_id);
CREATE INDEX ON products (price_cents, id);
CREATE INDEX ON products USING gin (tags);

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    status      text NOT NULL,
    total_cents bigint NOT NULL,
    placed_at   timestamptz NOT NULL
);
CREATE INDEX ON orders (customer_id, placed_at);

CREATE TABLE order_lines (
    order_id    bigint NOT NULL REFERENCES orders,
    product_id  bigint NOT NULL REFERENCES products,
    quantity    int NOT NULL,
    price_cents bigint NOT NULL,
    PRIMARY KEY (order_id, product_id)
);
CREATE INDEX ON order_lines (product_id);

CREATE TABLE jobs (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payload text NOT NULL,
    done_at timestamptz
);
