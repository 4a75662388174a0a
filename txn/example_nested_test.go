package txn_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/txn"
)

// What may fail without harm runs in a savepoint.
func ExampleSavepoint() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	err = txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		if err := move(ctx, tx, 1, 2, 300); err != nil {
			return err
		}
		bonus := txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
			_ = add(2, 50)(ctx, tx)
			return fmt.Errorf("no bonus on Sundays")
		}, txn.Options{Nested: txn.Savepoint})
		fmt.Println(bonus)
		return nil
	})
	fmt.Println(err)
	show(ctx, pool)
	// Output:
	// no bonus on Sundays
	// <nil>
	// [700 1300] <nil>
}

// Hooks wait for the outcome.
func ExampleAfterCommit() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	_ = txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		err := txn.AfterCommit(ctx, func(context.Context) { fmt.Println("send the receipt") })
		if err != nil {
			return err
		}
		fmt.Println("move the money")
		return move(ctx, tx, 1, 2, 300)
	})
	// Output:
	// move the money
	// send the receipt
}

// A test of code that calls Run and registers hooks leaves nothing behind.
func ExampleAdopt() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	pay := func(ctx context.Context) error { // the code to test
		return txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
			_ = txn.AfterCommit(ctx, func(context.Context) { fmt.Println("send the receipt") })
			return move(ctx, tx, 1, 2, 300)
		})
	}

	tx, _ := pool.Begin(ctx)
	inside, outer := txn.Adopt(ctx, pool, tx)
	fmt.Println(pay(inside))
	outer.Committed()
	_ = tx.Rollback(ctx)
	show(ctx, pool)
	// Output:
	// <nil>
	// send the receipt
	// [1000 1000] <nil>
}
