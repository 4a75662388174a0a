package shop_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
)

// fixture is an empty shop with short ways to put things into it. Every method that adds something returns its key.
type fixture struct {
	t  *testing.T
	db *pgxpool.Pool
	// The queries under test, on db.
	*shopdb.Queries
}

func newFixture(t *testing.T, opts ...testdb.Option) fixture {
	t.Helper()
	db := testdb.Pool(t, shop.Schema, opts...)
	return fixture{t, db, shopdb.New(db)}
}

// one runs a statement that returns one value.
func one[T any](f fixture, sql string, args ...any) T {
	f.t.Helper()
	return must(pgx.CollectExactlyOneRow(must(f.db.Query(f.t.Context(), sql, args...))(f.t), pgx.RowTo[T]))(f.t)
}

func (f fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.db.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
}

// must returns the value of a call, after failing the test if the call had an error: must(call())(t).
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// equal fails the test unless both lists are the same.
func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// each takes a field from every row.
func each[T, F any](rows []T, field func(T) F) []F {
	fields := make([]F, len(rows))
	for i, row := range rows {
		fields[i] = field(row)
	}
	return fields
}

// at is a time of day in January 2025, or later where the day is more than 31.
func at(day, hour int) time.Time {
	return time.Date(2025, time.January, day, hour, 0, 0, 0, time.UTC)
}

// date is a day at midnight, as the database gives dates.
func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// category adds a category; no parent is 0.
func (f fixture) category(parent int64, position int, slug string) int64 {
	f.t.Helper()
	return one[int64](f, `
		INSERT INTO categories (parent_id, position, slug, name) VALUES (nullif($1, 0), $2, $3, initcap($3)) RETURNING id`,
		parent, position, slug)
}

// product adds a product for 10.00, in a category of its own if none is given.
func (f fixture) product(name string, category ...int64) int64 {
	f.t.Helper()
	if len(category) == 0 {
		own := one[int64](f, `INSERT INTO categories (slug, name) SELECT 'c' || count(*), 'C' FROM categories RETURNING id`)
		category = []int64{own}
	}
	return one[int64](f, `
		INSERT INTO products (category_id, sku, name, price_cents)
		SELECT $1, 'SKU-' || count(*), $2, 1000 FROM products
		RETURNING id`,
		category[0], name)
}

func (f fixture) remove(product int64) {
	f.t.Helper()
	f.exec(`UPDATE products SET deleted_at = now() WHERE id = $1`, product)
}

func (f fixture) customer(name string) int64 {
	f.t.Helper()
	return one[int64](f, `
		INSERT INTO customers (name, email, country) VALUES ($1, lower($1) || '@example.com', 'DE') RETURNING id`, name)
}

// piece is a number of a product.
type piece struct {
	product  int64
	quantity int
}

// order adds an order with lines at 10.00 each.
func (f fixture) order(customer int64, status shop.OrderStatus, placed time.Time, pieces ...piece) int64 {
	f.t.Helper()
	total := 0
	for _, p := range pieces {
		total += p.quantity * 1000
	}
	id := one[int64](f, `
		INSERT INTO orders (customer_id, status, placed_at, paid_at, shipped_at, total_cents)
		SELECT $1, status, placed_at, CASE WHEN status IN ('paid', 'shipped', 'delivered') THEN placed_at END,
			CASE WHEN status IN ('shipped', 'delivered') THEN placed_at END, $4
		FROM (VALUES ($2::order_status, $3::timestamptz)) AS o(status, placed_at)
		RETURNING id`, customer, status, placed, total)
	for i, p := range pieces {
		f.exec(`
			INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents)
			VALUES ($1, $2, $3, $4, 1000)`, id, i+1, p.product, p.quantity)
	}
	return id
}

func (f fixture) warehouse(code string) int64 {
	f.t.Helper()
	return one[int64](f, `INSERT INTO warehouses (code, name, country) VALUES ($1, $1, 'DE') RETURNING id`, code)
}

func (f fixture) stock(warehouse, product int64, quantity, reserved, reorderAt int) {
	f.t.Helper()
	f.exec(`INSERT INTO inventory (warehouse_id, product_id, quantity, reserved, reorder_at) VALUES ($1, $2, $3, $4, $5)`,
		warehouse, product, quantity, reserved, reorderAt)
}

func (f fixture) review(product int64, rating int) {
	f.t.Helper()
	author := f.customer(fmt.Sprintf("Author%d", one[int](f, "SELECT count(*) FROM customers")))
	f.exec(`INSERT INTO reviews (product_id, customer_id, rating) VALUES ($1, $2, $3)`, product, author, rating)
}
