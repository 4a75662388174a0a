// Package bysmrt does the tasks with smrt, as its README and guides do.
package bysmrt

import (
	"context"
	"time"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

var (
	customers = query.NewTable("customers", func(c *model.Customer) *int64 { return &c.ID })

	customerID      = query.Col(func(c *model.Customer) *int64 { return &c.ID })
	customerCountry = query.TextCol(func(c *model.Customer) *string { return &c.Country })
	customerTier    = query.TextCol(func(c *model.Customer) *string { return &c.Tier })
	customerOptIn   = query.Col(func(c *model.Customer) *bool { return &c.MarketingOptIn })
	customerCreated = query.Col(func(c *model.Customer) *time.Time { return &c.CreatedAt })
)

type shop struct {
	customers *repo.Repository[model.Customer, int64]
}

// Open returns how it is done on a database.
func Open(ctx context.Context, db measure.Database) (*task.Ops, error) {
	pool, err := db.Pool(ctx)
	if err != nil {
		return nil, err
	}
	s := shop{customers: repo.New(pool, customers)}
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, Close: pool.Close,
	}, nil
}

func (s shop) get(ctx context.Context, id int64) (any, error) { return s.customers.Get(ctx, id) }

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	q := query.All[model.Customer]().OrderBy(customerCreated.Desc(), customerID.Desc()).Limit(model.FindLimit)
	if f.Country != nil {
		q = q.Where(customerCountry.Eq(*f.Country))
	}
	if f.Tier != nil {
		q = q.Where(customerTier.Eq(*f.Tier))
	}
	if f.OptIn != nil {
		q = q.Where(customerOptIn.Eq(*f.OptIn))
	}
	return s.customers.Find(ctx, q)
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	return s.customers.Find(ctx, query.All[model.Customer]().OrderBy(customerID.Asc()).Limit(n))
}

func (s shop) create(ctx context.Context, c model.Customer) (int64, error) {
	err := s.customers.Create(ctx, &c)
	return c.ID, err
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.customers.CreateMany(ctx, cs)
}
