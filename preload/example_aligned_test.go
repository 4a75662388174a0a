package preload_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Load for rows that have no field for it: the result is aligned with them.
func ExampleToOne_Load() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	stockExampleShop(ctx, pool)

	products, err := repo.New(pool, shop.Products).Find(ctx, query.All[shopdb.Product]().OrderBy(shop.ProductID.Asc()))
	if err != nil {
		panic(err)
	}
	categories, err := shop.ProductCategory.Load(ctx, pool, products)
	if err != nil {
		panic(err)
	}
	counts, err := shop.ProductReviews.LoadCounts(ctx, pool, products)
	if err != nil {
		panic(err)
	}
	for i, p := range products {
		fmt.Println(p.Name, "in", categories[i].Name, "has", counts[i], "reviews")
	}
	// Output:
	// Green tea in Tea has 2 reviews
	// Black tea in Tea has 0 reviews
	// Iron pot in Pots has 1 reviews
}
