-- name: TopSellers :many
-- TopSellers ranks the products of each category by the pieces sold in a period and keeps the first few of each;
-- products that sold equally share a rank.
--
-- Here because "the first n of each group" needs a window function.
-- Indexes: orders_placed_at_idx, order_items_pkey.
WITH sold AS (
    SELECT i.product_id, sum(i.quantity)::bigint AS pieces,
           sum(i.quantity * i.unit_price_cents - i.discount_cents)::bigint AS revenue_cents
    FROM orders AS o
    JOIN order_items AS i ON i.order_id = o.id
    WHERE o.placed_at >= @since
      AND o.placed_at < @until
      AND o.status <> 'cancelled'
    GROUP BY i.product_id
), ranked AS (
    SELECT p.category_id, p.id, p.name, s.pieces, s.revenue_cents,
           rank() OVER (PARTITION BY p.category_id ORDER BY s.pieces DESC) AS place
    FROM sold AS s
    JOIN products AS p ON p.id = s.product_id
)
SELECT c.id AS category_id, c.name AS category, r.place, r.id AS product_id, r.name AS product, r.pieces, r.revenue_cents
FROM ranked AS r
JOIN categories AS c ON c.id = r.category_id
WHERE r.place <= @places::bigint
ORDER BY c.name, c.id, r.place, r.id;

-- name: CustomerCohorts :many
-- CustomerCohorts groups customers by the month of their first order and counts how many of each group order again in
-- each month after it. Month 0 is the first month itself and so has the whole group. Months are those of UTC.
--
-- Here because it derives each customer's own starting point and then counts relative to it.
-- Index: orders_customer_id_idx, which has the customer, the time and the status and so answers alone.
WITH first_orders AS (
    SELECT o.customer_id, date_trunc('month', min(o.placed_at) AT TIME ZONE 'UTC') AS month
    FROM orders AS o
    WHERE o.status <> 'cancelled'
    GROUP BY o.customer_id
), active AS (
    SELECT DISTINCT o.customer_id, date_trunc('month', o.placed_at AT TIME ZONE 'UTC') AS month
    FROM orders AS o
    WHERE o.status <> 'cancelled'
)
SELECT f.month::date AS cohort,
       (12 * date_part('year', age(a.month, f.month)) + date_part('month', age(a.month, f.month)))::integer AS months_later,
       count(*) AS customers
FROM first_orders AS f
JOIN active AS a ON a.customer_id = f.customer_id
WHERE f.month >= date_trunc('month', sqlc.arg(since)::timestamptz AT TIME ZONE 'UTC')
GROUP BY f.month, months_later
ORDER BY f.month, months_later;

-- name: DailyRevenue :many
-- DailyRevenue gives one row for each day of a period, the days without an order included, with the mean over the seven
-- days that end with it. Days are those of UTC; until_day is the first one after the period.
--
-- Here because the days come from a series and not from a table, and the mean from a moving window.
-- Index: orders_placed_at_idx.
SELECT d.day::date AS day,
       count(o.id) AS orders,
       COALESCE(sum(o.total_cents), 0)::bigint AS revenue_cents,
       (avg(COALESCE(sum(o.total_cents), 0)) OVER (ORDER BY d.day ROWS 6 PRECEDING))::double precision AS week_mean_cents
FROM generate_series(
    sqlc.arg(first_day)::date::timestamp, sqlc.arg(until_day)::date::timestamp - interval '1 day', '1 day'
) AS d(day)
LEFT JOIN orders AS o ON o.placed_at >= d.day AT TIME ZONE 'UTC'
                     AND o.placed_at < (d.day + interval '1 day') AT TIME ZONE 'UTC'
                     AND o.status <> 'cancelled'
GROUP BY d.day
ORDER BY d.day;
