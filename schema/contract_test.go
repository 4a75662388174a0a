package schema_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/schema"
)

// TestContractOfTheShop expects one line for each need, always the same.
func TestContractOfTheShop(t *testing.T) {
	ctx, pool := t.Context(), testdb.Pool(t, shop.Schema)
	c := check.Value(schema.NewContract(ctx, pool, shopTables()...))(t)
	for _, line := range []string{
		"column customers.tier public.customer_tier", "column products.tags text[]", "column carts.id uuid", "default carts.expires_at", "default orders.id",
		"foreign key products (category_id) references categories (id)", "foreign key product_tags (tag_id) references tags (id)", "insert order_items",
		"not null orders.version", "null customers.phone", "null products.deleted_at", "label customers.tier 'gold'", "unique order_items (line_no, order_id)", "unique products (id)", "generated products.search", "write products.name",
	} {
		if !strings.Contains("\n"+c.String(), "\n"+line+"\n") {
			t.Errorf("%q is not in\n%s", line, c)
		}
	}
	for _, line := range []string{"not null products.deleted_at", "default products.search", "write products.search", "default customers.marketing_opt_in", "not null customers.phone"} {
		if strings.Contains(c.String(), line) {
			t.Errorf("%q is in it", line)
		}
	}
	again := check.Value(schema.NewContract(ctx, testdb.Pool(t, shop.Schema), shopTables()...))(t)
	check.Same(t, "the same from another database", again.String(), c.String())
	parsed := check.Value(schema.ParseContract("# of the shop\n\n" + c.String() + c.String()))(t)
	check.Same(t, "parsed", parsed.String(), c.String())
	check.Equal(t, "unmet", check.Value(parsed.Check(ctx, pool))(t), nil)
}

func TestParseContractErrors(t *testing.T) {
	for _, text := range []string{
		"column", "columns a.b int", "unique", "drop table x", "insert a\nnonsense", "column a", "column a.id", "default a", "unique a garbage", "column a.id  bigint",
		"insert a garbage", "column 1x.b int", "unique a-b (c)", "foreign key a", "insert a\x00", "insert \xff", " insert a", "unique a (b) where ", "foreign key a (b) references c",
		"write a.b.c.d", "insert a.b.c",
	} {
		_, err := schema.ParseContract(text)
		var bad *smrt.QueryError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: %v", text, err)
		}
	}
	check.Equal(t, "nothing", check.Value(check.Value(schema.ParseContract(""))(t).Check(t.Context(), nil))(t), nil)
}

// TestContractOfValues has labels that only one side knows, and a rule that refuses NULL.
func TestContractOfValues(t *testing.T) {
	t.Parallel()
	type row struct {
		ID    int64
		Tier  *shop.CustomerTier
		Level shop.CustomerTier
		Free  string
		Note  *string
		Name  *string
	}
	ctx, pool := t.Context(), testdb.Pool(t, testdb.SQL("values", `CREATE TYPE tier AS ENUM ('gold', 'platinum', 'it''s'); CREATE DOMAIN rank AS tier;
CREATE TABLE valued (id bigserial PRIMARY KEY, tier tier, level rank NOT NULL, free tier NOT NULL, note text, name text)`))
	table := query.NewTable("valued", func(r *row) *int64 { return &r.ID },
		query.Rules(query.Required(query.NullTextCol(func(r *row) **string { return &r.Note })), query.NotBlank(query.NullTextCol(func(r *row) **string { return &r.Name }))))
	c := check.Value(schema.NewContract(ctx, pool, table))(t)
	var got []string
	for _, line := range strings.Split(c.String(), "\n") {
		if strings.HasPrefix(line, "label ") || strings.HasPrefix(line, "null ") {
			got = append(got, line)
		}
	}
	check.Equal(t, "lines", got, []string{"label valued.level 'gold'", "label valued.tier 'gold'", "null valued.tier"})
	check.Value(pool.Exec(ctx, "ALTER TABLE valued ALTER tier SET NOT NULL, ALTER note SET NOT NULL, ALTER name SET NOT NULL; ALTER TYPE tier ADD VALUE 'silver'; ALTER TYPE tier RENAME VALUE 'platinum' TO 'lead'"))(t)
	found := check.Value(c.Check(ctx, pool))(t)
	if len(found) != 1 || found[0].Column != "tier" || found[0].Level != schema.Warning {
		t.Errorf("found %v", found)
	}
	check.Value(pool.Exec(ctx, "ALTER TYPE tier RENAME VALUE 'gold' TO 'Gold'"))(t)
	check.Same(t, "found without the label", len(check.Value(c.Check(ctx, pool))(t).AtLeast(schema.Fault)), 2)
}

