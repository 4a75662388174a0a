// Package slots fills places in the SQL of sqlc at run time: a filter, an order and a
// limit that the caller chooses, in a query that was written by hand. What sqlc
// generates stays as it is.
//
// A place is marked by a comment inside of a line, which sqlc keeps in its text:
//
//	-- name: OrderReport :many
//	SELECT o.id, o.placed_at, c.name, sum(i.quantity) AS pieces
//	FROM orders o JOIN customers c ON c.id = o.customer_id JOIN order_items i ON i.order_id = o.id
//	WHERE o.placed_at >= $1 AND true /* smrt:where orders o */ AND true /* smrt:where customers c */
//	GROUP BY o.id, c.id
//	ORDER BY /* smrt:order orders o */ o.id
//	LIMIT 1000 /* smrt:limit */;
//
// The text is a statement by itself: without slots that are filled it returns what it
// says. [On] makes a handle that fills them, and that is all sqlc's Queries need:
//
//	open := slots.For(Orders, query.Where(OrderStatus.Eq("paid")).OrderBy(OrderPlacedAt.Desc()).Limit(20))
//	rows, err := shopdb.New(slots.On(pool, open)).OrderReport(ctx, since)
//
// Conditions and orders are those of package query, typed by the columns of a declared
// table: no text comes from the caller, values travel as arguments, and the statement is
// as if it had been written so, with one shape and one plan for each combination that is
// used.
//
// # Slots
//
//	true /* smrt:where TABLE ALIAS */        in statements that read; the condition takes the place of true
//	false /* smrt:where TABLE ALIAS */       in statements that write, which so write nothing where the slot is unknown
//	ORDER BY /* smrt:order TABLE ALIAS */ x  the order comes before the query's own, which should end in a key
//	LIMIT 1000 /* smrt:limit */              the limit, which may be 1000 at the most
//
// TABLE is the table's name as it was declared. ALIAS is what the statement calls it, and
// may be left out if that is its name. A table may have places under several aliases, for
// each of which there is a query, see [Fill.As]; places with one table and one alias, as
// in the branches of a UNION, are filled alike.
//
// A slot has the caller's conditions and nothing else: whether deleted rows are seen is
// for the statement to say.
//
// # Pages
//
// A statement with slots for an order and a limit has keyset pages, with the cursors that
// repositories have, see [Fill.Page]:
//
//	page := slots.NewPage(query.Page{Size: 20, After: cursor}, secret)
//	rows, err := shopdb.New(slots.On(pool, slots.For(Orders, q).Page(page))).ListOrders(ctx)
//	next, prev := page.Next(), page.Prev()
//
// # Queries on what a statement returns
//
// A sum, a rank or a column of another table is no column of the table that a slot is of.
// A statement's rows are declared by the struct that sqlc generates for them, and queried
// like a table. The statement needs no slot for that, see [Outer]:
//
//	var (
//		ListedID     = slots.Col(func(r *shopdb.ListOrdersRow) *int64 { return &r.ID })
//		ListedPieces = slots.Col(func(r *shopdb.ListOrdersRow) *int64 { return &r.Pieces })
//		Listed       = slots.NewResult(ListedID) // by its key, for pages
//	)
//
//	many := slots.Outer(Listed, query.Where(ListedPieces.Ge(100)).OrderBy(ListedPieces.Desc())).Page(page)
//	rows, err := shopdb.New(slots.On(pool, many)).ListOrders(ctx)
//
// # What is refused
//
// Nothing that a handle carries is left out. A condition, an order or a limit that the
// statement has no slot for, two that would fill one slot, a limit above that of the
// statement, a marker that stands in the wrong place, and COPY, are a *smrt.QueryError
// before anything is sent; errors.Is knows it as smrt.ErrBadQuery. So is a repository on
// the handle, whose statements have no slots. A write whose condition holds for every row
// is smrt.ErrUnboundedWrite unless the query says Unbounded.
//
// What only the server knows, such as an alias that is not there, or a column that may
// not stand behind GROUP BY, is its error when the statement is prepared, and nothing
// runs.
//
// [Check] prepares every query with its slots filled, in a test. [Lint] says besides what
// is likely meant otherwise, and smrt lint --queries prints it.
//
// # Handles
//
// A handle of [On] is used like the one it was made of, and by as many goroutines.
// It works in all of pgx's modes but the simple protocol, on pools, connections,
// transactions and the readers of package readreplica. [Tx] is one that is a pgx.Tx too,
// for the WithTx of sqlc. Fill slots inside of txn.Run, which refuses to begin a
// transaction on such a handle:
//
//	err := txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
//		_, err := queries.WithTx(slots.Tx(tx, open)).CloseOrders(ctx)
//		return err
//	})
package slots
