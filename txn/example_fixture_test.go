package txn_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

// exampleBank is a bank for an example.
func exampleBank() (context.Context, *pgxpool.Pool, func()) {
	pool, done := testdb.ExamplePool(bankSchema)
	return context.Background(), pool, done
}

// move takes money from one account to another.
func move(ctx context.Context, tx pgx.Tx, source, target, amount int64) error {
	if err := add(source, -amount)(ctx, tx); err != nil {
		return err
	}
	return add(target, amount)(ctx, tx)
}

// show prints the balances of the first accounts.
func show(ctx context.Context, pool *pgxpool.Pool) {
	rows, _ := pool.Query(ctx, "SELECT balance FROM accounts WHERE id <= 2 ORDER BY id")
	balances, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	fmt.Println(balances, err)
}
