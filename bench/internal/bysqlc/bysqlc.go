// Package bysqlc does the tasks with what sqlc generates for pgx. What is chosen at run time is written as sqlc's pages
// show: conditions that hold where the argument is NULL.
package bysqlc

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/bench/internal/bysqlc/db"
	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct {
	pool *pgxpool.Pool
	q    *db.Queries
}

// Open returns how it is done on a database.
func Open(ctx context.Context, database measure.Database) (*task.Ops, error) {
	pool, err := database.Pool(ctx)
	if err != nil {
		return nil, err
	}
	s := shop{pool, db.New(pool)}
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.q.DeleteCustomers, WithCustomer: s.withCustomer, Graph: s.graph,
		Place: s.place, Page: s.page, Offset: s.offset, Report: s.report, Close: pool.Close,
		Cannot: map[string]string{"stream": "what sqlc generates returns all rows in a slice"},
	}, nil
}

func (s shop) get(ctx context.Context, id int64) (any, error) { return s.q.GetCustomer(ctx, id) }

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	params := db.FindCustomersParams{Country: f.Country, OptIn: f.OptIn, Most: model.PageSize}
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
		BornOn: c.BornOn, MarketingOptIn: c.MarketingOptIn, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	})
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	return s.q.RenameCustomer(ctx, db.RenameCustomerParams{Name: name, ID: id})
}

func (s shop) report(ctx context.Context) (any, error) { return s.q.Report(ctx) }
