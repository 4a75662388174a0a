-- name: OrderSummaries :many
-- OrderSummaries gives orders with their customer and the sums over their lines, in the order of the keys. An order
-- without lines is there too, with zeros; an order that does not exist is not.
--
-- Here because the entity comes with aggregates of a table that may have nothing for it.
-- Indexes: orders_pkey, order_items_pkey.
SELECT sqlc.embed(o), c.name AS customer_name, c.email AS customer_email,
       count(i.line_no)                                                                AS lines,
       COALESCE(sum(i.quantity), 0)::bigint                                            AS pieces,
       COALESCE(sum(i.quantity * i.unit_price_cents - i.discount_cents), 0)::bigint    AS lines_cents
FROM orders AS o
JOIN customers AS c ON c.id = o.customer_id
LEFT JOIN order_items AS i ON i.order_id = o.id
WHERE o.id = ANY(@order_ids::bigint[])
GROUP BY o.id, c.id
ORDER BY o.id;

-- name: AnyOrderWaiting :one
-- AnyOrderWaiting reports whether an order has been in a state since before a point in time: the alarm of the packing
-- room, asked every few seconds.
--
-- Here because of its cost: a state holds a large share of all orders, so counting or listing them reads all of that
-- share. EXISTS ends at the first row, and the index has the longest waiting first, so that is one index entry.
-- Index: orders_status_idx.
SELECT EXISTS (
    SELECT
    FROM orders AS o
    WHERE o.status = @status
      AND o.placed_at < @since
);

-- name: ListOrders :many
-- ListOrders is the list of the back office: orders with their customer and the sums over their lines, filtered, ordered
-- and cut off as its user likes, through the slots of the statement; without them the oldest thousand.
--
-- Here because a row has columns of two tables and aggregates of a third.
-- Indexes: orders_pkey, order_items_pkey.
SELECT o.id, o.customer_id, o.status, o.placed_at, o.total_cents, c.name AS customer,
       count(i.line_no)                     AS lines,
       COALESCE(sum(i.quantity), 0)::bigint AS pieces
FROM orders AS o
JOIN customers AS c ON c.id = o.customer_id
LEFT JOIN order_items AS i ON i.order_id = o.id
WHERE true /* smrt:where orders o */
  AND true /* smrt:where customers c */
GROUP BY o.id, c.id
ORDER BY /* smrt:order orders o */ o.id
LIMIT 1000 /* smrt:limit */;
