package repo_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/repo"
)

// Gets that are made at the same time on one pool share statements.
func ExampleBatching() {
	ctx := context.Background()
	var sent *testdb.Counter
	pool, done := testdb.ExamplePool(shop.Schema, testdb.Configure(func(cfg *pgxpool.Config) {
		sent = testdb.CountStatements(cfg)
	}))
	defer done()
	shelf := newShelf(ctx, pool, 200)

	products := repo.New(pool, shop.Products, repo.Batching(repo.BatchOptions{MaxInFlight: 1}))

	sent.Reset()
	var requests sync.WaitGroup
	for _, p := range shelf {
		requests.Go(func() {
			if got, err := products.Get(ctx, p.ID); err != nil || got.SKU != p.SKU {
				panic(fmt.Sprint(got, err))
			}
		})
	}
	requests.Wait()
	fmt.Println("at most a tenth of the statements:", sent.Len() <= len(shelf)/10)
	// Output: at most a tenth of the statements: true
}
