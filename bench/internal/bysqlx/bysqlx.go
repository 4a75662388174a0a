// Package bysqlx does the tasks with sqlx over database/sql and pgx, which prepares each text once for a connection.
package bysqlx

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct{ db *sqlx.DB }

// Open returns how it is done on a database.
func Open(_ context.Context, database measure.Database) (*task.Ops, error) {
	pool, err := database.SQL()
	if err != nil {
		return nil, err
	}
	s := shop{sqlx.NewDb(pool, "pgx")}
	return &task.Ops{
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, WithCustomer: s.withCustomer, Graph: s.graph,
		Place: s.place, Page: s.page, Offset: s.offset, Stream: s.stream, Report: s.report,
		Close: func() { _ = pool.Close() },
	}, nil
}

const selectCustomers = `SELECT id, email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at FROM customers `

func (s shop) get(ctx context.Context, id int64) (any, error) {
	var c model.Customer
	err := s.db.GetContext(ctx, &c, selectCustomers+"WHERE id = $1", id)
	return &c, err
}

// find uses names for what is chosen at run time, as sqlx's guide does.
func (s shop) find(ctx context.Context, f model.Filter) (any, error) {
	where, args := "WHERE true", map[string]any{}
	if f.Country != nil {
		where += " AND country = :country"
		args["country"] = *f.Country
	}
	if f.Tier != nil {
		where += " AND tier = :tier"
		args["tier"] = *f.Tier
	}
	if f.OptIn != nil {
		where += " AND marketing_opt_in = :opt_in"
		args["opt_in"] = *f.OptIn
	}
	sql, values, err := s.db.BindNamed(selectCustomers+where+" ORDER BY created_at DESC, id DESC LIMIT 20", args)
	if err != nil {
		return nil, err
	}
	cs := make([]model.Customer, 0, model.PageSize)
	err = s.db.SelectContext(ctx, &cs, sql, values...)
	return cs, err
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	cs := make([]model.Customer, 0, n)
	err := s.db.SelectContext(ctx, &cs, selectCustomers+"ORDER BY id LIMIT $1", n)
	return cs, err
}

const (
	insertCustomers = `INSERT INTO customers (email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at)
	VALUES (:email, :name, :phone, :country, :tier, :born_on, :marketing_opt_in, :created_at, :updated_at) `
	onConflict = `ON CONFLICT (email) DO UPDATE SET name = excluded.name, phone = excluded.phone, country = excluded.country,
	tier = excluded.tier, born_on = excluded.born_on, marketing_opt_in = excluded.marketing_opt_in, created_at = excluded.created_at,
	updated_at = excluded.updated_at `
)

func (s shop) create(ctx context.Context, c model.Customer) (int64, error) {
	sql, args, err := s.db.BindNamed(insertCustomers+"RETURNING id", c)
	if err != nil {
		return 0, err
	}
	err = s.db.GetContext(ctx, &c.ID, sql, args...)
	return c.ID, err
}

func (s shop) createMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.insert(ctx, insertCustomers+"RETURNING id", cs)
}

func (s shop) upsertMany(ctx context.Context, cs []model.Customer) (any, error) {
	return cs, s.insert(ctx, insertCustomers+onConflict+"RETURNING id", cs)
}

// insert binds a slice, which makes a list of VALUES of it.
func (s shop) insert(ctx context.Context, sql string, cs []model.Customer) error {
	sql, args, err := s.db.BindNamed(sql, cs)
	if err != nil {
		return err
	}
	ids := make([]int64, 0, len(cs))
	if err := s.db.SelectContext(ctx, &ids, sql, args...); err != nil {
		return err
	}
	for i, id := range ids {
		cs[i].ID = id
	}
	return nil
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	_, err := s.db.ExecContext(ctx, "UPDATE customers SET name = $1 WHERE id = $2", name, id)
	return err
}

// updateMany writes row by row in a transaction, by a statement that is prepared: sqlx binds lists in VALUES of inserts
// only.
func (s shop) updateMany(ctx context.Context, cs []model.Customer) error {
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing, after a commit
	update, err := tx.PrepareNamedContext(ctx, `UPDATE customers SET email = :email, name = :name, phone = :phone, country = :country,
		tier = :tier, born_on = :born_on, marketing_opt_in = :marketing_opt_in, created_at = :created_at, updated_at = :updated_at
		WHERE id = :id`)
	if err != nil {
		return err
	}
	defer func() { _ = update.Close() }()
	for i := range cs {
		if _, err := update.ExecContext(ctx, &cs[i]); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (s shop) deleteMany(ctx context.Context, ids []int64) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM customers WHERE id = ANY($1)", ids)
	return err
}

func (s shop) report(ctx context.Context) (any, error) {
	var groups []model.Group
	err := s.db.SelectContext(ctx, &groups, `SELECT country, tier, count(*) AS number, max(created_at) AS newest FROM customers
		GROUP BY country, tier ORDER BY country, tier`)
	return groups, err
}
