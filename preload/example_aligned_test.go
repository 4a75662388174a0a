package preload_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Load for rows that have no field for it: the result is aligned with them.
func ExampleToOne_Load() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)

	products, err := repo.New(pool, Products).Find(ctx, query.All[Product]().OrderBy(ProductID.Asc()))
	if err != nil {
		panic(err)
	}
	categories, err := ProductCategory.Load(ctx, pool, products)
	if err != nil {
		panic(err)
	}
	counts, err := ProductReviews.LoadCounts(ctx, pool, products)
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
