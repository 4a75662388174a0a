package unit_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/unit"
)

// A dry run shows what would be sent. The order of the calls does not matter.
func ExampleUnit_Plan() {
	pool, done := openShop()
	defer done()
	ctx := context.Background()

	u := unit.New()
	unit.Delete(u, shop.Products, 3)
	tea := unit.Create(u, shop.Categories, &shop.Category{Slug: "green-tea", Name: "Green tea"})
	unit.Create(u, shop.Categories, &shop.Category{Slug: "sencha", Name: "Sencha"}, unit.Refer(shop.CategoryParentID, tea))
	unit.Create(u, shop.Products, &shop.Product{SKU: "g1", Name: "Gyokuro", PriceCents: 900}, unit.Refer(shop.ProductCategoryID, tea))

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
