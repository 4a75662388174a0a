-- name: GetCustomer :one
SELECT * FROM customers WHERE id = $1;

-- name: FindCustomers :many
SELECT * FROM customers
WHERE (country = sqlc.narg('country') OR sqlc.narg('country') IS NULL)
  AND (tier = sqlc.narg('tier') OR sqlc.narg('tier') IS NULL)
  AND (marketing_opt_in = sqlc.narg('opt_in') OR sqlc.narg('opt_in') IS NULL)
ORDER BY created_at DESC, id DESC
LIMIT sqlc.arg('most');

-- name: ReadCustomers :many
SELECT * FROM customers ORDER BY id LIMIT sqlc.arg('most');

-- name: CreateCustomer :one
INSERT INTO customers (email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id;

-- name: CreateCustomers :many
INSERT INTO customers (email, name, phone, country, tier, marketing_opt_in, created_at, updated_at)
SELECT email, name, nullif(phone, ''), country, tier::customer_tier, marketing_opt_in, created_at, updated_at
FROM unnest(sqlc.arg('emails')::text[], sqlc.arg('names')::text[], sqlc.arg('phones')::text[],
    sqlc.arg('countries')::text[], sqlc.arg('tiers')::text[], sqlc.arg('opt_ins')::boolean[],
    sqlc.arg('created')::timestamptz[], sqlc.arg('updated')::timestamptz[])
    AS u(email, name, phone, country, tier, marketing_opt_in, created_at, updated_at)
RETURNING id;

-- name: UpsertCustomers :many
INSERT INTO customers (email, name, phone, country, tier, marketing_opt_in, created_at, updated_at)
SELECT email, name, nullif(phone, ''), country, tier::customer_tier, marketing_opt_in, created_at, updated_at
FROM unnest(sqlc.arg('emails')::text[], sqlc.arg('names')::text[], sqlc.arg('phones')::text[],
    sqlc.arg('countries')::text[], sqlc.arg('tiers')::text[], sqlc.arg('opt_ins')::boolean[],
    sqlc.arg('created')::timestamptz[], sqlc.arg('updated')::timestamptz[])
    AS u(email, name, phone, country, tier, marketing_opt_in, created_at, updated_at)
ON CONFLICT (email) DO UPDATE SET name = excluded.name, phone = excluded.phone, country = excluded.country,
    tier = excluded.tier, born_on = excluded.born_on, marketing_opt_in = excluded.marketing_opt_in,
    created_at = excluded.created_at, updated_at = excluded.updated_at
RETURNING id;

-- name: RenameCustomer :exec
UPDATE customers SET name = $1 WHERE id = $2;

-- name: UpdateCustomers :exec
UPDATE customers AS c
SET email = u.email, name = u.name, phone = nullif(u.phone, ''), country = u.country, tier = u.tier::customer_tier,
    born_on = NULL, marketing_opt_in = u.marketing_opt_in, created_at = u.created_at, updated_at = u.updated_at
FROM unnest(sqlc.arg('ids')::bigint[], sqlc.arg('emails')::text[], sqlc.arg('names')::text[], sqlc.arg('phones')::text[],
    sqlc.arg('countries')::text[], sqlc.arg('tiers')::text[], sqlc.arg('opt_ins')::boolean[],
    sqlc.arg('created')::timestamptz[], sqlc.arg('updated')::timestamptz[])
    AS u(id, email, name, phone, country, tier, marketing_opt_in, created_at, updated_at)
WHERE c.id = u.id;

-- name: DeleteCustomers :exec
DELETE FROM customers WHERE id = ANY(sqlc.arg('ids')::bigint[]);

-- name: Report :many
SELECT country, tier, count(*) AS number, max(created_at)::timestamptz AS newest FROM customers
GROUP BY country, tier ORDER BY country, tier;
