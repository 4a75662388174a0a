package preload_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// OrderView is an order with its lines. The order is sqlc's model, unchanged.
type OrderView struct {
	Order
	Lines []LineView
}

// LineView is a line with its product.
type LineView struct {
	OrderItem
	Product *Product
}

var withLines = preload.Many(OrderLines, func(o *OrderView) *[]LineView { return &o.Lines },
	preload.One(LineProduct, func(l *LineView) **Product { return &l.Product }))

// Read orders with their lines and the lines' products: three statements,
// whatever the number of orders.
func ExampleMany() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)
	orders := repo.View(repo.New(pool, Orders), func(o *OrderView) *Order { return &o.Order })

	found, err := orders.Find(ctx, query.Where(OrderCustomer.Eq(1)).OrderBy(OrderID.Asc()), withLines)
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
