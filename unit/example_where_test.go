package unit_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/unit"
)

// A category is replaced by another: its products move there, however many they
// are, and then it can be deleted. All of it is one round trip.
func ExampleUpdateWhere() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockShop(ctx, pool)

	u := unit.New()
	herbs := Category{Slug: "herbs", Name: "Herbs"}
	unit.Create(u, Categories, &herbs)
	if _, err := u.Flush(ctx, pool); err != nil {
		panic(err)
	}

	const tea = 1
	unit.UpdateWhere(u, Products, query.Where(ProductCategoryID.Eq(tea)), ProductCategoryID.Set(herbs.ID))
	unit.Delete(u, Categories, tea)
	fmt.Println(u)
	summary, err := u.Flush(ctx, pool)
	if err != nil {
		panic(err)
	}
	fmt.Println(summary)
	// Output:
	// update where products, then delete categories
	// products: 3 updated; categories: 1 deleted
}
