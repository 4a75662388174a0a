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

// The result says how it went: here, that another transaction changed the row in
// between, so that the closure was run again, and up to which position a standby
// must have replayed the log to have what was committed.
func ExampleRunResult() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	read := false
	result, err := txn.RunResult(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		var balance int64
		if err := tx.QueryRow(ctx, "SELECT balance FROM accounts WHERE id = 1").Scan(&balance); err != nil {
			return err
		}
		if !read { // somebody else is quicker, the first time
			read = true
			if err := meanwhile(txn.WithoutTx(ctx), pool, "UPDATE accounts SET balance = 500 WHERE id = 1"); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "UPDATE accounts SET balance = $1 WHERE id = 1", balance+100)
		return err
	}, txn.Options{Isolation: pgx.RepeatableRead, TrackPosition: true})
	fmt.Println(err)
	fmt.Println("attempts:", result.Attempts, "commits in doubt:", result.Doubts, "position known:", !result.Position.IsZero())
	show(ctx, pool)
	// Output:
	// <nil>
	// attempts: 2 commits in doubt: 0 position known: true
	// [600 1000] <nil>
}

// meanwhile runs a statement as another process does: on a connection of its own.
func meanwhile(ctx context.Context, pool *pgxpool.Pool, sql string) error {
	other, err := pgxpool.NewWithConfig(ctx, pool.Config())
	if err != nil {
		return err
	}
	defer other.Close()
	_, err = other.Exec(ctx, sql)
	return err
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
