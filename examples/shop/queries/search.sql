-- name: SearchProducts :many
-- SearchProducts finds the products that words describe, the best match first. What else was chosen goes into its slot.
SELECT p.id, p.category_id, p.sku, p.name, p.price_cents, p.stock, ts_rank(p.search, q) AS rank
FROM products AS p, websearch_to_tsquery('english', @words) AS q
WHERE p.search @@ q
  AND true /* smrt:where products p */
ORDER BY rank DESC, p.id
LIMIT 100 /* smrt:limit */;

-- name: SearchFacets :many
-- SearchFacets says for each category how many products a search finds there, and between which prices.
SELECT c.id, c.name, count(*) AS products, min(p.price_cents)::bigint AS cheapest, max(p.price_cents)::bigint AS dearest
FROM products AS p
JOIN categories AS c ON c.id = p.category_id
WHERE p.search @@ websearch_to_tsquery('english', @words)
  AND true /* smrt:where products p */
GROUP BY c.id
ORDER BY products DESC, c.id;
