package smrtredis_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/redis/rueidis"

	"github.com/smrt-go/smrt/cache"
	smrtredis "github.com/smrt-go/smrt/contrib/redis"
	"github.com/smrt-go/smrt/guard"
)

// userOf says who asks; a middleware has put it into the context.
func userOf(ctx context.Context) string {
	user, _ := ctx.Value(userKey{}).(string)
	return user
}

type userKey struct{}

// A store is made where a program begins, and is for all of its rates.
func ExampleNew() {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"redis:6379"}, DisableCache: true})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	store, err := smrtredis.New(smrtredis.Config{Client: client, Processes: 12})
	if err != nil {
		log.Fatal(err)
	}
	perUser := guard.NewRate(guard.RateConfig{Name: "api", Points: 100, Burst: 500, Key: userOf, Store: store})
	limits := guard.Limits{MaxLimit: 1_000, Rate: perUser} // of guard.On(pool, limits)
	fmt.Println(limits.Rate != nil)
}

// Metrics of a program may have what became of the questions.
func ExampleStore_Stats() {
	var store *smrtredis.Store // of New
	for range time.Tick(time.Minute) {
		s := store.Stats()
		log.Println("asked", s.Asked, "not answered", s.Failed, "decided alone", s.Locally, "away", s.Away)
	}
}

// A bucket can be used for what is not a call of the database too.
func ExampleStore_Take() {
	var store *smrtredis.Store // of New
	mails := guard.Bucket{Rate: "mails", Key: "ann", Interval: time.Minute, Burst: 10}
	if s := store.Take(context.Background(), mails, 1, 0); !s.Taken {
		log.Println("try again in", s.RetryAfter)
	}
}

// Entries of a cache are kept for all processes that have the prefix.
func ExampleNewCacheStore() {
	ctx := context.Background()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"redis:6379"}, DisableCache: true})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	store, err := smrtredis.NewCacheStore(ctx, smrtredis.CacheConfig{Client: client, Prefix: "{shop}:"})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := store.Get(ctx, cache.Ask{Keys: []string{"products 7"}, Tables: []string{"products"}, Lease: 10 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Entries[0].State)
}
