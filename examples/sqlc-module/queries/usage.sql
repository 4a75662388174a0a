-- name: AddUsage :copyfrom
INSERT INTO usage_data (customer_id, meter, units, measured_at) VALUES (@customer_id, @meter, @units, @measured_at);

-- name: UsageSince :many
-- UsageSince sums what each customer used of each meter since a time.
SELECT u.customer_id, u.meter, sum(u.units)::bigint AS units, max(u.measured_at)::timestamptz AS last
FROM usage_data AS u
WHERE u.measured_at >= @since
GROUP BY u.customer_id, u.meter
ORDER BY u.customer_id, u.meter;
