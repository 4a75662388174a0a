package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// priceNow is what hand-written SQL says of a product's price.
const priceNow = "select price_cents from products where id = 42"

// keepProducts keeps products in memory for the rest of a step.
func keepProducts(ctx context.Context, pool *pgxpool.Pool, out *outcome) (stats func() cache.Stats, end func()) {
	rows, err := cache.New(cache.Config{MaxBytes: 8 << 20}, cache.Of(shop.Products))
	out.must(err)
	out.must(rows.Attach(ctx, pool))
	return rows.Stats, rows.Close
}

func readFromMemory(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	const times = 1000
	stats, end := keepProducts(ctx, pool, out)
	defer end()
	out.start()
	products := repo.New(pool, shop.Products)
	first, err := products.Get(ctx, 42)
	out.must(err)
	began := time.Now()
	for range times {
		_, err = products.Get(ctx, 42)
		out.must(err)
	}
	took := time.Since(began)
	out.stop(times + 1)

	out.tell("before: rows, err := cache.New(cache.Config{MaxBytes: 8 << 20}, cache.Of(shop.Products)), and rows.Attach(ctx, pool)")
	out.tell("%d reads of a row in memory took %s", times, brief(took))
	out.sends(1)
	out.expect(ctx, "price", first.PriceCents, priceNow)
	hits := stats().Tables["products"].Hits
	out.check(hits == times, "%d hits", hits)
}

func readAfterWrite(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	stats, end := keepProducts(ctx, pool, out)
	defer end()
	products := repo.New(pool, shop.Products)
	_, err := products.Get(ctx, 42)
	out.must(err)
	out.start()
	var inside *shop.Product
	err = txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := products.With(tx).Patch(ctx, 42, query.Add(shop.Price, 100)); err != nil {
			return err
		}
		inside, err = products.With(tx).Get(ctx, 42) // what the transaction sees
		return err
	})
	out.must(err)
	after, err := products.Get(ctx, 42)
	out.must(err)
	out.stop(1)

	out.tell("%s in the transaction, and %s after it", euros(inside.PriceCents), euros(after.PriceCents))
	out.check(inside.PriceCents == after.PriceCents, "%d in the transaction, %d after it", inside.PriceCents, after.PriceCents)
	out.expect(ctx, "price", after.PriceCents, priceNow)
	hits := stats().Tables["products"].Hits
	out.check(hits == 0, "%d reads were served from memory", hits)
}

func tellOfSQL(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	_, end := keepProducts(ctx, pool, out)
	defer end()
	products := repo.New(pool, shop.Products)
	_, err := products.Get(ctx, 42)
	out.must(err)
	out.start()
	_, err = pool.Exec(ctx, "update products set price_cents = price_cents + 1 where id = 42")
	out.must(err)
	cache.Wrote(ctx, pool, shop.Products)
	after, err := products.Get(ctx, 42)
	out.must(err)
	out.stop(1)

	out.tell("the price is %s", euros(after.PriceCents))
	out.expect(ctx, "price", after.PriceCents, priceNow)
}
