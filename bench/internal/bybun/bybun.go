// Package bybun does the tasks with Bun over pgx, which Bun's page on drivers describes: arguments are put into the text,
// so there is nothing to prepare.
package bybun

import (
	"context"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct{ db *bun.DB }

// Open returns how it is done on a database.
func Open(_ context.Context, database measure.Database) (*task.Ops, error) {
	pool, err := database.SimpleSQL()
	if err != nil {
		return nil, err
	}
	s := shop{bun.NewDB(pool, pgdialect.New())}
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, WithCustomer: s.withCustomer, Graph: s.graph,
		Place: s.place, Page: s.page, Offset: s.offset, Stream: s.stream, Report: s.report,
		Close: func() { _ = pool.Close() },
	}, nil
}

func (s shop) get(ctx context.Context, id int64) (any, error) {
	var c model.Customer
	err := s.db.NewSelect().Model(&c).Where("id = ?", id).Scan(ctx)
	return &c, err
}

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	cs := make([]model.Customer, 0, model.PageSize)
	q := s.db.NewSelect().Model(&cs)
	if f.Country != nil {
		q = q.Where("country = ?", *f.Country)
	}
	if f.Tier != nil {
		q = q.Where("tier = ?", *f.Tier)
	}
	if f.OptIn != nil {
		q = q.Where("marketing_opt_in = ?", *f.OptIn)
	}
	err := q.Order("created_at DESC", "id DESC").Limit(model.PageSize).Scan(ctx)
	return cs, err
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	cs := make([]model.Customer, 0, n)
	err := s.db.NewSelect().Model(&cs).Order("id").Limit(int64(n)).Scan(ctx)
	return cs, err
}

func (s shop) create(ctx context.Context, c model.Customer) (int64, error) {
	_, err := s.db.NewInsert().Model(&c).Exec(ctx)
	return c.ID, err
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	_, err := s.db.NewInsert().Model(&cs).Exec(ctx)
	return cs, err
}

func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	_, err := s.db.NewInsert().Model(&cs).On("CONFLICT (email) DO UPDATE").
		Set("name = EXCLUDED.name, phone = EXCLUDED.phone, country = EXCLUDED.country, tier = EXCLUDED.tier").
		Set("born_on = EXCLUDED.born_on, marketing_opt_in = EXCLUDED.marketing_opt_in").
		Set("created_at = EXCLUDED.created_at, updated_at = EXCLUDED.updated_at").Returning("id").Exec(ctx)
	return cs, err
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	_, err := s.db.NewUpdate().Model((*model.Customer)(nil)).Set("name = ?", name).Where("id = ?", id).Exec(ctx)
	return err
}

// updateMany writes the columns itself: the values of Bulk have the types of Go's fields, and tier is an enum.
func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	_, err := s.db.NewUpdate().With("_data", s.db.NewValues(&cs)).Model((*model.Customer)(nil)).TableExpr("_data").
		Set("email = _data.email, name = _data.name, phone = _data.phone, country = _data.country").
		Set("tier = _data.tier::customer_tier, born_on = _data.born_on::date, marketing_opt_in = _data.marketing_opt_in").
		Set("created_at = _data.created_at, updated_at = _data.updated_at").Where("customer.id = _data.id").Exec(ctx)
	return err
}

func (s shop) deleteMany(ctx context.Context, ids []int64) error {
	_, err := s.db.NewDelete().Model((*model.Customer)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx)
	return err
}

func (s shop) report(ctx context.Context) (any, error) {
	var groups []model.Group
	err := s.db.NewSelect().Model((*model.Customer)(nil)).Column("country", "tier").
		ColumnExpr("count(*) AS number").ColumnExpr("max(created_at) AS newest").
		Group("country", "tier").Order("country", "tier").Scan(ctx, &groups)
	return groups, err
}
