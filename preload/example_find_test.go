package preload_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// OrderView is an order with its lines. The order is sqlc's model, unchanged.
type OrderView struct {
	shop.Order
	Lines []LineView
}

// LineView is a line with its product.
type LineView struct {
	shop.OrderItem
	Product *shop.Product
}

var withLines = preload.Many(shop.OrderLines, func(o *OrderView) *[]LineView { return &o.Lines },
	preload.One(shop.LineProduct, func(l *LineView) **shop.Product { return &l.Product }))

// Read orders with their lines and the lines' products: three statements,
// whatever the number of orders.
func ExampleMany() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	stockExampleShop(ctx, pool)
	orders := repo.View(repo.New(pool, shop.Orders), func(o *OrderView) *shop.Order { return &o.Order })

	found, err := orders.Find(ctx, query.Where(shop.OrderCustomer.Eq(1)).OrderBy(shop.OrderID.Asc()), withLines)
	if err != nil {
		panic(err)
	}
	for _, o := range found {
		for _, l := range o.Lines {
			fmt.Println(o.ID, l.Quantity, l.Product.Name)
		}
	}
	// Output:
	// 1 2 Green tea
	// 1 1 Iron pot
	// 2 1 Black tea
}
