package seed_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// tiny is the shop with seed.Tiny in it: loaded once, then copied for each test.
var tiny = testdb.Schema{Name: "shop with tiny data", Apply: func(ctx context.Context, dsn string) error {
	if err := shop.Migrate(ctx, dsn); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = seed.Load(ctx, pool, seed.Tiny)
	return err
}}

var tableNames = []string{
	"customers", "categories", "products", "price_history", "tags", "product_tags", "warehouses", "inventory",
	"orders", "order_items", "reviews", "carts", "cart_items",
}

func one[T any](t *testing.T, db *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func counts(t *testing.T, db *pgxpool.Pool) map[string]int64 {
	t.Helper()
	found := make(map[string]int64)
	for _, name := range tableNames {
		found[name] = one[int64](t, db, "SELECT count(*) FROM "+name)
	}
	return found
}

func checksums(t *testing.T, db *pgxpool.Pool) map[string]string {
	t.Helper()
	sums := make(map[string]string)
	for _, name := range tableNames {
		sums[name] = one[string](t, db, fmt.Sprintf("SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM %s AS t", name))
	}
	return sums
}

func TestLoadFillsEveryTable(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, shop.Schema)
	reported, err := seed.Load(t.Context(), db, seed.Tiny)
	if err != nil {
		t.Fatal(err)
	}

	found := counts(t, db)
	for name, n := range map[string]int64{
		"products": 200, "customers": 100, "orders": 1000, "carts": 20,
		"order_items": 4 * 1000, "inventory": 2 * 200, "product_tags": 2 * 200,
		"reviews": 300, "price_history": 100, "cart_items": 50,
	} {
		if found[name] != n {
			t.Errorf("%s: %d rows, want %d", name, found[name], n)
		}
	}
	if !maps.Equal(reported, found) {
		t.Errorf("reported %v, found %v", reported, found)
	}
}

func TestLoadIsReproducible(t *testing.T) {
	t.Parallel()
	first := checksums(t, testdb.Pool(t, tiny))
	again := testdb.Pool(t, shop.Schema)
	if _, err := seed.Load(t.Context(), again, seed.Tiny); err != nil {
		t.Fatal(err)
	}
	second := checksums(t, again)
	for _, name := range tableNames {
		if first[name] != second[name] {
			t.Errorf("%s differs between two loads", name)
		}
	}
}

func TestLoadOfAnOddSize(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, shop.Schema)
	size := seed.Size{Products: 61, Customers: 23, Orders: 7, Carts: 3}
	reported, err := seed.Load(t.Context(), db, size)
	if err != nil {
		t.Fatal(err)
	}
	if found := counts(t, db); !maps.Equal(found, reported) || found["orders"] != 7 || found["products"] != 61 {
		t.Errorf("found %v, reported %v", found, reported)
	}
}

// The foreign keys are those of the schema, whatever they are.
func TestForeignKeysHold(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, tiny)
	rows, err := db.Query(t.Context(), `
		SELECT k.conname, k.conrelid::regclass::text, k.confrelid::regclass::text, a.attname, f.attname
		FROM pg_constraint AS k
		JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
		JOIN pg_attribute AS f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
		WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace`)
	if err != nil {
		t.Fatal(err)
	}
	type key struct{ Name, From, To, Column, Target string }
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) < 10 {
		t.Fatalf("%d foreign keys, expected more", len(keys))
	}
	for _, k := range keys {
		used := one[int](t, db, fmt.Sprintf("SELECT count(%s) FROM %s", k.Column, k.From))
		lost := one[int](t, db, fmt.Sprintf(
			"SELECT count(*) FROM %s AS a LEFT JOIN %s AS b ON b.%s = a.%s WHERE a.%s IS NOT NULL AND b.%s IS NULL",
			k.From, k.To, k.Target, k.Column, k.Column, k.Target))
		if used == 0 || lost > 0 {
			t.Errorf("%s: %d references, %d to nothing", k.Name, used, lost)
		}
	}
}

