package preload_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Read parents and related rows as they were at one instant, whatever is
// written meanwhile.
func ExampleSnapshot() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)
	orders := repo.View(repo.New(pool, Orders), func(o *OrderView) *Order { return &o.Order })

	var order *OrderView
	err = preload.Snapshot(ctx, pool, func(db smrt.DB) (err error) {
		order, err = orders.With(db).One(ctx, query.Where(OrderID.Eq(1)), withLines)
		return err
	})
	if err != nil {
		panic(err)
	}
	sum := int64(0)
	for _, l := range order.Lines {
		sum += int64(l.Quantity) * l.UnitPriceCents
	}
	fmt.Println(order.TotalCents == sum)
	// Output: true
}
