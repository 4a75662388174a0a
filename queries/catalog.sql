-- name: SearchProducts :many
-- SearchProducts finds the products on sale that a customer's words describe, best match first: a hit in the name
-- weighs more than one in the description. The words are read as a search engine reads them: "exact phrase", or,
-- -without. What else the customer chose, a category or a price, goes into its slot.
--
-- Here because ranking, and a parsed query used twice, are expressions of text search and not comparisons of columns.
-- Index: products_search_idx.
SELECT p.id, p.category_id, p.sku, p.name, p.price_cents, p.stock, ts_rank(p.search, q) AS rank
FROM products AS p, websearch_to_tsquery('english', @words) AS q
WHERE p.search @@ q
  AND p.deleted_at IS NULL
  AND true /* smrt:where products p */
ORDER BY rank DESC, p.id
LIMIT @max_rows;

-- name: SearchFacets :many
-- SearchFacets says for each category how many products a search finds there, and between which prices: the column
-- beside its results. It takes the filters of SearchProducts.
--
-- Here because it groups what text search finds.
-- Index: products_search_idx.
SELECT p.category_id, count(*) AS products, min(p.price_cents)::bigint AS cheapest, max(p.price_cents)::bigint AS dearest
FROM products AS p
WHERE p.search @@ websearch_to_tsquery('english', @words)
  AND p.deleted_at IS NULL
  AND true /* smrt:where products p */
GROUP BY p.category_id
ORDER BY products DESC, p.category_id;

-- name: CategoryTree :many
-- CategoryTree lists a category and everything below it, parents before children and siblings in their order; without a
-- root, the whole forest. A category that became its own ancestor by mistake is listed once and not followed.
--
-- Here because only a recursive query reads a tree of unknown depth in one round trip.
-- Index: categories_parent_id_idx.
WITH RECURSIVE tree AS (
    SELECT c.id, c.parent_id, c.slug, c.name, 0 AS depth, ARRAY[c.position::bigint, c.id] AS sort_key
    FROM categories AS c
    WHERE CASE WHEN sqlc.narg(root_id)::bigint IS NULL THEN c.parent_id IS NULL ELSE c.id = sqlc.narg(root_id) END
    UNION ALL
    SELECT c.id, c.parent_id, c.slug, c.name, t.depth + 1, t.sort_key || ARRAY[c.position::bigint, c.id]
    FROM tree AS t
    JOIN categories AS c ON c.parent_id = t.id
) CYCLE id SET is_cycle USING visited
SELECT t.id, t.parent_id, t.slug, t.name, t.depth
FROM tree AS t
WHERE NOT t.is_cycle
ORDER BY t.sort_key;

-- name: CategoryCounts :many
-- CategoryCounts counts, for each of the given categories, the products on sale in it and in everything below it.
--
-- Here because it walks several trees at once and aggregates what it finds.
-- Indexes: categories_parent_id_idx, products_category_id_idx.
WITH RECURSIVE tree AS (
    SELECT c.id AS root_id, c.id
    FROM categories AS c
    WHERE c.id = ANY(@category_ids::bigint[])
    UNION
    SELECT t.root_id, c.id
    FROM tree AS t
    JOIN categories AS c ON c.parent_id = t.id
)
SELECT t.root_id AS category_id, sum(own.products)::bigint AS products
FROM tree AS t
-- Counted category by category: joined, the planner expects far more of the recursion than it gives and reads all
-- products.
CROSS JOIN LATERAL (
    SELECT count(*) AS products
    FROM products AS p
    WHERE p.category_id = t.id
      AND p.deleted_at IS NULL
) AS own
GROUP BY t.root_id
ORDER BY t.root_id;

-- name: BoughtTogether :many
-- BoughtTogether recommends products on sale that the buyers of a product bought as well, the most shared first. Only
-- the latest buyers count (max_buyers), so a best-seller costs no more than any other product.
--
-- Here because it joins the order lines to themselves through their customers, which no chain of relations expresses.
-- Indexes: order_items_product_id_idx, orders_customer_id_idx, order_items_pkey.
WITH buyers AS (
    SELECT DISTINCT o.customer_id
    FROM (
        SELECT i.order_id
        FROM order_items AS i
        WHERE i.product_id = @product_id
        ORDER BY i.order_id DESC
        LIMIT @max_buyers
    ) AS latest
    JOIN orders AS o ON o.id = latest.order_id
    WHERE o.status <> 'cancelled'
), shared AS (
    SELECT i.product_id, count(DISTINCT o.customer_id) AS buyers
    FROM buyers AS b
    JOIN orders AS o ON o.customer_id = b.customer_id AND o.status <> 'cancelled'
    JOIN order_items AS i ON i.order_id = o.id
    WHERE i.product_id <> @product_id
    GROUP BY i.product_id
)
SELECT sqlc.embed(p), s.buyers
FROM shared AS s
JOIN products AS p ON p.id = s.product_id
WHERE p.deleted_at IS NULL
ORDER BY s.buyers DESC, p.id
LIMIT @max_rows;

-- name: UpdatePrices :many
-- UpdatePrices sets the prices of many products and records each change, in one statement and so at one instant: either
-- all prices and their history are written, or nothing is. A price that is the same already is left alone; so is a
-- product that is deleted. The two arrays go together, place by place; a product may stand in them once.
--
-- Here because it writes to two tables from one list and the second needs what the first overwrote.
-- Index: products_pkey.
WITH wanted AS (
    SELECT u.product_id, u.price_cents
    FROM unnest(@product_ids::bigint[], @prices_cents::bigint[]) AS u(product_id, price_cents)
), before AS (
    -- Locked in the order of the key: two updates of overlapping lists wait for each other and cannot deadlock.
    SELECT p.id, p.price_cents
    FROM products AS p
    JOIN wanted AS w ON w.product_id = p.id
    WHERE p.price_cents <> w.price_cents
      AND p.deleted_at IS NULL
    ORDER BY p.id
    FOR NO KEY UPDATE OF p
), changed AS (
    UPDATE products AS p
    SET price_cents = w.price_cents, updated_at = now()
    FROM before AS b
    JOIN wanted AS w ON w.product_id = b.id
    WHERE p.id = b.id
    RETURNING p.id, b.price_cents AS old_price_cents, p.price_cents AS new_price_cents
)
INSERT INTO price_history (product_id, old_price_cents, new_price_cents, reason)
SELECT c.id, c.old_price_cents, c.new_price_cents, sqlc.narg(reason)
FROM changed AS c
ORDER BY c.id
RETURNING *;

-- name: ProductRatings :many
-- ProductRatings gives the number of reviews, their mean and their spread for each of the given products; a product
-- without reviews has a row of zeros.
--
-- Here because five filtered counts over one pass are a report and not a list of entities.
-- Index: reviews_product_id_idx, which includes the rating and so answers alone.
SELECT p.product_id::bigint                        AS product_id,
       count(r.rating)                             AS reviews,
       COALESCE(avg(r.rating), 0)::double precision AS mean,
       count(*) FILTER (WHERE r.rating = 5)        AS five,
       count(*) FILTER (WHERE r.rating = 4)        AS four,
       count(*) FILTER (WHERE r.rating = 3)        AS three,
       count(*) FILTER (WHERE r.rating = 2)        AS two,
       count(*) FILTER (WHERE r.rating = 1)        AS one
FROM unnest(@product_ids::bigint[]) AS p(product_id)
LEFT JOIN reviews AS r ON r.product_id = p.product_id
GROUP BY p.product_id
ORDER BY p.product_id;
