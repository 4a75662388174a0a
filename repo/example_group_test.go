package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Groups are read into a struct of your own. Their keys and aggregates are
// expressions, which conditions on groups and their order use too.
func ExampleGroupBy() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 40)
	products := repo.New(pool, Products)

	type band struct {
		Euros    int64 // the price, rounded down to tens
		Products int64
		InStock  int64
		Dearest  int64
	}
	tens := query.SQL[int64]("$1 / 1000 * 10", Price)
	dearest := query.Max(Price)
	bands, err := repo.GroupBy(ctx, products, query.Where(Price.Gt(0)),
		query.Where(query.Count[Product]().Ge(2)).OrderBy(dearest.Desc()).Limit(2),
		query.Into(query.By(tens), func(b *band) *int64 { return &b.Euros }),
		query.Into(query.Count[Product](), func(b *band) *int64 { return &b.Products }),
		query.Into(query.Count(Stock.Gt(0)), func(b *band) *int64 { return &b.InStock }),
		query.Into(dearest, func(b *band) *int64 { return &b.Dearest }))
	if err != nil {
		panic(err)
	}
	for _, b := range bands {
		fmt.Printf("from %d euros: %d products, %d in stock, up to %d cents\n", b.Euros, b.Products, b.InStock, b.Dearest)
	}
	// Output:
	// from 30 euros: 10 products, 10 in stock, up to 3900 cents
	// from 20 euros: 10 products, 10 in stock, up to 2900 cents
}
