package query_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A query combines typed conditions, an order and a limit.
func ExampleWhere() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	products := repo.New(pool, Products)

	tea := Category{Slug: "tea", Name: "Tea"}
	if err := repo.New(pool, Categories).Create(ctx, &tea); err != nil {
		panic(err)
	}
	if err := products.CreateMany(ctx, []Product{
		{CategoryID: tea.ID, SKU: "T1", Name: "Assam", PriceCents: 490, Stock: 3},
		{CategoryID: tea.ID, SKU: "T2", Name: "Darjeeling", PriceCents: 990, Stock: 8},
		{CategoryID: tea.ID, SKU: "T3", Name: "Sencha", PriceCents: 790},
	}); err != nil {
		panic(err)
	}

	cheap, err := products.Find(ctx,
		query.Where(Price.Lt(10_00), Stock.Gt(0)).OrderBy(Price.Desc()).Limit(20))
	if err != nil {
		panic(err)
	}
	for _, p := range cheap {
		fmt.Println(p.Name, p.PriceCents)
	}
	// Output:
	// Darjeeling 990
	// Assam 490
}