// TestContractNames has names that need quotes, a schema, and columns that a keyword
// names.
func TestContractNames(t *testing.T) {
	type row struct {
		ID   int64  `db:"Id"`
		User string `db:"user"`
		Dot  string `db:"a.b"`
	}
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, `CREATE SCHEMA "Sales x"; CREATE TABLE "Sales x"."order" ("Id" bigserial PRIMARY KEY, "user" varchar(5) NOT NULL, "a.b" text NOT NULL UNIQUE)`))(t)
	table := query.NewTable("Sales x.order", func(r *row) *int64 { return &r.ID })
	c := check.Value(schema.NewContract(ctx, pool, table))(t)
	check.Same(t, "contract", c.String(), `column "Sales x".order."Id" bigint
column "Sales x".order."a.b" text
column "Sales x".order.user character varying
default "Sales x".order."Id"
insert "Sales x".order
not null "Sales x".order."Id"
not null "Sales x".order."a.b"
not null "Sales x".order.user
unique "Sales x".order ("Id")
write "Sales x".order."a.b"
write "Sales x".order.user
`)
	parsed := check.Value(schema.ParseContract(c.String()))(t)
	check.Equal(t, "unmet", check.Value(parsed.Check(ctx, pool))(t), nil)
	check.Value(pool.Exec(ctx, `DROP TABLE "Sales x"."order"`))(t)
	found := check.Value(parsed.Check(ctx, pool))(t)
	check.Same(t, "unmet without the table", len(found), 11)
	check.Same(t, "table", found[0].Table, `"Sales x".order`)
}

// additions change nothing that a program needs; %d makes a name.
var additions = []string{
	"CREATE TABLE more_%d (id bigint PRIMARY KEY, product_id bigint REFERENCES products)",
	"ALTER TABLE products ADD more_%d text", "ALTER TABLE orders ADD more_%d int NOT NULL DEFAULT 0", "ALTER TABLE tags ADD more_%d bigint GENERATED BY DEFAULT AS IDENTITY",
	"ALTER TABLE tags ADD more_%d int GENERATED ALWAYS AS (length(name)) STORED",
	"CREATE INDEX more_%d ON reviews (rating)", "CREATE UNIQUE INDEX more_%d ON tags (id, name)", "ALTER TABLE products ADD CONSTRAINT more_%d CHECK (stock < 1000000)",
	"CREATE VIEW more_%d AS SELECT * FROM products", "ALTER TYPE order_status ADD VALUE 'more_%d'",
	"ALTER TABLE reviews ALTER title TYPE text -- %d", "ALTER TABLE warehouses ADD CONSTRAINT more_%d UNIQUE (name, code)",
}

// removals take away what the program needs.
var removals = []string{
	"ALTER TABLE products DROP sku", "ALTER TABLE products RENAME name TO title", "ALTER TABLE products ALTER stock TYPE bigint", "ALTER TABLE customers ALTER name DROP NOT NULL",
	"ALTER TABLE customers ALTER tier DROP DEFAULT", "ALTER TABLE reviews ALTER id DROP IDENTITY", "ALTER TABLE order_items DROP CONSTRAINT order_items_pkey",
	"ALTER TABLE reviews DROP CONSTRAINT reviews_customer_id_fkey", "DROP TABLE cart_items", "ALTER TABLE carts RENAME TO baskets", "ALTER TABLE tags ADD more text NOT NULL",
	"ALTER TABLE orders DROP CONSTRAINT orders_shipping_address_check, ALTER shipping_address TYPE json", "ALTER TABLE products ALTER tags TYPE text USING tags::text", "ALTER TABLE carts ALTER expires_at DROP DEFAULT",
	"ALTER TABLE customers DROP phone, ADD phone int", "ALTER TABLE customers ALTER phone SET NOT NULL", "ALTER TYPE order_status RENAME VALUE 'paid' TO 'payed'",
}

// TestContractAndMigrations changes the database at random.
func TestContractAndMigrations(t *testing.T) {
	ctx, pool, random := t.Context(), testdb.Pool(t, shop.Schema), check.Random(t)
	c := check.Value(schema.NewContract(ctx, pool, shopTables()...))(t)
	for i := range 50 {
		addition := fmt.Sprintf(additions[random.IntN(len(additions))], i)
		check.Value(pool.Exec(ctx, addition))(t)
		if found := check.Value(c.Check(ctx, pool))(t); found != nil {
			t.Fatalf("after %s: %v", addition, found)
		}
	}
	check.Same(t, "after additions", check.Value(schema.NewContract(ctx, pool, shopTables()...))(t).String(), c.String())
	random.Shuffle(len(removals), func(i, j int) { removals[i], removals[j] = removals[j], removals[i] })
	for _, removal := range removals {
		tx := check.Value(pool.Begin(ctx))(t)
		for _, statement := range []string{"DROP VIEW IF EXISTS " + views(t, tx), "DROP INDEX IF EXISTS products_tags_idx", removal} {
			_, err := tx.Exec(ctx, statement)
			check.NoError(t, err)
		}
		found := check.Value(c.Check(ctx, tx))(t)
		if len(found) == 0 || !strings.Contains(removal, "_fkey") && !strings.Contains(removal, "SET NOT NULL") && !errors.Is(found.Err(), schema.ErrMismatch) {
			t.Errorf("after %s nothing is found", removal)
		}
		_, err := schema.NewContract(ctx, tx, shopTables()...)
		if now := err == nil; now && !strings.Contains(removal, "_fkey") && !strings.Contains(removal, "TYPE") && !strings.Contains(removal, "ADD phone") && !strings.Contains(removal, "SET NOT NULL") {
			t.Errorf("after %s a contract is made", removal)
		}
		check.NoError(t, tx.Rollback(ctx))
	}
}

