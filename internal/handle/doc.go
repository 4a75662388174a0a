// Package handle says what a handle may tell beyond smrt.DB, and what a context
// tells about the handles used under it. It is a package of its own because
// whoever makes handles and whoever uses them must not know each other.
//
// # What a handle may say
//
// A handle that a user brings, such as a *pgxpool.Pool, says nothing of this and
// works. Each of these interfaces adds one thing:
//
//	Wrapper       it stands for another handle        txn's checked handle, unit's, a user's own
//	Relative      it shares its database with another readreplica's reader
//	Router        its reads go to several nodes       readreplica's router and reader
//	ReadOnly      it refuses writes                   readreplica's reader
//	Rewriter      it changes what is sent on it      slots
//	CommitKeeper  it wants the positions of commits   readreplica's router, unit's
//	Concurrent    goroutines may share it             preload's snapshot
//	Unordered     rows of a write come back anyhow    an engine with several nodes
//	Starter       it begins transactions its own way  unit's
//	Opener        its transactions begin with a statement of its own rowsecurity
//	Resetter      it can forget its connections       pgxpool.Pool, pool.Pool, unit's
//	Traits        it says the above in another value  readreplica's router and reader
//
// A handle implements them itself, or has the single method of [Traits], which
// returns a value that does. Exported types do the latter, so that users see one
// method and not all of them. The functions of this package look in both places;
// nobody else asserts the interfaces.
//
// A handle that lends connections is a smrt.Pool, and may be shared by goroutines
// for that reason; see [MayShare].
//
// # What a transaction may say
//
// [PositionTx] is a pgx.Tx that returns the position of its commit, [TimeoutTx] one
// that knows whether a statement it sent with COMMIT timed out, [Undoer] one that
// takes back what calls wrote to the caller's values when it is rolled back.
//
// # What a context says
//
// [Scope] is the transaction that the holder of the context is in, and [Check]
// refuses to send something outside of it by mistake. [WithoutCounting] marks
// statements that are repeated by design.
//
// # Routing
//
// [Read] runs a declared read where a handle sends it, and again elsewhere:
//
//	caller            Read                       Router
//	Read(ctx, db) --> Next(zero Try)         --> chooses a node
//	read(node)    <-- Try{On, Node}
//	  fails       --> Next(Try with its Err) --> another node, or the final error
//	  succeeds,
//	  or is final --> Done(Try)              --> the error to report
//
// Between Next and the following Next or Done the router counts the read as
// running on that node; so Read calls Done also when a read panics. All of it is
// handed around by value: routing takes 80 to 100 ns and no memory.
package handle
