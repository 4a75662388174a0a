package unit_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// A team needs players and its captain is one of them. The captain is filled in
// when both are there, in the same round trip.
func ExampleLink() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	reds := team{Name: "Reds"}
	squad := []player{{Name: "Ada"}, {Name: "Ben"}}
	u := unit.New()
	t := unit.Create(u, teams, &reds)
	ps := unit.CreateMany(u, players, squad, unit.Refer(playerTeam, t))
	unit.Link(u, &reds, unit.Refer(captain, ps[1]))
	if _, err := u.Flush(ctx, pool); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*reds.Captain == squad[1].ID, squad[0].Team == reds.ID)
	// Output: true true
}

// In a transaction, a flush is a part of it.
func ExampleUnit_Flush() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	v := voucher{Code: "SPRING", Uses: 10}
	err = txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		u := unit.New()
		unit.Create(u, vouchers, &v)
		if _, err := u.Flush(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE vouchers SET uses = uses + 1")
		return err
	})
	fmt.Println(err)
	// Output: <nil>
}