// Each of these counts rows that contradict others.
func TestDataHangsTogether(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, tiny)
	for name, sql := range map[string]string{
		"an order's total is the sum of its lines": `
			SELECT count(*) FROM orders AS o WHERE o.total_cents <>
				(SELECT sum(i.quantity * i.unit_price_cents - i.discount_cents) FROM order_items AS i WHERE i.order_id = o.id)`,
		"a product's stock is what the warehouses can sell": `
			SELECT count(*) FROM products AS p WHERE p.stock <>
				(SELECT sum(i.quantity - i.reserved) FROM inventory AS i WHERE i.product_id = p.id)`,
		"the history leads to the price of today": `
			SELECT count(*)
			FROM (SELECT DISTINCT ON (product_id) * FROM price_history ORDER BY product_id, changed_at DESC, id DESC) AS h
			JOIN products AS p ON p.id = h.product_id
			WHERE p.price_cents <> h.new_price_cents`,
		"each change starts where the one before ended": `
			SELECT count(*)
			FROM (SELECT old_price_cents, lag(new_price_cents) OVER (PARTITION BY product_id ORDER BY changed_at, id) AS before
				FROM price_history) AS h
			WHERE before <> old_price_cents`,
		"products belong to leaves": `
			SELECT count(*) FROM products WHERE category_id IN (SELECT parent_id FROM categories)`,
		"who buys is registered": `
			SELECT count(*) FROM orders AS o JOIN customers AS c ON c.id = o.customer_id WHERE c.created_at > o.placed_at`,
		"what is bought is listed": `
			SELECT count(*) FROM order_items AS i JOIN orders AS o ON o.id = i.order_id JOIN products AS p ON p.id = i.product_id
			WHERE p.created_at > o.placed_at`,
		"reviews are younger than their product and author": `
			SELECT count(*) FROM reviews AS r JOIN products AS p ON p.id = r.product_id JOIN customers AS c ON c.id = r.customer_id
			WHERE r.created_at < p.created_at OR r.created_at < c.created_at`,
		"an order has a product once": `
			SELECT count(*) FROM (SELECT FROM order_items GROUP BY order_id, product_id HAVING count(*) > 1) AS d`,
		"keys are in the order of time": `
			SELECT count(*)
			FROM (SELECT placed_at, lag(placed_at) OVER (ORDER BY id) AS before FROM orders) AS o
			WHERE before > placed_at`,
		"nothing happens after the epoch": `
			SELECT count(*) FROM orders WHERE greatest(placed_at, paid_at, shipped_at, updated_at) > '2026-01-01 00:00:00Z'`,
		"no warehouse holds anything before it opens": `
			SELECT count(*) FROM inventory AS i JOIN warehouses AS w ON w.id = i.warehouse_id WHERE NOT w.active`,
	} {
		t.Run(name, func(t *testing.T) {
			if n := one[int](t, db, sql); n != 0 {
				t.Errorf("%d rows contradict", n)
			}
		})
	}
}

// Each of these counts rows of a kind that someone relies on.
func TestEveryKindOfRowIsThere(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, tiny)
	for name, sql := range map[string]string{
		"deleted products":   "SELECT count(*) FROM products WHERE deleted_at IS NOT NULL",
		"downloads":          "SELECT count(*) FROM products WHERE weight_grams IS NULL",
		"sold out products":  "SELECT count(*) FROM products WHERE stock = 0",
		"nested attributes":  "SELECT count(*) FROM products WHERE attributes @? '$.energy.watts'",
		"products untagged":  "SELECT count(*) FROM products WHERE id NOT IN (SELECT product_id FROM product_tags)",
		"low inventory":      "SELECT count(*) FROM inventory WHERE quantity - reserved <= reorder_at",
		"planned warehouses": "SELECT count(*) FROM warehouses WHERE NOT active AND latitude IS NULL",
		"grandchildren":      "SELECT count(*) FROM categories WHERE parent_id IN (SELECT id FROM categories WHERE parent_id > 0)",
		"anonymous carts":    "SELECT count(*) FROM carts WHERE customer_id IS NULL",
		"expired carts":      "SELECT count(*) FROM carts WHERE expires_at < '2026-01-01 00:00:00Z'",
		"orders with notes":  "SELECT count(*) FROM orders WHERE note IS NOT NULL",
		"orders fetched":     "SELECT count(*) FROM orders WHERE shipping_address IS NULL",
		"reviews untitled":   "SELECT count(*) FROM reviews WHERE title IS NULL",
	} {
		if n := one[int](t, db, sql); n == 0 {
			t.Errorf("no %s", name)
		}
	}
	if n := one[int](t, db, "SELECT count(DISTINCT status) FROM orders"); n != 5 {
		t.Errorf("%d states of orders", n)
	}
}

