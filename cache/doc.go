// Package cache has what keeps rows and results near to a program without their being
// stale for good.
//
// # Rows in memory
//
// [New] makes a cache of declared tables, and [Cache.Attach] lets it serve reads by key on
// a pool or a router:
//
//	rows, err := cache.New(cache.Config{MaxBytes: 64 << 20}, cache.Of(shop.Products))
//	err = rows.Attach(ctx, pool)
//	product, err := repo.New(pool, shop.Products).Get(ctx, id) // sends nothing, if it is there
//
// What is served is never older than the last write of this process that had returned
// before the read began, whatever handle the write was made on, and on a router never
// older than the read demands. A write by SQL of the program's own has to be told, by a
// comment that [On] reads or with [Wrote]. Writes by other processes are not seen: the
// TTL of [Options] bounds how long.
//
// # A store that processes share
//
// [Store] is what a shared level has to be: it gives the lease of an entry that it does
// not have to one caller, who reads the database and fills it. An invalidation takes
// entries and leases away, so that nothing is stored that was read before it:
//
//	answer, err := store.Get(ctx, cache.Ask{Keys: keys, Tables: []string{"products"}, Lease: 10 * time.Second})
//	// of an entry that is Leased: read it, on a node that has replayed the floor
//	stored, err := store.Put(ctx, []cache.Fill{{Key: key, Token: answer.Entries[0].Token, Value: value, TTL: time.Minute}})
//
// A lease alone is enough for what is read on the primary. A standby may be behind an
// invalidation, so that a store also has a floor for each table, the highest position
// that was invalidated. A store that may have lost a floor says that it is not known.
//
// A transaction whose COMMIT had no answer may become visible later. Its entries are
// blocked, and not filled, until somebody knows.
//
// Package storetest tests a store, and has one for tests. The store of the module
// contrib/redis is one for Redis and Valkey.
//
// # What a process remembers
//
// [Feed] follows the messages of a store, and tells what is kept in memory when to
// forget, and whether it can be used at all.
package cache
