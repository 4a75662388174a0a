// Package bysqlc does the tasks with what sqlc generates for pgx. What is chosen at run time is written as sqlc's pages
// show: conditions that hold where the argument is NULL.
package bysqlc

import (
	"context"

	"github.com/smrt-go/smrt/bench/internal/bysqlc/db"
	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct{ q *db.Queries }

// Open returns how it is done on a database.
func Open(ctx context.Context, database measure.Database) (*task.Ops, error) {
	pool, err := database.Pool(ctx)
	if err != nil {
		return nil, err
	}
	s := shop{db.New(pool)}
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, Close: pool.Close,
	}, nil
}

func (s shop) get(ctx context.Context, id int64) (any, error) { return s.q.GetCustomer(ctx, id) }

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	params := db.FindCustomersParams{Country: f.Country, OptIn: f.OptIn, Most: model.FindLimit}
	if f.Tier != nil {
		tier := db.CustomerTier(*f.Tier)
		params.Tier = &tier
	}
	return s.q.FindCustomers(ctx, params)
}

func (s shop) read(ctx context.Context, n int) (any, error) { return s.q.ReadCustomers(ctx, int64(n)) }

func (s shop) create(ctx context.Context, c model.Customer) (int64, error) {
	return s.q.CreateCustomer(ctx, db.CreateCustomerParams{
		Email: c.Email, Name: c.Name, Phone: c.Phone, Country: c.Country, Tier: db.CustomerTier(c.Tier),
		MarketingOptIn: c.MarketingOptIn, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	})
}
