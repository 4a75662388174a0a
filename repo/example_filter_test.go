package repo_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
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
func (f productFilter) query() query.Query[shop.Product] {
	q := query.All[shop.Product]().OrderBy(shop.Price.Asc())
	if f.MaxPrice > 0 {
		q = q.Where(shop.Price.Le(f.MaxPrice))
	}
	if f.InStock {
		q = q.Where(shop.Stock.Gt(0))
	}
	if f.Name != "" {
		q = q.Where(shop.ProductName.ContainsFold(f.Name))
	}
	return q
}

// Build a query from what a user chose at run time.
func ExampleReader_Find() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	newShelf(ctx, pool, 12)
	products := repo.New(pool, shop.Products)

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
