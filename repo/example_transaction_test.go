package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/repo"
)

// Queries stands for what sqlc generates: a struct around a handle.
type Queries struct{ db smrt.DB }

// WithTx binds the queries to a transaction.
func (q *Queries) WithTx(tx pgx.Tx) *Queries { return &Queries{db: tx} }

// Reserve takes n of a product from the stock.
func (q *Queries) Reserve(ctx context.Context, product int64, n int32) error {
	_, err := q.db.Exec(ctx, "UPDATE products SET stock = stock - $2 WHERE id = $1", product, n)
	return err
}

// Repositories and the queries that sqlc generated share one transaction.
func ExampleRepository_With() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	category := newCategory(ctx, pool, "maps")
	products := repo.New(pool, Products)
	queries := &Queries{db: pool}

	atlas := Product{CategoryID: category, SKU: "A-1", Name: "Atlas", PriceCents: 49_90, Stock: 10}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := products.With(tx).Create(ctx, &atlas); err != nil {
			return err
		}
		return queries.WithTx(tx).Reserve(ctx, atlas.ID, 4)
	})
	if err != nil {
		panic(err)
	}

	left, err := products.Get(ctx, atlas.ID)
	if err != nil {
		panic(err)
	}
	fmt.Println(left.Stock, "of", atlas.Stock, "are left")
	// Output: 6 of 10 are left
}
