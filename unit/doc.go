// Package unit is a unit of work: it writes many rows of many tables together.
// It collects writes, orders them by the foreign keys of the schema, merges
// them into few statements for each table, and sends these with BEGIN and
// COMMIT in one round trip.
//
// # Collect and flush
//
// A unit holds no connection. It sends nothing before [Unit.Flush], which
// writes everything or nothing:
//
//	u := unit.New()
//	order := unit.Create(u, shop.Orders, &shop.Order{CustomerID: 7})
//	unit.CreateMany(u, shop.OrderItems, items, unit.Refer(shop.ItemOrder, order))
//	unit.Patch(u, shop.Customers, 7, shop.CustomerName.Set("Ada"))
//	summary, err := u.Flush(ctx, pool)
//
// Tables, columns and assignments are those of package query, as repositories
// use them. [Create] and [CreateMany], [Update] of a whole row, [Patch] of some
// columns, [Delete], [HardDelete] and [Remove] mean what they mean there, with
// one difference: a row which is not found, or is stale, fails the unit. The
// flush reports what is wrong with a call.
//
// # Keys of rows that do not exist yet
//
// [Create] returns the key that the row will have, and [Refer] puts it into a
// column of other rows, one or thousands. The compiler checks that the column
// belongs to their entity and has the type of the key. [ReferKey] does the same
// for composite keys. [Link] is for rows that
// refer to each other in a ring, and [Update] gives new keys to rows that
// exist.
//
// Fields that are zero are never filled in by guessing: with two orders in a
// unit it is not clear which of them an item belongs to.
//
// The key is made and used on the server: the statement that creates the order
// leaves its key in a setting of the transaction, and the statement for the
// items takes it from there. That takes 0.99 of the time of one statement with
// data-modifying WITH parts, which could not order the rows of one table. It
// takes 0.82 of the time of drawing keys first, which is another round trip
// (BenchmarkForms, unix socket).
//
// # Order
//
// Rows are created after those that they refer to, in whatever order the calls
// were made. Then rows are updated, then patched, and at last deleted, those
// first that refer to others. The foreign keys are read from the catalog once
// for each set of tables, and again when an error says that they may have
// changed. Rows of a table that refers to itself are created level by level.
//
// Rows that refer to each other in a ring need a foreign key at which the ring
// can be opened. That is one whose column can be NULL: the column is filled in
// afterwards or, if the rows are deleted, set to NULL before. Or it is a
// DEFERRABLE one, which is checked at the end of the unit. A ring that has
// neither is a [CycleError].
//
// A row is written once: an update and a patch of one row are refused. Only
// patches of one row may be several; they are sent in the order of the calls.
// [Unit.Then] separates what foreign keys do not: deleting a row before another
// with the same unique value is created, or updating a row before it is
// patched.
//
// # Sets of rows
//
// [UpdateWhere] and [DeleteWhere] write all rows that match a query, as those of
// repositories do, and are sent with the rest:
//
//	unit.UpdateWhere(u, shop.Products, query.Where(shop.ProductCategory.Eq(tea)), shop.ProductCategory.Set(herbs))
//	unit.Delete(u, shop.Categories, tea)
//
// Each separates the writes as if Then were called before it and after it. So it
// finds the rows that the unit has written before it, and none that come after it.
//
// # Functions
//
// [Unit.Do] adds a function, for what needs the database in between: a key that
// was just made, a query of sqlc, a total that the server knows. It runs in the
// transaction of the unit:
//
//	order := shop.Order{CustomerID: 7}
//	unit.Create(u, shop.Orders, &order)
//	u.Do(func(ctx context.Context, tx pgx.Tx) error {
//		return shopdb.New(tx).ReserveStock(ctx, order.ID)
//	})
//	unit.Update(u, shop.Orders, &order)
//
// A function is a barrier. What was added before it is sent, and its results are
// in the entities, before it runs; what was added after it is sent, with the values
// that the entities have then, when it has returned. So it costs round trips, and
// it runs again if the transaction does. Only a unit without functions is sent in
// one round trip.
//
// # Round trips
//
// On a pool or a connection a flush is one round trip, however much it writes,
// once the statements are prepared. With an idempotency key (txn.Options.Key)
// it is two, because the answer to the first decides whether the rest is sent.
// On a handle that begins transactions but lends no connection (smrt.Pool) it
// is three. In a transaction, the statements are one round trip:
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
// cause inside it:
//
//	var row *unit.RowError
//	if errors.Is(err, smrt.ErrStale) && errors.As(err, &row) {
//		return reload(row.Entity.(*shop.Order))
//	}
//
// PostgreSQL does not say which of many rows in a statement violates a
// constraint. The flush then sends the statement again in parts, and undoes
// them: in transactions of their own, or after a savepoint in the transaction
// that was joined, which has failed all the same. Sequences advance and locks
// are taken as if the rows were written.
//
// After a failure the entities and the unit are as they were, so that the
// caller can mend what was wrong and flush again. In a transaction that is
// joined, the entities are changed when the statements have succeeded. If
// txn.Run rolls back or repeats that transaction, it restores entities and unit
// as they were when they were first flushed in it. So fill a unit before the
// closure that flushes it, or make a new one in the closure. If a savepoint
// around the flush is rolled back, they are restored at once.
//
// So are they if a function fails or panics, or something after it. A transaction
// that was joined is then one in which a closure of txn.Run has failed: it cannot be
// committed, unless it was begun by hand, when the unit is undone to a savepoint.
//
// # Retries and doubt
//
// The options of a flush are those of txn.Run, which runs it. On serialization
// failures, deadlocks and the like the whole flush is retried, from the
// entities as they are. If the connection breaks before COMMIT is answered, the
// flush returns smrt.ErrCommitUnknown, because COMMIT was sent with the rest;
// with a key it looks the outcome up. A flush whose context ends is cancelled
// on the server, which then says whether it was too late.
//
// # Parts
//
// Parts of a program may collect writes in units of their own. [Unit.Append] moves
// them into one, so that they are flushed together.
//
// # Look before, and after
//
// [Unit.Plan] returns the statements that a flush would send, and [Unit.String]
// what a unit holds, for logs. [Unit.Discard]
// forgets the writes. The [Summary] of a flush counts what was written, by
// table. It has the position of the commit if the handle or
// txn.Options.TrackPosition asks for it, without another round trip.
package unit
