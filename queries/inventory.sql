-- name: ReserveStock :one
-- ReserveStock promises some of a product to an order, from the warehouse that has most of it. A warehouse that another
-- transaction is reserving from at this moment is passed over, not waited for; no row is returned when no free
-- warehouse has enough, and the caller decides whether to try again.
--
-- Here because a row must be chosen, locked and changed in one statement, and the lock must not queue.
-- Index: inventory_product_id_idx.
WITH place AS (
    SELECT i.warehouse_id, i.product_id
    FROM inventory AS i
    JOIN warehouses AS w ON w.id = i.warehouse_id
    WHERE i.product_id = @product_id
      AND i.quantity - i.reserved >= @quantity::integer
      AND w.active
    ORDER BY i.quantity - i.reserved DESC, i.warehouse_id
    LIMIT 1
    FOR UPDATE OF i SKIP LOCKED
)
UPDATE inventory AS i
SET reserved = i.reserved + @quantity::integer, updated_at = now()
FROM place
WHERE i.warehouse_id = place.warehouse_id
  AND i.product_id = place.product_id
RETURNING i.*;

-- name: LowInventory :many
-- LowInventory lists what has to be ordered again in the active warehouses, what is most wanting first, and beside each
-- row what all the other warehouses could still send instead.
--
-- Here because each row is compared with an aggregate over the rows of the same product.
-- Indexes: inventory_low_idx for the low rows, which it has in this order; inventory_product_id_idx for the others.
SELECT w.code AS warehouse, p.id AS product_id, p.sku, p.name,
       (i.quantity - i.reserved)::integer AS available, i.reorder_at, elsewhere.available AS elsewhere
FROM inventory AS i
JOIN warehouses AS w ON w.id = i.warehouse_id AND w.active
JOIN products AS p ON p.id = i.product_id AND p.deleted_at IS NULL
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(o.quantity - o.reserved), 0)::bigint AS available
    FROM inventory AS o
    WHERE o.product_id = i.product_id
      AND o.warehouse_id <> i.warehouse_id
) AS elsewhere
WHERE i.quantity - i.reserved - i.reorder_at <= 0
ORDER BY i.quantity - i.reserved - i.reorder_at, i.product_id, i.warehouse_id
LIMIT @max_rows;
