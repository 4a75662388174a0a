package unit_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/unit"
)

// order returns the writes of an order.
func order(customer int64, products ...int64) *unit.Unit {
	u := unit.New()
	key := unit.Create(u, Orders, &Order{CustomerID: customer, TotalCents: 100 * int64(len(products))})
	for i, p := range products {
		unit.Create(u, OrderItems, &OrderItem{LineNo: int32(i + 1), ProductID: p, Quantity: 1, UnitPriceCents: 100}, unit.Refer(ItemOrder, key))
	}
	return u
}

// Parts of a program collect their own writes, which are flushed as one.
func ExampleUnit_Append() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockShop(ctx, pool)

	u := unit.New()
	unit.Patch(u, Customers, 1, CustomerTier.Set("gold"))
	for _, products := range [][]int64{{1, 2}, {3}} {
		u.Append(order(1, products...))
	}
	fmt.Println(u)
	summary, err := u.Flush(ctx, pool)
	if err != nil {
		panic(err)
	}
	fmt.Println(summary.Rows(), "rows")
	// Output:
	// patch customers, create orders, create order_items (2), create orders, create order_items
	// 6 rows
}
