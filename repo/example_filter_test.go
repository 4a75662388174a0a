package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// productFilter is what a visitor may have chosen; zero values mean no choice.
type productFilter struct {
	MaxPrice int64
	InStock  bool
	Name     string
}

// A query is a value: each method returns a new one, so that conditions are
// added as they are asked for.
func (f productFilter) query() query.Query[Product] {
	q := query.All[Product]().OrderBy(Price.Asc())
	if f.MaxPrice > 0 {
		q = q.Where(Price.Le(f.MaxPrice))
	}
	if f.InStock {
		q = q.Where(Stock.Gt(0))
	}
	if f.Name != "" {
		q = q.Where(ProductName.ContainsFold(f.Name))
	}
	return q
}

// Build a query from what a user chose at run time.
func ExampleReader_Find() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 12)
	products := repo.New(pool, Products)

	for _, f := range []productFilter{{MaxPrice: 2_00}, {MaxPrice: 2_00, InStock: true}, {Name: "p1"}} {
		found, err := products.Find(ctx, f.query().Limit(20))
		if err != nil {
			panic(err)
		}
		names := []string{}
		for _, p := range found {
			names = append(names, p.Name)
		}
		fmt.Println(names)
	}
	// Output:
	// [P1 P2]
	// [P2]
	// [P1 P10 P11 P12]
}
