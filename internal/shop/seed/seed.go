// Package seed fills the shop's tables with made-up data for the demo, the benchmarks and tests.
//
// The same size always gives the same rows: everything is derived from hashes of numbers, nothing from the clock or
// from the order in which tables are written. The data hangs together. An order's total is the sum of its lines, a
// product's stock is what the warehouses hold of it, nobody buys before they registered and nothing is bought before it
// was listed. Some products are bought far more often than others, most orders are old and delivered, and a few are
// waiting.
package seed

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Epoch is the instant that the data takes for now: the last order was placed just before it.
var Epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Size says how much to make. What it does not name follows from it: for each product two inventory rows, two tags, one
// and a half reviews and half a price change, for each order four lines, for each cart two and a half products. These
// are means, and exact ones where the number is a multiple of ten.
type Size struct {
	Products  int
	Customers int
	Orders    int
	Carts     int
}

var (
	// Default is large enough for what depends on size: 100,000 products and 1,000,000 order lines.
	Default = Size{Products: 100_000, Customers: 50_000, Orders: 250_000, Carts: 10_000}

	// Tiny is for tests: a few thousand rows in all, still with every kind of row.
	Tiny = Size{Products: 200, Customers: 100, Orders: 1000, Carts: 20}
)

// The smallest shop in which a customer can be found for every review and distinct products for every order.
const (
	minProducts  = 60
	minCustomers = 20
)

func (s Size) validate() error {
	switch {
	case s.Products < minProducts:
		return errors.New("seed: a shop has at least 60 products")
	case s.Customers < minCustomers:
		return errors.New("seed: a shop has at least 20 customers")
	case s.Orders < 0 || s.Carts < 0:
		return errors.New("seed: the number of orders and carts is not negative")
	}
	return nil
}

// Target is a database to fill. Several tables are filled at once, so it must be safe for concurrent use: a
// *pgxpool.Pool is one, a single connection is not.
type Target interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Load fills the empty tables of a migrated database, moves the sequences of their keys past what it wrote, and leaves
// the planner's statistics up to date. It returns how many rows each table got. The server makes the rows, with
// functions and tables in a schema named seed, which is dropped at the end.
//
// Each table is written in a transaction of its own: after an error, some tables have all their data and have to be
// emptied.
func Load(ctx context.Context, db Target, size Size) (map[string]int64, error) {
	if err := size.validate(); err != nil {
		return nil, err
	}
	l := &loader{db: db, steps: size.steps(), slots: make(chan struct{}, parallel), rows: map[string]int64{}}
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	return l.rows, l.finish(ctx)
}
