package query_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// customerFilter is what a form sends: fields left empty do not filter.
type customerFilter struct {
	Name  string
	Tiers []Tier
}

func (f customerFilter) query() query.Query[Customer] {
	q := query.All[Customer]().OrderBy(CustomerName.Asc())
	if f.Name != "" {
		q = q.Where(CustomerName.ContainsFold(f.Name))
	}
	if len(f.Tiers) > 0 {
		q = q.Where(CustomerTier.In(f.Tiers...))
	}
	return q
}

// A search form builds its query step by step: every method returns a new
// query.
func ExampleQuery_Where() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	customers := repo.New(pool, Customers)
	if err := customers.CreateMany(ctx, []Customer{
		{Name: "Ada 100%", Email: "ada@example.com", Country: "GB", Tier: Gold},
		{Name: "Adam", Email: "adam@example.com", Country: "DE", Tier: Silver},
		{Name: "Grace", Email: "grace@example.com", Country: "US", Tier: Gold},
	}); err != nil {
		panic(err)
	}

	for _, f := range []customerFilter{{Name: "ADA"}, {Name: "0%"}, {Tiers: []Tier{Gold}}} {
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
