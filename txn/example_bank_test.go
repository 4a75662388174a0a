package txn_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// move takes money from one account to another.
func move(ctx context.Context, tx pgx.Tx, source, target, amount int64) error {
	const sql = "UPDATE accounts SET balance = balance + $2 WHERE id = $1"
	if _, err := tx.Exec(ctx, sql, source, -amount); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, sql, target, amount)
	return err
}

// show prints the balances of the first two accounts.
func show(ctx context.Context, pool *pgxpool.Pool) {
	rows, _ := pool.Query(ctx, "SELECT balance FROM accounts WHERE id <= 2 ORDER BY id")
	balances, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	fmt.Println(balances, err)
}
