-- name: OrdersWithCustomer :many
SELECT sqlc.embed(orders), sqlc.embed(customers)
FROM orders JOIN customers ON customers.id = orders.customer_id
ORDER BY orders.id LIMIT sqlc.arg('most');

-- name: ReadOrders :many
SELECT * FROM orders ORDER BY id LIMIT sqlc.arg('most');

-- name: ItemsOfOrders :many
SELECT * FROM order_items WHERE order_id = ANY(sqlc.arg('order_ids')::bigint[]) ORDER BY order_id, line_no;

-- name: ProductsByKeys :many
SELECT id, category_id, sku, name, price_cents, stock FROM products WHERE id = ANY(sqlc.arg('ids')::bigint[]);

-- name: CreateOrder :one
INSERT INTO orders (customer_id, status, version, total_cents, note, shipping_address, placed_at, paid_at, shipped_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id;

-- name: CreateItems :exec
INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents)
SELECT sqlc.arg('order_id')::bigint, u.line, u.product, u.quantity, u.price, u.discount
FROM unnest(sqlc.arg('lines')::integer[], sqlc.arg('products')::bigint[], sqlc.arg('quantities')::integer[],
    sqlc.arg('prices')::bigint[], sqlc.arg('discounts')::bigint[]) AS u(line, product, quantity, price, discount);

-- name: OrdersAfter :many
SELECT * FROM orders WHERE (placed_at, id) < (sqlc.arg('placed_at')::timestamptz, sqlc.arg('id')::bigint)
ORDER BY placed_at DESC, id DESC LIMIT sqlc.arg('most');

-- name: OrdersOffset :many
SELECT * FROM orders ORDER BY placed_at DESC, id DESC LIMIT sqlc.arg('most') OFFSET sqlc.arg('skipped');
