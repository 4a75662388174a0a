package query_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// customerFilter is what a form sends: fields left empty do not filter.
type customerFilter struct {
	Name  string
	Tiers []shop.CustomerTier
}

func (f customerFilter) query() query.Query[shop.Customer] {
	q := query.All[shop.Customer]().OrderBy(shop.CustomerName.Asc())
	if f.Name != "" {
		q = q.Where(shop.CustomerName.ContainsFold(f.Name))
	}
	if len(f.Tiers) > 0 {
		q = q.Where(shop.CustomerTierColumn.In(f.Tiers...))
	}
	return q
}

// A search form builds its query step by step: every method returns a new
// query.
func ExampleQuery_Where() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	customers := repo.New(pool, shop.Customers)
	if err := customers.CreateMany(ctx, []shop.Customer{
		{Name: "Ada 100%", Email: "ada@example.com", Country: "GB", Tier: shop.TierGold},
		{Name: "Adam", Email: "adam@example.com", Country: "DE", Tier: shop.TierSilver},
		{Name: "Grace", Email: "grace@example.com", Country: "US", Tier: shop.TierGold},
	}); err != nil {
		panic(err)
	}

	for _, f := range []customerFilter{{Name: "ADA"}, {Name: "0%"}, {Tiers: []shop.CustomerTier{shop.TierGold}}} {
		found, err := customers.Find(ctx, f.query())
		if err != nil {
			panic(err)
		}
		for _, c := range found {
			fmt.Printf("%q ", c.Name)
		}
		fmt.Println("of", f.Name, f.Tiers)
	}
	// Output:
	// "Ada 100%" "Adam" of ADA []
	// "Ada 100%" of 0% []
	// "Ada 100%" "Grace" of  [gold]
}
