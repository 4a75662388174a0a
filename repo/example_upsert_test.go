package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Insert rows, or update those that exist already, in one statement.
func ExampleRepository_UpsertMany() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	category := newCategory(ctx, pool, "toys")
	products := repo.New(pool, Products)

	delivery := []Product{
		{CategoryID: category, SKU: "kite", Name: "Kite", PriceCents: 12_00},
		{CategoryID: category, SKU: "top", Name: "Top", PriceCents: 3_00},
	}
	// The index on sku is partial: a SKU may be given again after its product
	// was deleted.
	bySKU := query.OnConflict(SKU).Where("deleted_at IS NULL").Update(Price)
	for range 2 {
		outcomes, err := products.UpsertMany(ctx, delivery, bySKU)
		if err != nil {
			panic(err)
		}
		fmt.Println(outcomes)
		delivery = append(delivery[:1:1], Product{CategoryID: category, SKU: "yoyo", Name: "Yo-yo", PriceCents: 5_00})
		delivery[0].ID = 0 // recognised by its SKU
	}
	// Output:
	// [inserted inserted]
	// [updated inserted]
}
