package txn_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/txn"
)

// Statements that do not depend on each other share a round trip. The steps may
// be anything that takes a handle, such as queries made by sqlc.
func ExamplePipeline() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	var accounts, total int64
	err = txn.Pipeline(ctx, pool,
		func(ctx context.Context, db smrt.DB) error {
			return db.QueryRow(ctx, "SELECT count(*) FROM accounts").Scan(&accounts)
		},
		func(ctx context.Context, db smrt.DB) error {
			return db.QueryRow(ctx, "SELECT sum(balance)::bigint FROM accounts").Scan(&total)
		},
	)
	fmt.Println(accounts, total, err)
	// Output: 50 50000 <nil>
}
