// Package bypgx does the tasks with pgx alone, as somebody writes it by hand who knows pgx well: constant statements that
// pgx prepares, targets of Scan that are used again for each row, arrays and unnest where there are many rows.
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
		Get: s.get, Find: s.find, Read: s.read, Create: s.create, CreateMany: s.createMany, Close: pool.Close,
	}, nil
}

const selectCustomers = `SELECT id, email, name, phone, country, tier, marketing_opt_in, created_at, updated_at FROM customers `

func targets(c *model.Customer) []any {
	return []any{&c.ID, &c.Email, &c.Name, &c.Phone, &c.Country, &c.Tier, &c.MarketingOptIn, &c.CreatedAt, &c.UpdatedAt}
}

func (s shop) get(ctx context.Context, id int64) (any, error) {
	var c model.Customer
	err := s.pool.QueryRow(ctx, selectCustomers+"WHERE id = $1", id).Scan(targets(&c)...)
	return &c, err
}

// customers reads rows into targets that are used again for each of them.
func (s shop) customers(ctx context.Context, size int, sql string, args ...any) (any, error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	cs := make([]model.Customer, 0, size)
	var c model.Customer
	_, err = pgx.ForEachRow(rows, targets(&c), func() error {
		cs = append(cs, c)
		c.Phone = nil
		return nil
	})
	return cs, err
}

func (s shop) read(ctx context.Context, n int) (any, error) {
	return s.customers(ctx, n, selectCustomers+"ORDER BY id LIMIT $1", n)
}

func (s shop) create(ctx context.Context, c model.Customer) (id int64, err error) {
	err = s.pool.QueryRow(ctx, `INSERT INTO customers (email, name, phone, country, tier, marketing_opt_in, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
		c.Email, c.Name, c.Phone, c.Country, c.Tier, c.MarketingOptIn, c.CreatedAt, c.UpdatedAt).Scan(&id)
	return id, err
}
