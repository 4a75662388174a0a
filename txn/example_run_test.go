package txn_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/txn"
)

// A closure that returns nil is committed, one that returns an error leaves
// nothing behind.
func ExampleRun() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	err = txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		return move(ctx, tx, 1, 2, 300)
	}, txn.Options{Isolation: pgx.Serializable})
	fmt.Println(err)

	err = txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		if err := move(ctx, tx, 1, 2, 300); err != nil {
			return err
		}
		return errors.New("the customer changed their mind")
	})
	fmt.Println(err)
	show(ctx, pool)
	// Output:
	// <nil>
	// the customer changed their mind
	// [700 1300] <nil>
}

// A transaction with a key is applied once, however often it is tried.
func ExampleOptions_key() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	for range 2 { // the client did not get our answer, and asks again
		err := txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
			return move(ctx, tx, 1, 2, 300)
		}, txn.Options{Key: "payment 4711"})
		fmt.Println(err, errors.Is(err, smrt.ErrAlreadyApplied))
	}
	show(ctx, pool)
	// Output:
	// <nil> false
	// a transaction with this key was already applied true
	// [700 1300] <nil>
}
