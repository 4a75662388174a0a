-- +goose Up

SET LOCAL lock_timeout = '2s';

-- The key is a uuid because the browser holds it: it must not be guessable.
CREATE TABLE carts (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Null until the visitor signs in.
    customer_id bigint      REFERENCES customers (id) ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL DEFAULT now() + interval '30 days'
);

COMMENT ON TABLE carts IS 'Cart is what a visitor has put aside and not ordered yet.';

CREATE INDEX carts_customer_id_idx ON carts (customer_id);
CREATE INDEX carts_expires_at_idx ON carts (expires_at);

-- smrt:allow L5 nothing here depends on rows, so the locks last for milliseconds
CREATE TABLE cart_items (
    cart_id    uuid        NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    product_id bigint      NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    quantity   integer     NOT NULL CHECK (quantity > 0),
    added_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cart_id, product_id)
);

COMMENT ON TABLE cart_items IS 'CartItem is one product in a cart.';

CREATE INDEX cart_items_product_id_idx ON cart_items (product_id);

-- +goose Down

DROP TABLE cart_items;
DROP TABLE carts;
