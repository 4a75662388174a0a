package repo_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/repo"
)

// statements counts what pgx sends.
type statements struct{ atomic.Int64 }

func (c *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.Add(1)
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Gets that are made at the same time on one pool are batched.
func ExampleBatching() {
	ctx := context.Background()
	cfg, err := pgxpool.ParseConfig(dsn())
	if err != nil {
		panic(err)
	}
	var sent statements
	cfg.ConnConfig.Tracer = &sent
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	shelf := newShelf(ctx, pool, 200)

	products := repo.New(pool, Products, repo.Options{Batching: repo.Batching{MaxInFlight: 1}})

	sent.Store(0)
	var requests sync.WaitGroup
	for _, p := range shelf {
		requests.Go(func() {
			if got, err := products.Get(ctx, p.ID); err != nil || got.SKU != p.SKU {
				panic(fmt.Sprint(got, err))
			}
		})
	}
	requests.Wait()
	fmt.Println("fewer statements than requests:", sent.Load() < int64(len(shelf)))
	// Output: fewer statements than requests: true
}
