package unit_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/unit"
)

// A row that was changed by somebody else fails the whole unit, and the error
// says which one it is.
func ExampleUpdate() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockShop(ctx, pool)

	orders := []Order{{CustomerID: 1}, {CustomerID: 1}, {CustomerID: 1}}
	u := unit.New()
	unit.CreateMany(u, Orders, orders)
	if _, err := u.Flush(ctx, pool); err != nil {
		fmt.Println(err)
		return
	}
	if err := repo.New(pool, Orders).Patch(ctx, orders[1].ID, Total.Set(5)); err != nil { // somebody else
		fmt.Println(err)
		return
	}

	for i := range orders {
		orders[i].TotalCents = 900
		unit.Update(u, Orders, &orders[i])
	}
	_, err = u.Flush(ctx, pool)
	var row *unit.RowError
	if errors.Is(err, smrt.ErrStale) && errors.As(err, &row) {
		fmt.Println("stale: order", row.Key, "at write", row.Index)
	}
	fmt.Println("the first order is still at version", orders[0].Version)
	// Output:
	// stale: order 2 at write 1
	// the first order is still at version 1
}
