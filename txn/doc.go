// Package txn runs transactions: begun, retried, nested and committed so that
// what is reported is what happened.
//
// # A transaction
//
// [Run] takes a pool, a connection or a transaction and a closure. It commits
// when the closure returns nil and rolls back in every other case:
//
//	err := txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
//		order.Total = total(lines)
//		return orders.With(tx).Update(ctx, order) // shopdb.New(tx) for sqlc
//	})
//
// Isolation level, access mode and timeouts are in [Options] and travel with
// BEGIN, in the same round trip. COMMIT and ROLLBACK do not end with the
// caller's context: a request that is given up leaves no doubt behind and no
// broken connection. Reads of one instant on several connections are
// preload.Snapshot.
//
// # Retries
//
// Transactions that fail for a reason which usually passes are run again as a
// whole: serialization failures, deadlocks, connections lost before COMMIT,
// restarts, failovers, cached statements that no longer fit. So what a closure
// does outside of the database must bear to happen more than once, or wait:
//
//	err := txn.AfterCommit(ctx, func(ctx context.Context) { mails.Send(ctx, receipt) })
//
// What repositories write to entities, such as keys and versions, is taken back
// before the next attempt, and when a savepoint is rolled back: a field is set
// back as long as it holds what came from the server. Of a commit whose outcome
// is unknown, and in a transaction that was begun by hand and not adopted,
// entities stay as they were written.
//
// # Commits in doubt
//
// When a connection breaks while COMMIT is under way nobody knows whether it
// happened. Run does not guess: it returns smrt.ErrCommitUnknown. With a key it
// never has to:
//
//	err := txn.Run(ctx, pool, transfer, txn.Options{Key: "transfer " + id})
//	if errors.Is(err, smrt.ErrAlreadyApplied) {
//		err = nil // by an earlier call, perhaps of another process
//	}
//
// The key is a row that is written with everything else; its table is made by
// [MarkersSQL]. An attempt after one in doubt cannot write the same row, and
// waits for it if the server is still busy with the first. So the transaction is
// applied exactly once, whatever breaks.
//
// With [Options].TrackPosition, [RunResult] tells how far the log of the server has to be replayed
// on a standby until what was committed is there.
//
// # Nesting
//
// Run inside a closure, on the same handle or on the transaction, is a part of
// the transaction around it; see [Nesting] for what else it may be. A closure
// that joins and fails takes everything with it, one in a savepoint only itself:
//
//	err := txn.Run(ctx, pool, reserve, txn.Options{Nested: txn.Savepoint})
//
// A failure that only a new transaction can mend returns to the outermost one
// past all levels between.
//
// # What a closure may do
//
// Its transaction refuses Commit and Rollback (smrt.ErrTxManaged), use by two
// goroutines at a time (smrt.ErrTxConcurrentUse) and use after the end
// (smrt.ErrTxDone). What is done with its Conn or LargeObjects does not pass
// through it, and is not watched. Its context knows of the transaction: using the pool itself
// under it, where it would be outside of the transaction by mistake, is
// smrt.ErrTxBypass, with repositories as they are and with sqlc on a [Checked]:
//
//	queries := shopdb.New(txn.Checked(pool))
//
// [WithoutTx] is for when it is meant.
//
// # Hooks and tests
//
// [AfterCommit] and [AfterRollback] follow the outermost outcome. A test adopts
// a transaction that it begins and rolls back, runs the code in question, and
// says what the outcome is to be; see [Adopt].
//
// # Locks and pipelines
//
// A [Lock] is for what no row stands for. A [Pipeline] sends statements that do
// not depend on each other in one round trip, whoever makes them:
//
//	err := txn.Pipeline(ctx, tx, debit, credit, writeLedger)
package txn
