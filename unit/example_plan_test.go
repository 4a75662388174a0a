package unit_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/unit"
)

// A dry run shows what would be sent. The order of the calls does not matter.
func ExampleUnit_Plan() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockShop(ctx, pool)

	u := unit.New()
	unit.Delete(u, Products, 3)
	tea := unit.Create(u, Categories, &Category{Slug: "green-tea", Name: "Green tea"})
	unit.Create(u, Categories, &Category{Slug: "sencha", Name: "Sencha"}, unit.Refer(CategoryParentID, tea))
	unit.Create(u, Products, &Product{SKU: "g1", Name: "Gyokuro", PriceCents: 900}, unit.Refer(ProductCategoryID, tea))

	statements, err := u.Plan(ctx, pool)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range statements {
		if s.Rows > 0 {
			fmt.Println(s.Op, s.Rows, s.Table)
		}
	}
	u.Discard()
	fmt.Println(u.Len(), "left")
	// Output:
	// create 1 categories
	// create 1 categories
	// create 1 products
	// delete 1 products
	// 0 left
}
