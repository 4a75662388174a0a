package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Read any number of rows in constant memory, and stop when enough was seen.
func ExampleReader_Stream() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 1000)
	products := repo.New(pool, Products)

	total := int64(0)
	for p, err := range products.Stream(ctx, query.All[Product]().OrderBy(ProductID.Asc())) {
		if err != nil {
			panic(err)
		}
		if total += p.PriceCents; total > 100_00 {
			fmt.Println("the budget ends at", p.Name)
			break
		}
	}
	// Output: the budget ends at P14
}
