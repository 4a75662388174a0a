// Package readreplica sends reads to standbys and everything else to the
// primary, with guarantees about what a read sees.
//
// # A router
//
// A [Router] takes the servers in any order, and finds out by itself which one
// is the primary:
//
//	db, err := readreplica.Open(ctx, readreplica.Config{Servers: []readreplica.Server{
//		{URL: "postgres://app@db1/shop"},
//		{URL: "postgres://app@db2/shop"},
//		{URL: "postgres://app@db3/shop"},
//	}})
//	products := repo.New(db, shop.Products)
//
// It is a smrt.DB, so repositories, loads, units of work and txn.Run work on it
// as on a pool. What is a read is declared, never guessed from SQL: the reading
// methods of repositories, read-only transactions, and everything that is sent through
// [Router.Reader], such as the queries of sqlc:
//
//	report, err := shopdb.New(db.Reader()).SalesByMonth(ctx)
//
// Everything else goes to the primary, and so do queries that lock rows. The
// sessions for reading are read-only, so that a write that was declared as a
// read fails at once, with smrt.ErrWriteOnReplica, and not only on some servers.
//
// # What a read sees
//
// Without being told more, a read sees a state of the database that is at most
// Config.MaxStale old. What else it must see is said by its context:
//
//	ctx = readreplica.WithSession(ctx)                 // what was written and read under ctx before
//	ctx = readreplica.WithMaxStale(ctx, 2*time.Second) // what was committed two seconds ago
//	ctx = readreplica.WithPosition(ctx, position)      // a commit of another program
//	ctx = readreplica.WithPrimary(ctx)                 // everything
//
// This is measured by positions in the write-ahead log, taken after COMMIT, and
// not by clocks: a replica serves a read if it has replayed the position that
// the read needs. Otherwise the read waits for a replica for a moment
// (Config.Wait), then goes to the primary if that has room (Config.Fallback,
// Config.PrimaryShare), and is else smrt.ErrNoFreshReplica.
//
// A session goes on in the next request, perhaps in another process, with a
// signed token: [Router.Token] and [Router.Resume], or [Router.Middleware],
// which carries it in a cookie or a header.
//
// What no router can give is one order of all commits on all servers. Commits
// become visible in another order on a standby than on the primary, so that two
// users who read from two servers may disagree about which of two concurrent
// commits was first. If you decide something by what was read from a replica,
// check it again in the transaction that writes.
//
// # Failures
//
// Each server is asked how it is, every Config.ProbeInterval, on a connection
// of its own. One that fails twice in a row gets no reads until it has answered
// three times. A read that fails because of its server, or because recovery on
// a standby cancelled it, is run again on another one; the errors of the
// application (no rows, a constraint) count for nothing.
//
// A standby that was restarted may have less than it had, until it has replayed
// it again. Each new connection for reading is asked for that (of pools that the
// router opened), so such a standby serves no read that needs more.
//
// When a standby is promoted it gets the writes: within a tenth of
// Config.ProbeInterval if the old primary is gone, and at the first write that
// is refused as read-only if it has become a standby. txn.Run repeats what can be
// repeated; single statements are sent again if they had no effect for sure.
// What the old primary had committed and not sent is lost, which replication
// without synchronous standbys does not prevent: [TimelineChanged] tells of it.
// An old primary that comes back on its own timeline gets neither reads nor
// writes.
//
// # Engines
//
// Not everything that speaks PostgreSQL's protocol can compare positions; see
// [Engine] for what is switched off where.
//
// # Permissions
//
// The role needs no privileges. With pg_monitor, standbys tell the timeline that
// they stream at once; without, it takes until their next restart point, and a
// standby gets no reads between a failover and then.
package readreplica
