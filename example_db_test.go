package smrt_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// register is code that does not care what it runs on.
func register(ctx context.Context, db smrt.DB, email string) error {
	return repo.New(db, Customers).Create(ctx, &Customer{Email: email, Name: email, Country: "NL"})
}

// The same function runs on a pool and in a transaction.
func ExampleDB() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	if err := register(ctx, pool, "ann@example.com"); err != nil {
		panic(err)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := register(ctx, tx, "bob@example.com"); err != nil {
			return err
		}
		return register(ctx, tx, "ann@example.com") // taken: the transaction is rolled back
	})
	fmt.Println("conflict:", errors.Is(err, smrt.ErrConflict))

	n, err := repo.New(pool, Customers).Count(ctx, query.All[Customer]())
	fmt.Println(n, err)
	// Output:
	// conflict: true
	// 1 <nil>
}
