-- name: TakeStock :batchone
-- TakeStock takes some of a product out of the stock and returns what it costs; no row if there is not enough.
UPDATE products
SET stock = stock - @quantity
WHERE sku = @sku AND stock >= @quantity
RETURNING id, unit_price;

-- name: CloseInvoice :one
-- CloseInvoice sums the lines of a draft and opens it.
UPDATE invoices AS i
SET status = 'open', total = sums.total, due_on = @due_on, version = i.version + 1, updated_at = now()
FROM (
    SELECT l.invoice_id, sum(l.amount)::numeric AS total
    FROM invoice_lines AS l
    WHERE l.invoice_id = @id
    GROUP BY l.invoice_id
) AS sums
WHERE i.id = sums.invoice_id AND i.status = 'draft'
RETURNING i.*;

-- name: Overdue :many
-- Overdue lists the invoices that were due before a day, with their customers.
SELECT sqlc.embed(i), sqlc.embed(c), (sqlc.arg(today)::date - i.due_on)::integer AS days
FROM invoices AS i
JOIN customers AS c ON c.id = i.customer_id AND c.deleted_at IS NULL
WHERE i.status = ANY(sqlc.arg(statuses)::text[]::invoice_status[]) AND i.due_on < sqlc.arg(today)::date
ORDER BY i.due_on, i.id;

-- name: ListInvoices :many
-- ListInvoices is the list of the back office: filtered, ordered and cut off as its user likes, through its slots.
SELECT i.id, i.customer_id, i.status, i.due_on, i.total, c.name AS customer, count(l.line_no) AS lines
FROM invoices AS i
JOIN customers AS c ON c.id = i.customer_id AND c.deleted_at IS NULL
LEFT JOIN invoice_lines AS l ON l.invoice_id = i.id
WHERE true /* smrt:where invoices i */
  AND true /* smrt:where customers c */
GROUP BY i.id, c.id
ORDER BY /* smrt:order invoices i */ i.id
LIMIT 1000 /* smrt:limit */;

-- name: NoteInvoices :execrows
-- NoteInvoices sets the notes of the open invoices that its slot says; without, of none.
UPDATE invoices AS i
SET notes = @notes, version = i.version + 1, updated_at = now()
WHERE i.status = 'open' AND false /* smrt:where invoices i */;
