// Package unit writes many rows of many tables together: a unit of work. Writes
// are collected, ordered by the foreign keys of the schema, merged into one
// statement for each table, and sent with BEGIN and COMMIT in one round trip.
//
// # Collect and flush
//
// A unit holds no connection. Nothing is sent before [Unit.Flush], which writes
// everything or nothing:
//
//	u := unit.New()
//	order := unit.Create(u, shop.Orders, &shop.Order{CustomerID: 7})
//	unit.CreateMany(u, shop.OrderItems, items, unit.Refer(shop.ItemOrder, order))
//	unit.Patch(u, shop.Customers, 7, shop.CustomerName.Set("Ada"))
//	summary, err := u.Flush(ctx, pool)
//
// Tables, columns and assignments are those of package query, as repositories
// use them. [Create] and [CreateMany], [Update] of a whole row, [Patch] of some
// columns, [Delete], [HardDelete] and [Remove] mean what they mean there, except
// that a row which is not found, or is stale, fails the unit. What is wrong with
// a call is reported by the flush.
//
// # Keys of rows that do not exist yet
//
// [Create] returns the key that the row will have. [Refer] puts it into a column
// of other rows, one or thousands, and the compiler checks that the column
// belongs to their entity and has the type of that key. A pair of pointers,
// &item.OrderID and &order.ID, would be as explicit, but has to be written once
// for each child and cannot tell a field from a variable beside it. A guess from
// foreign keys and zero values would be shorter, and wrong as soon as there are
// two orders. Rows that refer to each other in a ring are joined by [Link].
//
// The server makes the key and uses it without the program in between: the
// statement that creates the order leaves its key in a setting of the
// transaction, from which the statement for the items takes it. That is as fast
// as one statement of data-modifying WITH parts, which is limited to tables that
// do not depend on each other in other ways, and it saves a round trip compared
// with drawing keys from the sequence first (BenchmarkForms: 0.99 and 0.82 of
// their time on a unix socket).
//
// # Order
//
// Rows are created after those that they refer to, whatever the order of the
// calls, then rows are updated, then patched, and at last deleted, those first
// that refer to others. The foreign keys come from the catalog, once for each
// set of tables, and again when an error says that they have changed. Rows of a
// table that refers to itself are created level by level. A ring is opened at a
// column that can be NULL, which is filled in afterwards, or at a DEFERRABLE
// constraint; one that has neither is a [CycleError].
//
// [Unit.Then] is for what foreign keys do not say, such as deleting a row before
// another with the same unique value is created.
//
// # Round trips
//
// On a pool or a connection a flush is one round trip, whatever it writes, once
// the statements are prepared. An idempotency key (txn.Options.Key) makes it
// two, because it depends on the answer whether the rest is sent at all. In a
// transaction, its own statements are one round trip:
//
//	err := txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
//		...
//		_, err := u.Flush(ctx, tx) // no BEGIN, no COMMIT
//		return err
//	})
//
// # Failures
//
// A [RowError] names the write that failed, its entity and its key, with the
// cause behind it:
//
//	var row *unit.RowError
//	if errors.Is(err, smrt.ErrStale) && errors.As(err, &row) {
//		return reload(row.Entity.(*shop.Order))
//	}
//
// Where the database does not say which of many rows violates a constraint, the
// flush sends the statement again in parts, in a transaction that is rolled
// back. In a transaction that was joined it cannot, and Index is -1.
//
// Entities are changed once everything is committed, or, in a transaction that
// is joined, when its statements have succeeded. After a failure entities and
// unit are as they were, so that the caller can mend what was wrong and flush
// again. If the transaction is rolled back or repeated by txn.Run afterwards,
// entities and unit get back what they had.
//
// # Retries and doubt
//
// The options of a flush are those of txn.Run, which runs it: serialization
// failures, deadlocks and the like are retried as a whole, from the entities as
// they are. A connection that breaks during the round trip is
// smrt.ErrCommitUnknown, because COMMIT was sent with the rest; with a key it is
// found out what happened. A flush that is given up is cancelled on the server,
// which then says whether it was too late.
//
// # Look before
//
// [Unit.Plan] returns the statements that a flush would send. [Unit.Discard]
// forgets them. The [Summary] of a flush counts what was written, by table.
package unit
