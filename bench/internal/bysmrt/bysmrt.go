// Package bysmrt does the tasks with smrt, as its README and guides do.
package bysmrt

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

type shop struct {
	pool      *pgxpool.Pool
	customers *repo.Repository[model.Customer, int64]
	orders    *repo.Repository[model.Order, int64]
	items     *repo.Repository[model.OrderItem, itemKey]

	cursors map[model.Position]string // of pages, each from the page before

	cachedPool *pgxpool.Pool // of getCached, once it is used
	rows       *cache.Cache
}

// Open returns how it is done on a database.
func Open(ctx context.Context, db measure.Database) (*task.Ops, error) {
	pool, err := db.Pool(ctx)
	if err != nil {
		return nil, err
	}
	s := &shop{
		pool: pool, customers: repo.New(pool, customers), orders: repo.New(pool, orders), items: repo.New(pool, items),
		cursors: map[model.Position]string{},
	}
	return &task.Ops{
		Get: s.get, GetCached: s.getCached(db), Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, WithCustomer: s.withCustomer, Graph: s.graph,
		Place: s.place, Page: s.page, Offset: s.offset, Stream: s.stream, Report: s.report, Close: s.close,
	}, nil
}

func (s *shop) get(ctx context.Context, id int64) (any, error) { return s.customers.Get(ctx, id) }

// getCached gets from a pool of its own, whose rows are kept. Both are made when they are used.
func (s *shop) getCached(db measure.Database) func(context.Context, int64) (any, error) {
	var kept *repo.Repository[model.Customer, int64]
	return func(ctx context.Context, id int64) (any, error) {
		if kept == nil {
			var err error
			if s.cachedPool, err = db.Pool(ctx); err != nil {
				return nil, err
			}
			if s.rows, err = cache.New(cache.Config{MaxBytes: 64 << 20}, cache.Of(customers)); err != nil {
				return nil, err
			}
			if err := s.rows.Attach(ctx, s.cachedPool); err != nil {
				return nil, err
			}
			kept = repo.New(s.cachedPool, customers)
		}
		return kept.Get(ctx, id)
	}
}

func (s *shop) close() {
	if s.rows != nil {
		s.rows.Close()
	}
	if s.cachedPool != nil {
		s.cachedPool.Close()
	}
	s.pool.Close()
}

func (s *shop) find(ctx context.Context, f model.Filter) (any, error) {
	q := query.All[model.Customer]().OrderBy(customerCreated.Desc(), customerID.Desc()).Limit(model.PageSize)
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

func (s *shop) read(ctx context.Context, n int) (any, error) {
	return s.customers.Find(ctx, query.All[model.Customer]().OrderBy(customerID.Asc()).Limit(n))
}

func (s *shop) create(ctx context.Context, c model.Customer) (int64, error) {
	err := s.customers.Create(ctx, &c)
	return c.ID, err
}

func (s *shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.customers.CreateMany(ctx, cs)
}

func (s *shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	_, err := s.customers.UpsertMany(ctx, cs, query.OnConflict[model.Customer](customerEmail))
	return cs, err
}

func (s *shop) patch(ctx context.Context, id int64, name string) error {
	return s.customers.Patch(ctx, id, customerName.Set(name))
}

func (s *shop) updateMany(ctx context.Context, cs []model.Customer) error {
	_, err := s.customers.UpdateMany(ctx, cs)
	return err
}

func (s *shop) deleteMany(ctx context.Context, ids []int64) error {
	_, err := s.customers.DeleteMany(ctx, ids)
	return err
}

func (s *shop) report(ctx context.Context) (any, error) {
	country, tier := query.By(customerCountry), query.By(customerTier)
	return repo.GroupBy(ctx, s.customers, query.All[model.Customer](),
		query.All[query.Groups[model.Customer]]().OrderBy(country.Asc(), tier.Asc()),
		query.Into(country, func(g *model.Group) *string { return &g.Country }),
		query.Into(tier, func(g *model.Group) *string { return &g.Tier }),
		query.Into(query.Count[model.Customer](), func(g *model.Group) *int64 { return &g.Number }),
		query.Into(query.Max(customerCreated), func(g *model.Group) *time.Time { return &g.Newest }))
}
