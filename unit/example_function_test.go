package unit_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/unit"
)

// What the unit cannot know before its first rows are written is done by a
// function: here the total of an order is read from the database, which knows the
// lines that others have added too.
func ExampleUnit_Do() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockShop(ctx, pool)

	u := unit.New()
	order := Order{CustomerID: 1}
	placed := unit.Create(u, Orders, &order)
	for i, price := range []int64{250, 400} {
		unit.Create(u, OrderItems, &OrderItem{LineNo: int32(i + 1), ProductID: 1, Quantity: 1, UnitPriceCents: price}, unit.Refer(ItemOrder, placed))
	}
	u.Do(func(ctx context.Context, tx pgx.Tx) error {
		lines, err := repo.New(tx, OrderItems).Find(ctx, query.Where(ItemOrder.Eq(order.ID))) // its key is known here
		for _, line := range lines {
			order.TotalCents += line.UnitPriceCents
		}
		return err
	})
	unit.Update(u, Orders, &order)
	fmt.Println(u)
	summary, err := u.Flush(ctx, pool)
	if err != nil {
		panic(err)
	}
	fmt.Println(summary)
	fmt.Println("total", order.TotalCents)
	// Output:
	// create orders, create order_items (2), then a function, then update orders
	// orders: 1 created, 1 updated; order_items: 2 created
	// total 650
}
