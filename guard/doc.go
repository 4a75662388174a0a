// Package guard bounds what one call may ask of the database: how many rows, how long,
// how deep, how much is written. So a request that nobody thought of returns an error
// instead of taking the service down.
//
// # Declaring limits
//
// Limits are declared once, where the pool is opened:
//
//	db := guard.On(pool, guard.Limits{
//		MaxLimit:    1_000,           // rows of a read
//		MaxLoaded:   20_000,          // rows of one load, for all parents
//		MaxDepth:    3,               // levels of loads
//		MaxList:     10_000,          // values of an IN list, keys of GetMany
//		MaxText:     1_000,           // bytes of a text in a condition
//		MaxAffected: 10_000,          // rows of a write
//		Timeout:     2 * time.Second, // of a call
//	})
//
//	products := repo.New(db, Products)
//	queries := shopdb.New(db) // of sqlc
//
// A field that is zero bounds nothing, and without limits nothing is looked at. The
// handle goes wherever the pool went: repositories, loads, units, package txn, sqlc.
// [On] takes a router, a connection or the reader of a router as well, [OnTx] a
// transaction. Limits of one repository are in repo.Options, those of one request or
// one kind of client in the context, see [With]. Where several hold, the strictest of
// each field wins.
//
// # What is refused
//
// A call beyond a limit returns a *[smrt.LimitError], and an error of its kind:
//
//	_, err := products.Find(ctx, query.All[Product]())
//	errors.Is(err, smrt.ErrRowLimit) // and smrt.ErrLimit, of all limits
//
// It says what the limit is, what was asked for, and what to do:
//
//	find products: the read has more rows than are allowed: MaxLimit is 1000, this is 1001: set a Limit, read
//	pages, or call guard.Allow(ctx, guard.Rows(n), reason)
//
// Nothing is cut off: there is the whole result or none. A write of a repository that is
// refused has written nothing; SQL by hand may have, see [DB]. What can be known before is
// refused before a connection is taken. The rows of a query without a limit cannot; it
// is sent with a limit of one row more than it may have. A write by query is counted by
// the server, which undoes it.
//
// # The way out
//
// There is one, so that a search for guard.Allow finds every place that goes beyond a
// limit, with its reason:
//
//	ctx = guard.Allow(ctx, guard.Rows(50_000), "nightly export")
//	err := export(ctx, products)
//
// It is not unlimited, and the log shows each call that makes use of it.
//
// # Trying limits
//
// With Mode: [Report] a call beyond a limit runs and is logged, or handed to OnEvent.
// It is the same code that refuses, so that what is reported for a week is what would
// have been refused.
//
// # What is bound by what
//
//	                    reads   loads   writes   sqlc and SQL by hand
//	MaxLimit            yes     -       -        rows as they come
//	MaxLoaded           -       yes     -        -
//	MaxDepth            -       yes     -        -
//	MaxList, MaxText    yes     -       yes      -
//	MaxBytes            yes     yes     -        rows as they come
//	MaxStatements       yes     yes     yes      yes, of a request
//	MaxComplexity       yes     yes     yes      -
//	MaxPlanCost         queries yes     queries  yes
//	Rate                yes     yes     yes      statements, and rows as they come
//	MaxAffected         -       -       yes      -
//	BoundedWrites       -       -       yes      -
//	Timeout             yes     yes     yes      yes
//
// Loads that travel in the statement of their parents, as those of one related row do
// by default, have no rows of their own.
//
// # Complexity
//
// MaxComplexity is about the product of what a call asks for. Before anything is sent
// it has points:
//
//	statements + joins + values / 1600, rounded down in the end
//
// A load is a statement, a condition on related rows a join, and values are rows times
// columns, as many as keys, limits or MaxLimit say, and 10,000 rows if nothing does. A
// statement counts 10 times that no condition narrows which an index could serve, and
// twice if it writes. docs/guides/limits-and-tenants.md has the details and examples.
//
// # Rates
//
// A rate is about many calls, of one user or one client of an API for instance:
//
//	perUser := guard.NewRate(guard.RateConfig{
//		Points: 100, // come back each second
//		Burst:  500, // are there at most
//		Key:    func(ctx context.Context) string { return UserOf(ctx) },
//	})
//	db := guard.On(pool, guard.Limits{MaxLimit: 1_000, Rate: perUser})
//
// A call takes the points that it asks for before it is sent. When it ends, what it
// did not cost is given back: rows that did not come, loads without parents. If its key
// has too few of them it is refused with smrt.ErrRateLimit, and a *[smrt.RateError] says
// when there will be enough. A [Store] can share the buckets between processes.
//
// # What is not bound
//
// A connection that Acquire lends, and what is sent on the Conn of a transaction. A
// statement is stopped by a request to cancel when its time is over; a server that
// cannot be reached any more is not asked. So set statement_timeout for the pool too,
// as a ceiling above all of your limits: postgres://...?statement_timeout=60000.
package guard
