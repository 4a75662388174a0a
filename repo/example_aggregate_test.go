package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Count, add up and group rows. A sum of no rows is not valid, which is not the
// same as 0.
func ExampleAggregate() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 4)
	products := repo.New(pool, Products)

	inStock := query.Where(Stock.Gt(0))
	sum, err := repo.Aggregate(ctx, products, query.Sum[int64](Price), inStock)
	if err != nil {
		panic(err)
	}
	dearest, err := repo.Aggregate(ctx, products, query.Max(Price), inStock)
	if err != nil {
		panic(err)
	}
	fmt.Println(sum.V, dearest.V)

	none, err := repo.Aggregate(ctx, products, query.Sum[int64](Price), query.Where(Stock.Gt(1000)))
	if err != nil {
		panic(err)
	}
	fmt.Println(none.Valid)

	groups, err := repo.CountBy(ctx, products, ProductCategoryID, inStock)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(groups), "category with", groups[0].Count, "products in stock")
	// Output:
	// 900 400
	// false
	// 1 category with 3 products in stock
}