// views returns the names of the views that were added.
func views(t *testing.T, tx pgx.Tx) string {
	t.Helper()
	var names string
	check.NoError(t, tx.QueryRow(t.Context(), "SELECT coalesce(string_agg(viewname, ', '), 'none') FROM pg_views WHERE schemaname = 'public'").Scan(&names))
	return names
}

func TestExpect(t *testing.T) {
	ctx := t.Context()
	pool := testdb.Pool(t, shop.Schema)
	c := check.Value(schema.NewContract(ctx, pool, shopTables()...))(t)
	e := check.Value(schema.Expect(c, schema.Options{}))(t)
	check.NoError(t, e.Check(ctx, pool))
	check.Value(pool.Exec(ctx, "ALTER TABLE products RENAME name TO title"))(t)
	check.NoError(t, e.Check(ctx, pool)) // it was asked a moment ago
	if n := check.Allocations(func() error { return e.Check(ctx, pool) }); n > 0 {
		t.Errorf("%v allocations where the answer is known", n)
	}
	fresh := check.Value(schema.Expect(c, schema.Options{}))(t)
	check.Error(t, "Check", fresh.Check(ctx, pool), schema.ErrMismatch)
	check.Error(t, "Check again", fresh.Check(ctx, pool), schema.ErrMismatch)

	var log bytes.Buffer
	warned := check.Value(schema.Expect(c, schema.Options{Mode: schema.Warn, Logger: slog.New(slog.NewTextHandler(&log, nil))}))(t)
	check.NoError(t, warned.Check(ctx, pool))
	if !strings.Contains(log.String(), "column products.name text") {
		t.Errorf("logged %q", log.String())
	}
	check.NoError(t, check.Value(schema.Expect(c, schema.Options{Mode: schema.Off}))(t).Check(ctx, nil))

	// Connections of a pool that expects the contract cannot be had.
	config := pool.Config().Copy()
	config.AfterConnect = fresh.AfterConnect
	other := check.Value(pgxpool.NewWithConfig(ctx, config))(t)
	defer other.Close()
	check.Error(t, "Ping", other.Ping(ctx), schema.ErrMismatch)
	check.Value(pool.Exec(ctx, "ALTER TABLE products RENAME title TO name"))(t)
	check.NoError(t, other.Ping(ctx))
}

// TestExpectIsOneRoundTrip sends one statement for 200 tables.
func TestExpectIsOneRoundTrip(t *testing.T) {
	ctx := t.Context()
	var statements *testdb.Counter
	pool := testdb.Pool(t, testdb.Empty, testdb.Configure(func(c *pgxpool.Config) { statements = testdb.CountStatements(c) }))
	c := many(t, pool, 200)
	check.NoError(t, pool.Ping(ctx))
	before := len(statements.Statements())
	e := check.Value(schema.Expect(c, schema.Options{}))(t)
	for range 2 {
		check.NoError(t, e.Check(ctx, pool))
		check.Same(t, "statements", len(statements.Statements()), before+1)
	}
}

// many makes tables of ten columns, and returns the contract of them.
func many(tb testing.TB, pool *pgxpool.Pool, n int) schema.Contract {
	tb.Helper()
	type row struct {
		ID                     int64
		A, B, C, D, E, F, G, H string
		I                      int32
	}
	var tables []schema.Declaration
	var ddl strings.Builder
	for i := range n {
		name := fmt.Sprintf("many_%d", i)
		fmt.Fprintf(&ddl, "CREATE TABLE %s (id bigserial PRIMARY KEY, a text NOT NULL, b text NOT NULL, c text NOT NULL, d text NOT NULL, e text NOT NULL, f text NOT NULL, g text NOT NULL, h text NOT NULL, i int NOT NULL);", name)
		tables = append(tables, query.NewTable(name, func(r *row) *int64 { return &r.ID }))
	}
	check.Value(pool.Exec(tb.Context(), ddl.String()))(tb)
	return check.Value(schema.NewContract(tb.Context(), pool, tables...))(tb)
}

// BenchmarkExpect checks the contract of 200 tables of ten columns. The least time is what a busy machine has no part in.
func BenchmarkExpect(b *testing.B) {
	pool := testdb.Pool(b, testdb.Empty)
	c := many(b, pool, 200)
	least := time.Hour
	for b.Loop() {
		began := time.Now()
		if found, err := c.Check(b.Context(), pool); err != nil || found != nil {
			b.Fatal(found, err)
		}
		least = min(least, time.Since(began))
	}
	b.ReportMetric(least.Seconds()*1000, "ms-least")
}

func TestExpectOptions(t *testing.T) {
	for _, o := range []schema.Options{{MaxAge: 1}, {MaxAge: -5}, {Mode: 9}} {
		_, err := schema.Expect(schema.Contract{}, o)
		check.Error(t, fmt.Sprint(o), err, smrt.ErrBadOptions)
	}
}
