// Package unit writes many rows of many tables together: a unit of work. Writes
// are collected, ordered by the foreign keys of the schema, merged into few
// statements for each table, and sent with BEGIN and COMMIT in one round trip.
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
// [Create] returns the key that the row will have, and [Refer] puts it into a
// column of other rows, one or thousands. The compiler checks that the column
// belongs to their entity and has the type of the key. [Link] is for rows that
// refer to each other in a ring, and [Update] gives new keys to rows that exist.
//
// Nothing is guessed from fields that are zero: with two orders in a unit it
// would be a guess which one an item belongs to.
//
// The server makes the key and uses it without the program in between: the
// statement that creates the order leaves its key in a setting of the
// transaction, from which the statement for the items takes it. That takes 0.99
// of the time of one statement of data-modifying WITH parts, which could not
// order rows of one table, and 0.82 of that of drawing keys first, which is
// another round trip (BenchmarkForms, unix socket).
//
// # Order
//
// Rows are created after those that they refer to, whatever the order of the
// calls; then rows are updated, then patched, and at last deleted, those first
// that refer to others. The foreign keys come from the catalog, once for each
// set of tables, and again when an error says that they may have changed. Rows
// of a table that refers to itself are created level by level. A ring is opened
// at a column that can be NULL, which is filled in afterwards (or, of rows that
// are to be deleted, set to NULL before), or at a DEFERRABLE constraint, which is
// checked at the end of the unit. One that has neither is a [CycleError].
//
// A row is written once, but for patches, which are sent in the order of the
// calls: an update and a patch of one row are refused. [Unit.Then] separates
// what foreign keys do not: deleting a row before another with the same unique
// value is created, or updating a row before it is patched.
//
// # Round trips
//
// On a pool or a connection a flush is one round trip, whatever it writes, once
// the statements are prepared. An idempotency key (txn.Options.Key) makes it
// two, because it depends on the answer whether the rest is sent at all. A handle
// that begins transactions but lends no connection (smrt.Pool) takes three. In a
// transaction, the statements are one round trip:
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
// PostgreSQL does not say which of many rows in a statement violates a
// constraint. The flush then sends the statement again in parts, and undoes
// them: in transactions of their own, or behind a savepoint in the one that was
// joined, which has failed all the same. Sequences and locks notice.
//
// After a failure entities and unit are as they were, so that the caller can mend
// what was wrong and flush again. In a transaction that is joined, the entities
// are changed when the statements have succeeded. If txn.Run rolls back or
// repeats that transaction, entities and unit get back what they had when they
// were first flushed in it; so a unit is filled before the closure that flushes
// it, or made anew in it. If a savepoint around the flush is rolled back, that
// happens at the end of the transaction.
//
// # Retries and doubt
//
// The options of a flush are those of txn.Run, which runs it: serialization
// failures, deadlocks and the like are retried as a whole, from the entities as
// they are. A connection that breaks before COMMIT is answered is
// smrt.ErrCommitUnknown, because COMMIT was sent with the rest; with a key it is
// found out what happened. A flush whose context ends is cancelled on the server,
// which then says whether it was too late.
//
// # Look before, and after
//
// [Unit.Plan] returns the statements that a flush would send. [Unit.Discard]
// forgets them. The [Summary] of a flush counts what was written, by table, and
// has the position of the commit if the handle or txn.Options.TrackPosition asks
// for it, at no round trip more.
package unit