func TestPopularProductsExist(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, tiny)
	share := one[float64](t, db, `
		SELECT sum(n) FILTER (WHERE place <= 20) / sum(n)::double precision
		FROM (
			SELECT count(*) AS n, row_number() OVER (ORDER BY count(*) DESC) AS place FROM order_items GROUP BY product_id
		) AS sold`)
	if share < 0.3 {
		t.Errorf("a tenth of the products has %.0f%% of the order lines, expected far more than a tenth", 100*share)
	}
}

func TestNextKeysAreFree(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, tiny)
	for table, sql := range map[string]string{
		"customers":     "INSERT INTO customers (email, name, country) VALUES ('new@example.com', 'New', 'DE') RETURNING id",
		"categories":    "INSERT INTO categories (slug, name) VALUES ('new', 'New') RETURNING id",
		"products":      "INSERT INTO products (category_id, sku, name, price_cents) VALUES (1, 'NEW', 'New', 1) RETURNING id",
		"price_history": "INSERT INTO price_history (product_id, old_price_cents, new_price_cents) VALUES (1, 1, 2) RETURNING id",
		"tags":          "INSERT INTO tags (name) VALUES ('unheard-of') RETURNING id",
		"warehouses":    "INSERT INTO warehouses (code, name, country) VALUES ('NEW1', 'New', 'DE') RETURNING id",
		"orders":        "INSERT INTO orders (customer_id) VALUES (1) RETURNING id",
		"reviews":       "INSERT INTO reviews (product_id, customer_id, rating) SELECT 1, max(id), 5 FROM customers RETURNING id",
	} {
		last := one[int](t, db, "SELECT max(id) FROM "+table)
		if next := one[int](t, db, sql); next != last+1 {
			t.Errorf("%s: the key after %d is %d", table, last, next)
		}
	}
}

func TestStatisticsAreThere(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, tiny)
	for _, name := range tableNames {
		if n := one[float64](t, db, "SELECT reltuples FROM pg_class WHERE oid = $1::text::regclass", name); n <= 0 {
			t.Errorf("%s is not analyzed: reltuples %v", name, n)
		}
		if !one[bool](t, db, "SELECT relallvisible > 0 FROM pg_class WHERE oid = $1::text::regclass", name) {
			t.Errorf("%s is not vacuumed", name)
		}
	}
}

func TestLoadTwiceFails(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, tiny)
	before := counts(t, db)
	_, err := seed.Load(t.Context(), db, seed.Tiny)
	var violation *pgconn.PgError
	if !errors.As(err, &violation) || violation.Code != "23505" {
		t.Fatalf("second load: %v, want a unique violation", err)
	}
	if !strings.HasPrefix(err.Error(), "seed: fill ") {
		t.Errorf("the error does not say which table: %v", err)
	}
	if after := counts(t, db); !maps.Equal(before, after) {
		t.Errorf("the failed load left rows: %v, before %v", after, before)
	}
}

func TestLoadRefusesImpossibleSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []seed.Size{
		{},
		{Products: 59, Customers: 20},
		{Products: 60, Customers: 19},
		{Products: 60, Customers: 20, Orders: -1},
		{Products: 60, Customers: 20, Carts: -1},
	} {
		// No database is asked: the nil would panic.
		if _, err := seed.Load(t.Context(), nil, size); err == nil {
			t.Errorf("%+v: no error", size)
		}
	}
}

// A load that is cancelled ends soon, and nothing of its own stays.
func TestLoadStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, shop.Schema)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	size := seed.Size{Products: 100_000, Customers: 50_000, Orders: 100_000}
	done := make(chan error, 1)
	go func() {
		_, err := seed.Load(ctx, db, size)
		done <- err
	}()
	for busy := false; !busy; { // it has begun
		busy = one[bool](t, db, "SELECT to_regclass('seed.size') IS NOT NULL")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Load: %v, want context.Canceled", err)
	}
	if n := one[int](t, db, "SELECT count(*) FROM pg_namespace WHERE nspname = 'seed'"); n != 0 {
		t.Error("the schema seed is left")
	}
}

func BenchmarkLoad(b *testing.B) {
	if testing.Short() {
		b.Skip("loads a million rows")
	}
	for b.Loop() {
		b.StopTimer()
		db := testdb.Pool(b, shop.Schema)
		b.StartTimer()
		if _, err := seed.Load(b.Context(), db, seed.Default); err != nil {
			b.Fatal(err)
		}
	}
}
