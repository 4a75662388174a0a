-- name: MergeCarts :execrows
-- MergeCarts moves the contents of the cart a visitor filled before signing in to the cart the customer already had.
-- What is in both is added up. It returns the number of products that were moved; the emptied cart stays.
--
-- Here because it deletes from one place and upserts what was deleted into another in one statement.
-- Index: cart_items_pkey.
WITH moved AS (
    DELETE FROM cart_items AS i
    WHERE i.cart_id = @from_cart
      AND @from_cart::uuid <> @to_cart::uuid
    RETURNING i.product_id, i.quantity, i.added_at
)
INSERT INTO cart_items (cart_id, product_id, quantity, added_at)
SELECT @to_cart, m.product_id, m.quantity, m.added_at
FROM moved AS m
ON CONFLICT (cart_id, product_id) DO UPDATE SET quantity = cart_items.quantity + excluded.quantity;

-- name: DeleteExpiredCarts :execrows
-- DeleteExpiredCarts deletes some of the carts that expired before a point in time, the oldest first, and returns how
-- many it deleted: call it until that is fewer than max_rows. Several may run at once: each takes carts that no other
-- has locked.
--
-- Here because a delete with a limit, an order and a lock that does not queue is three things DELETE has no clause for.
-- Index: carts_expires_at_idx.
DELETE FROM carts AS c
USING (
    SELECT e.id
    FROM carts AS e
    WHERE e.expires_at < @expired_before
    ORDER BY e.expires_at
    LIMIT @max_rows
    FOR UPDATE SKIP LOCKED
) AS expired
WHERE c.id = expired.id;
