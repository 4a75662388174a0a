// Package smrtredis shares rates of package guard and entries of package cache between
// processes, by way of Redis or Valkey. [Store] is for rates and needs Redis 6 or later,
// [CacheStore] is for caches and needs 7.
//
// # Rates
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"redis:6379"}, DisableCache: true})
//	store, err := smrtredis.New(smrtredis.Config{Client: client, Processes: 12})
//
//	perUser := guard.NewRate(guard.RateConfig{Name: "api", Points: 100, Burst: 500, Key: userOf, Store: store})
//	db := guard.On(pool, guard.Limits{MaxLimit: 1_000, Rate: perUser})
//
// It is a module of its own, so that the client of Redis is in no program that does not
// use it.
//
// # How
//
// A bucket is one key, which holds the moment at which the bucket will be full. One
// script looks at it and moves it, by the server's clock: the clocks of the processes do
// not matter. The key expires when the bucket is full. A call costs a round trip, and
// another one when it ends, if it did not cost what it asked for.
//
// # When the store is away
//
// Nothing fails, and nothing is unlimited. Each process goes on with buckets of its own,
// which hold and get back its part of the points: the rate divided by Processes. They
// begin full, and so do those of a store that has lost its memory, so that a key may get
// up to twice its points while the store goes and comes back. A part is one point at least,
// so that it may be as many more points as there are processes. Once a second one call
// asks the store again. What happens is logged when it begins and when it ends, and
// counted, see [Store.Stats].
//
// rueidis.NewClient returns an error while the store is away. A program that has to start
// then sets Config.Connect in place of Client: the store calls it until there is a client.
// Points that a process took by itself do not go to the store when they are given back.
//
// A call that asks for more than the part of one process is told to try again when the
// store is asked the next time.
//
// # Caches
//
// A store of a cache is made from a client too:
//
//	store, err := smrtredis.NewCacheStore(ctx, smrtredis.CacheConfig{Client: client})
//
// Each method is one script, and a round trip. Entries, leases and floors have the
// run_id of the server in them, so that nothing of what a restart or a failover brings
// back is used. Values of more than 1 KiB are compressed.
//
// On a socket of the same machine a hit takes 31 µs where a bare GET takes 12. The
// difference is the server's time for the script; a network adds as much to both.
//
// Entries and leases expire. Floors and generations, one of each for a table and a
// tenant, do not, and blocks are there until somebody asks for their entry after their
// time: a server with a limit of memory should have the maxmemory-policy volatile-lru or
// volatile-ttl, which removes none of them. What another policy may do is logged at the
// start.
//
// In a cluster all keys of a cache are on one node. The copies of a server are never
// asked: a client that sends reads to them sends no scripts there.
package smrtredis
