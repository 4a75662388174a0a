package cache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/cache/storetest"
)

// A reader misses, takes the lease, reads the row and puts it. What a writer invalidates
// in between is not put.
func ExampleStore() {
	ctx := context.Background()
	store := storetest.NewStore() // or one of contrib/redis
	ask := cache.Ask{Keys: []string{"products 7"}, Tables: []string{"products"}, Lease: 10 * time.Second}

	first, err := store.Get(ctx, ask)
	if err != nil {
		panic(err)
	}
	fmt.Println(first.Entries[0].State, "- any node may be read:", first.Floors[0].Known)

	// Somebody else changes the row while it is being read.
	err = store.Invalidate(ctx, cache.Change{
		Tables: []string{"products"}, Position: smrt.Position{System: 1, Timeline: 1, LSN: 4_711}, Keys: []string{"products 7"},
	})
	if err != nil {
		panic(err)
	}
	stored, err := store.Put(ctx, []cache.Fill{{Key: "products 7", Token: first.Entries[0].Token, Value: []byte("a row"), TTL: time.Minute}})
	if err != nil {
		panic(err)
	}
	fmt.Println("stored:", stored[0])
	// Output:
	// Leased - any node may be read: false
	// stored: false
}

// Nobody knows whether a transaction was committed, so that nobody fills its entries
// until that is known.
func ExampleBlock() {
	ctx := context.Background()
	var store cache.Store = storetest.NewStore()
	state := func() cache.State {
		answer, err := store.Get(ctx, cache.Ask{Keys: []string{"products 7"}, Lease: 10 * time.Second})
		if err != nil {
			panic(err)
		}
		return answer.Entries[0].State
	}
	doubt := cache.Block{ID: 2, Keys: []string{"products 7"}, TTL: 10 * time.Minute}
	if err := store.Block(ctx, doubt); err != nil {
		panic(err)
	}
	fmt.Println(state())
	if err := store.Invalidate(ctx, cache.Change{Keys: doubt.Keys, Lift: doubt.ID}); err != nil {
		panic(err)
	}
	fmt.Println(state())
	// Output:
	// Blocked
	// Leased
}

// A memory level forgets what it is told to, and everything when it may have missed
// something.
func ExampleFeed() {
	ctx, cancel := context.WithCancel(context.Background())
	store, told := storetest.NewStore(), make(chan string)
	feed, err := cache.NewFeed(cache.FeedConfig{
		Store: store,
		Apply: func(m cache.Notice) { told <- fmt.Sprint("forget ", m.Keys) },
		Reset: func(reason string) { told <- "forget everything: " + reason },
		Probe: 10 * time.Millisecond, Silence: time.Second,
	})
	if err != nil {
		panic(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		feed.Run(ctx)
	}()
	fmt.Println(<-told)
	if err := store.Invalidate(ctx, cache.Change{Keys: []string{"products 7"}}); err != nil {
		panic(err)
	}
	fmt.Println(<-told)
	store.Cut() // as a network does
	fmt.Println(<-told)
	cancel()
	<-ended
	// Output:
	// forget everything: a subscription began
	// forget [products 7]
	// forget everything: a subscription was lost: the subscription was cut
}
