package query_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// An expression is declared once, and then filtered, ordered and assigned by like
// a column.
func ExampleSQL() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	products := repo.New(pool, Products)
	tea := Category{Slug: "tea", Name: "Tea"}
	if err := repo.New(pool, Categories).Create(ctx, &tea); err != nil {
		panic(err)
	}
	if err := products.CreateMany(ctx, []Product{
		{CategoryID: tea.ID, SKU: "T1", Name: "Assam", PriceCents: 490, Stock: 3},
		{CategoryID: tea.ID, SKU: "T2", Name: "Darjeeling", PriceCents: 990, Stock: 8},
		{CategoryID: tea.ID, SKU: "T3", Name: "Sencha", PriceCents: 790},
	}); err != nil {
		panic(err)
	}

	worth := query.SQL[int64]("$1 * $2", Price, Stock)
	found, err := products.Find(ctx, query.Where(worth.Gt(0)).OrderBy(worth.Desc()))
	if err != nil {
		panic(err)
	}
	for _, p := range found {
		fmt.Println(p.Name, p.PriceCents*int64(p.Stock))
	}

	// Half price for what costs more than it is worth in stock.
	half := query.SQL[int64]("$1 / 2", Price)
	n, err := products.UpdateWhere(ctx, query.Where(query.Compare(Price, ">", worth)), Price.SetTo(half))
	fmt.Println(n, err)
	// Output:
	// Darjeeling 7920
	// Assam 1470
	// 1 <nil>
}
