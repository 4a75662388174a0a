// Package smrtredis shares the rates of package guard between processes, by way of
// Redis 6 or later, or Valkey:
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
// rueidis.NewClient returns an error while the store is away: a program that has to start
// then has to call it again.
//
// A call that asks for more than the part of one process is told to try again when the
// store is asked the next time.
package smrtredis
