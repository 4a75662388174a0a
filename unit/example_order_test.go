package unit_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/unit"
)

// An order and its items are written in one round trip. The key of the order,
// which the database makes, reaches the items by itself.
func ExampleCreate() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockShop(ctx, pool)

	order := &Order{CustomerID: 1, TotalCents: 300}
	items := []OrderItem{
		{LineNo: 1, ProductID: 1, Quantity: 1, UnitPriceCents: 100},
		{LineNo: 2, ProductID: 2, Quantity: 2, UnitPriceCents: 100},
	}

	u := unit.New()
	placed := unit.Create(u, Orders, order)
	unit.CreateMany(u, OrderItems, items, unit.Refer(ItemOrder, placed))
	unit.Patch(u, Customers, 1, CustomerTier.Set("silver"))

	summary, err := u.Flush(ctx, pool)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary)
	fmt.Println("order", order.ID, order.Status, "version", order.Version)
	for _, item := range items {
		fmt.Println("item", item.LineNo, "of order", item.OrderID)
	}
	// Output:
	// orders: 1 created; order_items: 2 created; customers: 1 patched
	// order 1 pending version 1
	// item 1 of order 1
	// item 2 of order 1
}
