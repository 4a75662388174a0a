package storetest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/cache/storetest"
)

// A program can test a store too, without package testing.
func ExampleRules() {
	store := storetest.NewStore()
	subject := storetest.Subject{Stores: []cache.Store{store}, Save: store.Save, Restart: store.Restart, Lose: store.Lose}
	for _, rule := range storetest.Rules() {
		if err := rule.Test(context.Background(), subject); err != nil {
			fmt.Println(rule.Name+":", err)
		}
	}
	fmt.Println(len(storetest.Rules()) > 10, "rules hold")
	// Output: true rules hold
}

// forgetful is a store that does not say what it has changed.
type forgetful struct{ cache.Store }

func (f forgetful) Invalidate(ctx context.Context, c cache.Change) error {
	return f.Store.Invalidate(ctx, cache.Change{Tables: c.Tables, Position: c.Position, Generations: c.Generations})
}

// What a store does wrong is told.
func ExampleRule() {
	wrong := forgetful{storetest.NewStore()}
	for _, rule := range storetest.Rules() {
		if rule.Name == "an invalidation takes entries and leases" {
			fmt.Println(rule.Test(context.Background(), storetest.Subject{Stores: []cache.Store{wrong}}))
		}
	}
	// Output: a fill was stored under a lease from before an invalidation
}

// The store in memory fails as others do.
func ExampleStore_Away() {
	ctx, store := context.Background(), storetest.NewStore()
	store.Away(errors.New("connection refused"))
	_, err := store.Get(ctx, cache.Ask{Keys: []string{"a"}})
	fmt.Println(err)
	store.Away(nil)
	answer, err := store.Get(ctx, cache.Ask{Keys: []string{"a"}})
	fmt.Println(answer.Entries[0].State, err)
	// Output:
	// connection refused
	// Absent <nil>
}
