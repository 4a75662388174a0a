package observe_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// An observer is made first, and attached to the pool when that is opened.
func ExampleNew() {
	ctx := context.Background()
	observer, err := observe.New(observe.Config{})
	if err != nil {
		panic(err)
	}
	db, err := pool.Open(ctx, pool.Config{URL: dsn(), Configure: observer.Configure})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	categories := repo.New(db, Categories)
	for _, slug := range []string{"maps", "globes"} {
		if err := categories.Create(ctx, &Category{Slug: slug, Name: slug}); err != nil {
			panic(err)
		}
	}
	if _, err := categories.Find(ctx, query.Query[Category]{}); err != nil {
		panic(err)
	}

	for _, s := range observer.Snapshot().ByName() {
		if s.Name.Table != "" {
			fmt.Println(s.Name, s.Calls, "calls", s.Rows, "rows", s.Failed, "failed")
		}
	}
	// Unordered output:
	// categories.create 2 calls 2 rows 0 failed
	// categories.find 1 calls 2 rows 0 failed
}

// A hook sees each call. Here it writes down the names of those that failed.
func ExampleHookFuncs() {
	ctx := context.Background()
	failures := observe.HookFuncs{OnAfter: func(_ context.Context, e *observe.Event) {
		if e.Outcome == observe.Failed {
			fmt.Println(e.Name, e.SQLState)
		}
	}}
	observer, err := observe.New(observe.Config{Hooks: []observe.Hook{failures}})
	if err != nil {
		panic(err)
	}
	db, err := pool.Open(ctx, pool.Config{URL: dsn(), Configure: observer.Configure})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	categories := repo.New(db, Categories)
	for range 2 { // the second has the same slug
		_ = categories.Create(ctx, &Category{Slug: "maps", Name: "Maps"})
	}
	// Output:
	// categories.create 23505
}
