// Package byscany does the tasks with squirrel, which renders SQL, and scany, which reads rows of pgx into structs.
package byscany

import (
	"context"

	"github.com/Masterminds/squirrel"
	"github.com/georgysavva/scany/v2/pgxscan"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct {
	pool *pgxpool.Pool
	sql  squirrel.StatementBuilderType
}

// Open returns how it is done on a database.
func Open(ctx context.Context, db measure.Database) (*task.Ops, error) {
	pool, err := db.Pool(ctx)
	if err != nil {
		return nil, err
	}
	s := shop{pool, squirrel.StatementBuilder.PlaceholderFormat(squirrel.Dollar)}
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, WithCustomer: s.withCustomer, Graph: s.graph,
		Place: s.place, Page: s.page, Offset: s.offset, Stream: s.stream, Report: s.report, Close: pool.Close,
	}, nil
}

// all runs a statement and reads its rows.
func (s shop) all(ctx context.Context, to any, statement squirrel.Sqlizer) error {
	sql, args, err := statement.ToSql()
	if err != nil {
		return err
	}
	return pgxscan.Select(ctx, s.pool, to, sql, args...)
}

// one runs a statement and reads its only row.
func (s shop) one(ctx context.Context, to any, statement squirrel.Sqlizer) error {
	sql, args, err := statement.ToSql()
	if err != nil {
		return err
	}
	return pgxscan.Get(ctx, s.pool, to, sql, args...)
}

func (s shop) exec(ctx context.Context, statement squirrel.Sqlizer) error {
	sql, args, err := statement.ToSql()
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, sql, args...)
	return err
}

func (s shop) selectCustomers() squirrel.SelectBuilder {
	return s.sql.Select("id", "email", "name", "phone", "country", "tier", "born_on", "marketing_opt_in", "created_at", "updated_at").
		From("customers")
}

func (s shop) get(ctx context.Context, id int64) (any, error) {
	var c model.Customer
	err := s.one(ctx, &c, s.selectCustomers().Where(squirrel.Eq{"id": id}))
	return &c, err
}

func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	q := s.selectCustomers()
	if f.Country != nil {
		q = q.Where(squirrel.Eq{"country": *f.Country})
	}
	if f.Tier != nil {
		q = q.Where(squirrel.Eq{"tier": *f.Tier})
	}
	if f.OptIn != nil {
		q = q.Where(squirrel.Eq{"marketing_opt_in": *f.OptIn})
	}
	cs := make([]model.Customer, 0, model.PageSize)
	err := s.all(ctx, &cs, q.OrderBy("created_at DESC", "id DESC").Limit(model.PageSize))
	return cs, err
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	cs := make([]model.Customer, 0, n)
	err := s.all(ctx, &cs, s.selectCustomers().OrderBy("id").Limit(uint64(n)))
	return cs, err
}

func (s shop) insert(cs []model.Customer) squirrel.InsertBuilder {
	q := s.sql.Insert("customers").
		Columns("email", "name", "phone", "country", "tier", "born_on", "marketing_opt_in", "created_at", "updated_at")
	for i := range cs {
		c := &cs[i]
		q = q.Values(c.Email, c.Name, c.Phone, c.Country, c.Tier, c.BornOn, c.MarketingOptIn, c.CreatedAt, c.UpdatedAt)
	}
	return q
}

func (s shop) create(ctx context.Context, c model.Customer) (id int64, err error) {
	err = s.one(ctx, &id, s.insert([]model.Customer{c}).Suffix("RETURNING id"))
	return id, err
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.keys(ctx, cs, s.insert(cs).Suffix("RETURNING id"))
}

func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.keys(ctx, cs, s.insert(cs).Suffix(`ON CONFLICT (email) DO UPDATE SET name = excluded.name, phone = excluded.phone,
		country = excluded.country, tier = excluded.tier, born_on = excluded.born_on, marketing_opt_in = excluded.marketing_opt_in,
		created_at = excluded.created_at, updated_at = excluded.updated_at RETURNING id`))
}

func (s shop) keys(ctx context.Context, cs []model.Customer, statement squirrel.Sqlizer) error {
	ids := make([]int64, 0, len(cs))
	err := s.all(ctx, &ids, statement)
	for i, id := range ids {
		cs[i].ID = id
	}
	return err
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	return s.exec(ctx, s.sql.Update("customers").Set("name", name).Where(squirrel.Eq{"id": id}))
}

func (s shop) deleteMany(ctx context.Context, ids []int64) error {
	return s.exec(ctx, s.sql.Delete("customers").Where("id = ANY(?)", ids))
}

// updateMany sends a statement for each row, all in one batch of pgx: squirrel has no update of many rows that differ.
func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	var batch pgx.Batch
	for i := range cs {
		c := &cs[i]
		sql, args, err := s.sql.Update("customers").Set("email", c.Email).Set("name", c.Name).Set("phone", c.Phone).
			Set("country", c.Country).Set("tier", c.Tier).Set("born_on", c.BornOn).Set("marketing_opt_in", c.MarketingOptIn).
			Set("created_at", c.CreatedAt).Set("updated_at", c.UpdatedAt).Where(squirrel.Eq{"id": c.ID}).ToSql()
		if err != nil {
			return err
		}
		batch.Queue(sql, args...)
	}
	return s.pool.SendBatch(ctx, &batch).Close()
}

func (s shop) report(ctx context.Context) (any, error) {
	var groups []model.Group
	err := s.all(ctx, &groups, s.sql.Select("country", "tier", "count(*) AS number", "max(created_at) AS newest").From("customers").
		GroupBy("country", "tier").OrderBy("country", "tier"))
	return groups, err
}
