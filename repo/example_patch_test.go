package repo_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Change some columns of a row, or of all rows that match, without reading
// them first.
func ExampleRepository_Patch() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	shelf := newShelf(ctx, pool, 3)
	products := repo.New(pool, shop.Products)

	err := products.Patch(ctx, shelf[2].ID,
		shop.Stock.Add(-1), // stock = stock - 1
		shop.Weight.Set(450),
		shop.ProductName.SetExpr("upper(name) || $1", "!"))
	if err != nil {
		panic(err)
	}
	p, err := products.Get(ctx, shelf[2].ID)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Name, p.Stock, *p.WeightGrams)

	n, err := products.UpdateWhere(ctx, query.Where(shop.Price.Lt(3_00)), shop.Price.Add(50))
	if err != nil {
		panic(err)
	}
	fmt.Println(n, "prices raised")

	_, err = products.UpdateWhere(ctx, query.All[shop.Product](), shop.Price.Set(0))
	fmt.Println(err)
	// Output:
	// P3! 1 450
	// 2 prices raised
	// update products: the predicate matches every row: add a condition, or call Unbounded on the query if that is meant
}
