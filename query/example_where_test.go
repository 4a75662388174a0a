package query_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A query combines typed conditions, an order and a limit.
func ExampleWhere() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	products := repo.New(pool, shop.Products)

	tea := shop.Category{Slug: "tea", Name: "Tea"}
	if err := repo.New(pool, shop.Categories).Create(ctx, &tea); err != nil {
		panic(err)
	}
	if err := products.CreateMany(ctx, []shop.Product{
		{CategoryID: tea.ID, SKU: "T1", Name: "Assam", PriceCents: 490, Stock: 3},
		{CategoryID: tea.ID, SKU: "T2", Name: "Darjeeling", PriceCents: 990, Stock: 8},
		{CategoryID: tea.ID, SKU: "T3", Name: "Sencha", PriceCents: 790},
	}); err != nil {
		panic(err)
	}

	cheap, err := products.Find(ctx,
		query.Where(shop.Price.Lt(10_00), shop.Stock.Gt(0)).OrderBy(shop.Price.Desc()).Limit(20))
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
