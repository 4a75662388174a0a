// Package bypgx does the tasks with pgx alone, as somebody writes it by hand who knows pgx well: constant statements that
// pgx prepares, targets of Scan that are used again for each row, arrays and unnest where there are many rows, a pipeline
// where statements need not wait for each other.
package bypgx

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/bench/internal/measure"
	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/bench/internal/task"
)

type shop struct{ pool *pgxpool.Pool }

// Open returns how it is done on a database.
func Open(ctx context.Context, db measure.Database) (*task.Ops, error) {
	pool, err := db.Pool(ctx)
	if err != nil {
		return nil, err
	}
	s := shop{pool}
	return &task.Ops{
		Get: s.get, GetCached: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, UpsertMany: s.upsertMany,
		Patch: s.patch, UpdateMany: s.updateMany, DeleteMany: s.deleteMany, WithCustomer: s.withCustomer, Graph: s.graph,
		Place: s.place, Page: s.page, Offset: s.offset, Stream: s.stream, Report: s.report, Close: pool.Close,
	}, nil
}

const selectCustomers = `SELECT id, email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at FROM customers `

func targets(c *model.Customer) []any {
	return []any{
		&c.ID, &c.Email, &c.Name, &c.Phone, &c.Country, &c.Tier, &c.BornOn, &c.MarketingOptIn, &c.CreatedAt, &c.UpdatedAt,
	}
}

func (s shop) get(ctx context.Context, id int64) (any, error) {
	var c model.Customer
	err := s.pool.QueryRow(ctx, selectCustomers+"WHERE id = $1", id).Scan(targets(&c)...)
	return &c, err
}

// collect reads rows into targets that are used again for each of them.
func collect[T any](rows pgx.Rows, err error, size int, targets func(*T) []any) ([]T, error) {
	if err != nil {
		return nil, err
	}
	all := make([]T, 0, size)
	var v, zero T
	_, err = pgx.ForEachRow(rows, targets(&v), func() error {
		all = append(all, v)
		v = zero
		return nil
	})
	return all, err
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	rows, err := s.pool.Query(ctx, selectCustomers+"ORDER BY id LIMIT $1", n)
	return collect(rows, err, n, targets)
}

func (s shop) create(ctx context.Context, c model.Customer) (id int64, err error) {
	err = s.pool.QueryRow(ctx, `INSERT INTO customers (email, name, phone, country, tier, born_on, marketing_opt_in, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
		c.Email, c.Name, c.Phone, c.Country, c.Tier, c.BornOn, c.MarketingOptIn, c.CreatedAt, c.UpdatedAt).Scan(&id)
	return id, err
}

func (s shop) patch(ctx context.Context, id int64, name string) error {
	_, err := s.pool.Exec(ctx, "UPDATE customers SET name = $1 WHERE id = $2", name, id)
	return err
}

func (s shop) report(ctx context.Context) (any, error) {
	rows, err := s.pool.Query(ctx, `SELECT country, tier, count(*), max(created_at) FROM customers
		GROUP BY country, tier ORDER BY country, tier`)
	return collect(rows, err, 64, func(g *model.Group) []any { return []any{&g.Country, &g.Tier, &g.Number, &g.Newest} })
}
