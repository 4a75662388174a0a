package query_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

var ProductSKU = query.TextCol(func(p *Product) *string { return &p.SKU })

// Add a delivery to what is in stock, and create what is new. Prices are left as
// they are.
func ExampleConflict_Set() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	categories, products := repo.New(pool, Categories), repo.New(pool, Products)
	fillShelves(ctx, categories, products)
	tea, err := categories.First(ctx, query.Where(CategorySlug.Eq("tea")))
	if err != nil {
		panic(err)
	}

	delivery := []Product{
		{CategoryID: tea.ID, SKU: "T1", Name: "Assam", PriceCents: 550, Stock: 20},
		{CategoryID: tea.ID, SKU: "T2", Name: "Darjeeling", PriceCents: 690, Stock: 10},
	}
	more := Stock.SetTo(query.SQL[int32]("$1 + $2", Stock, query.Excluded(Stock)))
	outcomes, err := products.UpsertMany(ctx, delivery, query.OnConflict(ProductSKU).Where("deleted_at IS NULL").Set(more))
	if err != nil {
		panic(err)
	}
	for i, p := range delivery {
		fmt.Println(p.Name, p.PriceCents, p.Stock, outcomes[i])
	}
	// Output:
	// Assam 490 23 updated
	// Darjeeling 690 10 inserted
}
