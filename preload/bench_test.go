package preload_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// ordersSQL fills the shop with 12,000 orders of ten lines each, over 5,000
// products in 50 categories.
const ordersSQL = `
INSERT INTO categories (slug, name) SELECT 'c' || i, 'Category ' || i FROM generate_series(1, 50) AS i;
INSERT INTO products (category_id, sku, name, description, price_cents, stock)
	SELECT 1 + i % 50, 'sku' || i, 'Product number ' || i, 'A description of product ' || i, i, i FROM generate_series(1, 5000) AS i;
INSERT INTO customers (email, name, country) SELECT 'c' || i || '@example.org', 'Customer ' || i, 'NO' FROM generate_series(1, 100) AS i;
INSERT INTO orders (customer_id, status, total_cents, shipping_address)
	SELECT 1 + i % 100, 'pending', 0, '{}' FROM generate_series(1, 12000) AS i;
INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents)
	SELECT o, l, 1 + (o * 37 + l * 101) % 5000, 1, 100, 0 FROM generate_series(1, 12000) AS o, generate_series(1, 10) AS l;
ANALYZE;`

// The views of the graph that the benchmarks read: orders, lines, products,
// categories.
type (
	orderGraph struct {
		shop.Order
		Lines []lineGraph
	}
	lineGraph struct {
		shop.OrderItem
		Product *productGraph
	}
	productGraph struct {
		shop.Product
		Category *shop.Category
	}
)

var graph = preload.Many(shop.OrderLines, func(o *orderGraph) *[]lineGraph { return &o.Lines },
	preload.One(shop.LineProduct, func(l *lineGraph) **productGraph { return &l.Product },
		preload.One(shop.ProductCategory, func(p *productGraph) **shop.Category { return &p.Category })))

func newOrders(tb testing.TB, opts ...testdb.Option) *pgxpool.Pool {
	tb.Helper()
	pool := testdb.Pool(tb, shop.Schema, opts...)
	if _, err := pool.Exec(context.Background(), ordersSQL, pgx.QueryExecModeSimpleProtocol); err != nil {
		tb.Fatal(err)
	}
	return pool
}

// byHand reads the graph as a careful programmer writes it: one statement for
// each level, keys without duplicates, rows scanned by position.
func byHand(ctx context.Context, pool *pgxpool.Pool, first, last int64) ([]orderGraph, error) {
	rows, err := pool.Query(ctx, `SELECT id, customer_id, status, version, total_cents, note, shipping_address, placed_at, paid_at, shipped_at, updated_at
		FROM orders WHERE id BETWEEN $1 AND $2 ORDER BY id`, first, last)
	if err != nil {
		return nil, err
	}
	var orders []orderGraph
	for rows.Next() {
		var o orderGraph
		if err := rows.Scan(&o.ID, &o.CustomerID, &o.Status, &o.Version, &o.TotalCents, &o.Note, &o.ShippingAddress, &o.PlacedAt, &o.PaidAt, &o.ShippedAt, &o.UpdatedAt); err != nil {
			return nil, err
		}
		orders = append(orders, o)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	ids := make([]int64, len(orders))
	byID := make(map[int64]*orderGraph, len(orders))
	for i := range orders {
		ids[i], byID[orders[i].ID] = orders[i].ID, &orders[i]
	}
	rows, err = pool.Query(ctx, `SELECT order_id, line_no, product_id, quantity, unit_price_cents, discount_cents
		FROM order_items WHERE order_id = ANY($1) ORDER BY order_id, line_no`, ids)
	if err != nil {
		return nil, err
	}
	var productIDs []int64
	products := map[int64]*productGraph{}
	for rows.Next() {
		var l lineGraph
		if err := rows.Scan(&l.OrderID, &l.LineNo, &l.ProductID, &l.Quantity, &l.UnitPriceCents, &l.DiscountCents); err != nil {
			return nil, err
		}
		o := byID[l.OrderID]
		o.Lines = append(o.Lines, l)
		if _, ok := products[l.ProductID]; !ok {
			products[l.ProductID] = nil
			productIDs = append(productIDs, l.ProductID)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows, err = pool.Query(ctx, `SELECT id, category_id, sku, name, description, price_cents, stock, weight_grams, tags, attributes, created_at, updated_at, deleted_at, search
		FROM products WHERE id = ANY($1) AND deleted_at IS NULL`, productIDs)
	if err != nil {
		return nil, err
	}
	var categoryIDs []int64
	categories := map[int64]*shop.Category{}
	for rows.Next() {
		p := &productGraph{}
		if err := rows.Scan(&p.ID, &p.CategoryID, &p.SKU, &p.Name, &p.Description, &p.PriceCents, &p.Stock, &p.WeightGrams, &p.Tags, &p.Attributes,
			&p.CreatedAt, &p.UpdatedAt, &p.DeletedAt, &p.Search); err != nil {
			return nil, err
		}
		products[p.ID] = p
		if _, ok := categories[p.CategoryID]; !ok {
			categories[p.CategoryID] = nil
			categoryIDs = append(categoryIDs, p.CategoryID)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows, err = pool.Query(ctx, `SELECT id, parent_id, slug, name, position, created_at, updated_at FROM categories WHERE id = ANY($1)`, categoryIDs)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		c := &shop.Category{}
		if err := rows.Scan(&c.ID, &c.ParentID, &c.Slug, &c.Name, &c.Position, &c.CreatedAt, &c.UpdatedAt); err != nil {
			return nil, err
		}
		categories[c.ID] = c
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range orders {
		for k := range orders[i].Lines {
			l := &orders[i].Lines[k]
			if l.Product = products[l.ProductID]; l.Product != nil {
				l.Product.Category = categories[l.Product.CategoryID]
			}
		}
	}
	return orders, nil
}

// reader reads the graph of n orders, each time of others.
func reader(pool *pgxpool.Pool, n int) func() ([]orderGraph, error) {
	views := repo.View(repo.New(pool, shop.Orders), func(o *orderGraph) *shop.Order { return &o.Order })
	at := int64(0)
	return func() ([]orderGraph, error) {
		first := at%int64(12000/n)*int64(n) + 1
		at++
		ctx := context.Background()
		return views.Find(ctx, query.Where(shop.OrderID.Between(first, first+int64(n)-1)).OrderBy(shop.OrderID.Asc()), graph)
	}
}

func handReader(pool *pgxpool.Pool, n int) func() ([]orderGraph, error) {
	at := int64(0)
	return func() ([]orderGraph, error) {
		first := at%int64(12000/n)*int64(n) + 1
		at++
		return byHand(context.Background(), pool, first, first+int64(n)-1)
	}
}

func dropped(read func() ([]orderGraph, error)) func() error {
	return func() error {
		_, err := read()
		return err
	}
}

// TestGraphAllocations holds the graph of 100 orders to half of what the same
// allocates when it is written by hand.
func TestGraphAllocations(t *testing.T) {
	check.Plain(t) // the race detector allocates by itself
	if execMode() == "exec" {
		t.Skip("results in text form are left to pgx")
	}
	pool := newOrders(t)
	ours, hand := check.Allocations(dropped(reader(pool, 100))), check.Allocations(dropped(handReader(pool, 100)))
	if ours > hand/2 {
		t.Errorf("100 orders take %.0f allocations, by hand %.0f", ours, hand)
	}
}

func BenchmarkGraph(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			pool := newOrders(b)
			check.Compare(b, dropped(reader(pool, n)), check.Twin{Name: "pgx", Run: dropped(handReader(pool, n))})
		})
	}
}
