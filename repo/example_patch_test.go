package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Change some columns of a row, or of all rows that match, without reading
// them first.
func ExampleRepository_Patch() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	shelf := newShelf(ctx, pool, 3)
	products := repo.New(pool, Products)

	err = products.Patch(ctx, shelf[2].ID,
		query.Add(Stock, -1), // stock = stock - 1
		Price.Set(450),
		ProductName.SetExpr("upper(name) || $1", "!"))
	if err != nil {
		panic(err)
	}
	p, err := products.Get(ctx, shelf[2].ID)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Name, p.Stock, p.PriceCents)

	n, err := products.UpdateWhere(ctx, query.Where(Price.Lt(3_00)), query.Add(Price, 50))
	if err != nil {
		panic(err)
	}
	fmt.Println(n, "prices raised")

	_, err = products.UpdateWhere(ctx, query.All[Product](), Price.Set(0))
	fmt.Println(err)
	// Output:
	// P3! 1 450
	// 2 prices raised
	// update products: the predicate matches every row: add a condition, or call Unbounded on the query if that is meant
}
