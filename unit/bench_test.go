package unit_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/unit"
)

// The operation that is measured: an order with ten items.
const lines = 10

const (
	orderSQL = "INSERT INTO orders (customer_id, total_cents, version, placed_at, updated_at) VALUES ($1, $2, 1, now(), now())"
	itemSQL  = "INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents) VALUES ($1, $2, $3, $4, $5, $6)"
)

func newShop(b *testing.B, opts ...testdb.Option) *pgxpool.Pool {
	b.Helper()
	pool := testdb.Pool(b, shop.Schema, append(opts, testdb.MaxConns(1))...)
	for _, sql := range []string{
		"INSERT INTO customers (name, email, country) VALUES ('Ada', 'ada@example.com', 'AT')",
		"INSERT INTO categories (slug, name) VALUES ('tea', 'Tea')",
		"INSERT INTO products (category_id, sku, name, price_cents) SELECT 1, 's' || i, 'Tea', 100 FROM generate_series(1, 10) AS i",
	} {
		exec(b, pool, sql)
	}
	return pool
}

func newOrder() (*shop.Order, []shop.OrderItem) {
	items := make([]shop.OrderItem, lines)
	for i := range items {
		items[i] = shop.OrderItem{LineNo: int32(i + 1), ProductID: int64(i + 1), Quantity: 1, UnitPriceCents: 100}
	}
	return &shop.Order{CustomerID: 1, TotalCents: 1000}, items
}

func ours(ctx context.Context, pool *pgxpool.Pool) error {
	o, items := newOrder()
	u := unit.New()
	order := unit.Create(u, shop.Orders, o)
	unit.CreateMany(u, shop.OrderItems, items, unit.Refer(shop.ItemOrder, order))
	_, err := u.Flush(ctx, pool)
	return err
}

// sequential is the same by hand, a statement at a time.
func sequential(ctx context.Context, pool *pgxpool.Pool) error {
	o, items := newOrder()
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, orderSQL+" RETURNING id, status, version, placed_at, updated_at", o.CustomerID, o.TotalCents).
			Scan(&o.ID, &o.Status, &o.Version, &o.PlacedAt, &o.UpdatedAt)
		if err != nil {
			return err
		}
		for i := range items {
			it := &items[i]
			it.OrderID = o.ID
			if _, err := tx.Exec(ctx, itemSQL, it.OrderID, it.LineNo, it.ProductID, it.Quantity, it.UnitPriceCents, it.DiscountCents); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkOrder(b *testing.B) {
	ctx, pool := context.Background(), newShop(b)
	check.Compare(b, func() error { return ours(ctx, pool) },
		check.Twin{Name: "sequential", Run: func() error { return sequential(ctx, pool) }})
}

// BenchmarkOrderFar is BenchmarkOrder with a millisecond between the program and
// the server.
func BenchmarkOrderFar(b *testing.B) {
	ctx, pool := context.Background(), newShop(b, testdb.Latency(time.Millisecond))
	check.Compare(b, func() error { return ours(ctx, pool) },
		check.Twin{Name: "sequential", Run: func() error { return sequential(ctx, pool) }})
}

// arrays are the items as a person would send them together.
type arrays struct {
	lines, quantities           []int32
	products, prices, discounts []int64
	ones                        []int32
}

func arraysOf(items []shop.OrderItem) (a arrays) {
	for i := range items {
		it := &items[i]
		a.lines, a.quantities, a.ones = append(a.lines, it.LineNo), append(a.quantities, it.Quantity), append(a.ones, 1)
		a.products, a.prices, a.discounts = append(a.products, it.ProductID), append(a.prices, it.UnitPriceCents), append(a.discounts, it.DiscountCents)
	}
	return a
}

const itemsSQL = "INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents) "

// BenchmarkForms compares ways to write an order with ten items in one round
// trip, by hand: keys that are kept in a setting of the transaction, and one
// statement with data-modifying WITH parts; and the way in two, keys that are
// drawn beforehand.
func BenchmarkForms(b *testing.B) {
	ctx, pool := context.Background(), newShop(b)
	send := func(q func(b *pgx.Batch, a arrays)) func() error {
		return func() error {
			_, items := newOrder()
			var batch pgx.Batch
			batch.Queue("begin")
			q(&batch, arraysOf(items))
			batch.Queue("commit")
			return pool.SendBatch(ctx, &batch).Close()
		}
	}
	check.Compare(b, send(func(b *pgx.Batch, a arrays) {
		b.Queue(orderSQL+" RETURNING id, status, version, placed_at, updated_at, set_config($3, ARRAY[id]::text, true)", 1, 1000, "smrt.k1")
		b.Queue(itemsSQL+"SELECT ((SELECT current_setting($7)::bigint[]))[u.o], u.l, u.p, u.q, u.c, u.d FROM "+
			"unnest($1::integer[], $2::bigint[], $3::integer[], $4::bigint[], $5::bigint[], $6::integer[]) AS u(l, p, q, c, d, o) RETURNING order_id",
			a.lines, a.products, a.quantities, a.prices, a.discounts, a.ones, "smrt.k1")
	}), check.Twin{Name: "with", Run: send(func(b *pgx.Batch, a arrays) {
		b.Queue("WITH o AS ("+orderSQL+" RETURNING id, status, version, placed_at, updated_at), i AS ("+itemsSQL+
			"SELECT o.id, u.l, u.p, u.q, u.c, u.d FROM unnest($3::integer[], $4::bigint[], $5::integer[], $6::bigint[], $7::bigint[]) AS u(l, p, q, c, d), o "+
			"RETURNING order_id) SELECT * FROM o", 1, 1000, a.lines, a.products, a.quantities, a.prices, a.discounts)
	})}, check.Twin{Name: "drawn", Run: func() error {
		_, items := newOrder()
		a := arraysOf(items)
		var id int64
		var first, second pgx.Batch
		first.Queue("begin")
		first.Queue("SELECT nextval('orders_id_seq')").QueryRow(func(row pgx.Row) error { return row.Scan(&id) })
		return pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
			if err := c.SendBatch(ctx, &first).Close(); err != nil {
				return err
			}
			second.Queue("INSERT INTO orders (id, customer_id, total_cents, version, placed_at, updated_at) VALUES ($1, $2, $3, 1, now(), now()) "+
				"RETURNING status, placed_at, updated_at", id, 1, 1000)
			second.Queue(itemsSQL+"SELECT $6, * FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::bigint[], $5::bigint[])",
				a.lines, a.products, a.quantities, a.prices, a.discounts, id)
			second.Queue("commit")
			return c.SendBatch(ctx, &second).Close()
		})
	}})
}
