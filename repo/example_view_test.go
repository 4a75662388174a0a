package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Offer is a product with what a page shows besides.
type Offer struct {
	Product
	Gross int64
}

// Read rows with columns that an expression computes. Queries are those of the
// entity.
func ExampleView() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 3)
	products := repo.New(pool, Products)

	gross := query.SQL[int64]("$1 * 121 / 100", Price)
	offers := repo.View(products, func(o *Offer) *Product { return &o.Product },
		query.Into(gross, func(o *Offer) *int64 { return &o.Gross }))

	found, err := offers.Find(ctx, query.Where(gross.Ge(2_00)).OrderBy(gross.Asc()))
	if err != nil {
		panic(err)
	}
	for _, o := range found {
		fmt.Println(o.Name, o.PriceCents, o.Gross)
	}
	// Output:
	// P2 200 242
	// P3 300 363
}

// Read one row of a view, and several, by key.
func ExampleReader_GetMany() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 3)

	offers := repo.View(repo.New(pool, Products), func(o *Offer) *Product { return &o.Product },
		query.Into(query.SQL[int64]("$1 * 121 / 100", Price), func(o *Offer) *int64 { return &o.Gross }))

	offer, err := offers.Get(ctx, 2)
	if err != nil {
		panic(err)
	}
	basket, err := offers.GetMany(ctx, []int64{3, 99, 1})
	if err != nil {
		panic(err)
	}
	fmt.Println(offer.Name, offer.Gross)
	fmt.Println(basket[0].Gross, basket[1], basket[2].Gross)
	// Output:
	// P2 242
	// 363 <nil> 121
}

// Read only some columns, where rows are wide.
func ExampleSelect() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 3)
	products := repo.New(pool, Products)

	type Label struct {
		SKU   string
		Stock int32
	}
	labels, err := repo.Select[Label](products).Find(ctx, query.Where(Stock.Gt(0)).OrderBy(SKU.Asc()))
	if err != nil {
		panic(err)
	}
	fmt.Println(labels)
	// Output: [{P2 1} {P3 2}]
}
