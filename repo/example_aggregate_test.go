package repo_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Count, add up and group rows. A sum of no rows is not valid, which is not the
// same as 0.
func ExampleSum() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	newShelf(ctx, pool, 4)
	products := repo.New(pool, shop.Products)

	inStock := query.Where(shop.Stock.Gt(0))
	sum, err := repo.Sum(ctx, products, shop.Price, inStock)
	if err != nil {
		panic(err)
	}
	dearest, err := repo.Max(ctx, products, shop.Price, inStock)
	if err != nil {
		panic(err)
	}
	fmt.Println(sum.V, dearest.V)

	none, err := repo.Sum(ctx, products, shop.Price, query.Where(shop.Stock.Gt(1000)))
	if err != nil {
		panic(err)
	}
	fmt.Println(none.Valid)

	groups, err := repo.CountBy(ctx, products, shop.ProductCategoryID, inStock)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(groups), "category with", groups[0].Count, "products in stock")
	// Output:
	// 900 400
	// false
	// 1 category with 3 products in stock
}
