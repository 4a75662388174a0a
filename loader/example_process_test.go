package loader_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/loader"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// One loader for the process: requests that come in at the same time share
// statements. Here products are found by their SKU.
func ExampleNew() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	_, stock := newShelves(ctx, pool, 200)
	products := repo.New(pool, Products)

	var calls atomic.Int64
	bySKU := loader.New(func(ctx context.Context, skus []string) (map[string]Product, error) {
		calls.Add(1)
		rows, err := products.Find(ctx, query.Where(SKU.In(skus...)))
		found := make(map[string]Product, len(rows))
		for _, p := range rows {
			found[p.SKU] = p
		}
		return found, err
	})

	var requests sync.WaitGroup
	for _, wanted := range stock {
		requests.Go(func() {
			p, err := bySKU.Load(ctx, wanted.SKU)
			if err != nil || p.ID != wanted.ID {
				panic(fmt.Sprint(p, err))
			}
		})
	}
	requests.Wait()
	fmt.Println("fewer calls than loads:", calls.Load() < int64(len(stock)))

	_, err = bySKU.Load(ctx, "no such thing")
	fmt.Println(errors.Is(err, smrt.ErrNotFound))
	// Output:
	// fewer calls than loads: true
	// true
}
