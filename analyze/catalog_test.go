package analyze_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/pagila"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

// planted is a problem of the catalog.
type planted struct {
	sql, id, object, says string
	level                 schema.Level
	still                 bool // the statement that ends it does not end it by itself
}

var problems = []planted{
	{sql: `DROP INDEX orders_customer_id_idx`, id: "C1", object: "public.orders (customer_id)", says: "each load", level: schema.Warning},
	{sql: `CREATE TABLE parts (id bigint PRIMARY KEY, whole bigint REFERENCES parts ON DELETE CASCADE)`, id: "C1", object: "public.parts (whole)", says: "deletes or changes", level: schema.Warning},
	{sql: `CREATE TABLE parts (id bigint PRIMARY KEY, whole bigint REFERENCES parts)`, id: "C1", object: "public.parts (whole)", says: "reads all of public.parts", level: schema.Note},
	{sql: `DROP INDEX orders_customer_id_idx; CREATE INDEX ON orders (customer_id) WHERE total_cents > 0`, id: "C1", object: "public.orders (customer_id)", says: "begin no index", level: schema.Warning},
	{sql: `CREATE TABLE split (id bigint, day date, "Order" bigint REFERENCES orders ON DELETE CASCADE) PARTITION BY RANGE (day)`, id: "C1", object: `public.split ("Order")`, says: "begin no index", level: schema.Warning},

	{sql: `CREATE INDEX spare ON orders (note)`, id: "C2", object: "public.spare", says: "no query has used it", level: schema.Warning},

	{sql: `CREATE INDEX less ON orders (status, placed_at)`, id: "C3", object: "public.less", says: "first of public.orders_status_idx", level: schema.Warning},
	{sql: `CREATE INDEX once ON tags (name)`, id: "C3", object: "public.once", says: "same as public.tags_name_key", level: schema.Warning},
	{sql: `CREATE UNIQUE INDEX twice ON tags (name)`, id: "C3", object: "public.twice", says: "same as public.tags_name_key", level: schema.Warning},

	{sql: "broken", id: "C4", object: "public.broken", says: "not complete", level: schema.Warning},

	{sql: `CREATE TABLE small (id int GENERATED ALWAYS AS IDENTITY (START 1700000000) PRIMARY KEY); INSERT INTO small DEFAULT VALUES`, id: "C5", object: "public.small (id)", says: "79 %", level: schema.Warning},
	{sql: `CREATE TABLE small (id int GENERATED ALWAYS AS IDENTITY (START 2147483000) PRIMARY KEY); INSERT INTO small DEFAULT VALUES`, id: "C5", object: "public.small (id)", says: "99 %", level: schema.Fault},
	{sql: `CREATE TABLE wide (id bigint GENERATED ALWAYS AS IDENTITY (START 1700000000) PRIMARY KEY); INSERT INTO wide DEFAULT VALUES; CREATE TABLE narrow (wide_id int PRIMARY KEY REFERENCES wide)`, id: "C5", object: "public.narrow (wide_id)", says: "79 %", level: schema.Warning},
	{sql: `CREATE SEQUENCE numbers START 1700000000; SELECT nextval('numbers'); CREATE TABLE small (id int PRIMARY KEY DEFAULT nextval('numbers'))`, id: "C5", object: "public.small (id)", says: "public.numbers", level: schema.Warning},

	{sql: `DROP INDEX products_sku_key; CREATE UNIQUE INDEX products_sku_key ON products (sku)`, id: "C6", object: "public.products (sku)", says: "deleted rows too", level: schema.Warning},

	{sql: "idle", id: "C7", object: "transaction of forgetful", says: "idle in transaction", level: schema.Warning, still: true},
	{sql: `ALTER TABLE tags SET (autovacuum_enabled = false); INSERT INTO tags (name) VALUES ('one')`, id: "C7", object: "public.tags", says: "never analysed", level: schema.Note},
	{sql: `ALTER TABLE tags SET (autovacuum_enabled = false); INSERT INTO tags (name) SELECT 'tag ' || n FROM generate_series(1, 300000) n`, id: "C7", object: "public.tags", says: "never analysed", level: schema.Warning},

	{sql: `ALTER TABLE carts ALTER expires_at TYPE timestamp`, id: "C8", object: "public.carts (expires_at)", says: "names no instant", level: schema.Warning},
	{sql: `ALTER TABLE tags ADD "At" timetz`, id: "C8", object: `public.tags ("At")`, says: "offset", level: schema.Warning},
	{sql: `ALTER TABLE tags ADD price money`, id: "C8", object: "public.tags (price)", says: "currency", level: schema.Warning},
	{sql: `ALTER TABLE tags ADD code char(4)`, id: "C8", object: "public.tags (code)", says: "blanks", level: schema.Note},
	{sql: `ALTER TABLE tags ADD facts json`, id: "C8", object: "public.tags (facts)", says: "no equality", level: schema.Note},
	{sql: `CREATE DOMAIN moment AS timestamp; ALTER TABLE tags ADD at moment`, id: "C8", object: "public.tags (at)", says: "names no instant", level: schema.Warning},
	{sql: `CREATE TABLE old (id bigserial PRIMARY KEY)`, id: "C8", object: "public.old (id)", says: "is a serial", level: schema.Note, still: true},

	{sql: policied + `ALTER TABLE tags ADD tenant_id bigint`, id: "C9", object: "public.tags", says: "no policy, as public.carts", level: schema.Warning},
	{sql: policied + `CREATE POLICY own ON tags USING (true)`, id: "C9", object: "public.tags", says: "not enabled", level: schema.Warning},
	{sql: policied + `ALTER TABLE carts NO FORCE ROW LEVEL SECURITY`, id: "C9", object: "public.carts", says: "not forced", level: schema.Warning},
	{sql: policied + `CREATE VIEW "All carts" AS SELECT id FROM carts`, id: "C9", object: `public."All carts"`, says: "with the rights of", level: schema.Warning, still: true},
	{sql: policied + `CREATE MATERIALIZED VIEW old_carts AS SELECT id FROM carts`, id: "C9", object: "public.old_carts", says: "every tenant", level: schema.Warning, still: true},
	{sql: policied + `ALTER TABLE carts ADD code text UNIQUE`, id: "C9", object: "public.carts_code_key", says: "without tenant_id", level: schema.Warning, still: true},
	{sql: policied + `ALTER TABLE carts ADD former bigint REFERENCES orders; ALTER TABLE orders ADD tenant_id bigint, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY own ON orders USING (tenant_id = 1); CREATE INDEX ON carts (former)`, id: "C9", object: "public.carts carts_former_fkey", says: "(tenant_id, former)", level: schema.Note, still: true},
	{sql: policied + `CREATE FUNCTION reach(c bigint, VARIADIC text[]) RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM carts'`, id: "C9", object: "reach(bigint,text[])", says: "names public.carts", level: schema.Warning},
	{sql: policied + `CREATE PROCEDURE reach() SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN EXECUTE current_query(); END'`, id: "C9", object: "reach()", says: "with the rights of", level: schema.Note},
	{sql: policied + `CREATE TABLE split (id bigint, tenant_id bigint) PARTITION BY HASH (id); CREATE TABLE split_0 PARTITION OF split FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE split_1 PARTITION OF split FOR VALUES WITH (MODULUS 2, REMAINDER 1); ALTER TABLE split ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY own ON split USING (tenant_id = 1); GRANT SELECT ON split, split_1, split_0 TO PUBLIC`, id: "C9", object: "public.split_0", says: "a partition of public.split, without row security of its own, and granted to PUBLIC; so are 1 more", level: schema.Warning},
	{sql: policied, id: "C9", object: "role " + testdb.Superuser, says: "is a superuser", level: schema.Note, still: true},

	{sql: `ALTER TABLE reviews ADD CONSTRAINT short CHECK (length(body) < 9) NOT VALID`, id: "C10", object: "public.reviews short", says: "length(body)", level: schema.Warning},
	{sql: `ALTER TABLE reviews DROP CONSTRAINT reviews_customer_id_fkey, ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers NOT VALID`, id: "C10", object: "public.reviews fk", says: "FOREIGN KEY", level: schema.Warning},
}

// TestProblems plants problems one by one. Each is found by its id, and not in the shop
// without it; the statement that it has ends it.
func TestProblems(t *testing.T) {
	t.Parallel()
	for _, p := range problems {
		t.Run(p.id+" "+p.says, func(t *testing.T) {
			t.Parallel()
			ctx, pool := t.Context(), testdb.Pool(t, shop.Schema)
			options := analyze.Options{Declarations: shopTables()}
			if p.id == "C7" {
				options.Limits.OpenFor = time.Nanosecond
			}
			if p.id == "C2" {
				options.Limits.UnusedFor = time.Nanosecond
			}
			is := func(f analyze.Finding) bool {
				return f.ID == p.id && f.Object == p.object && strings.Contains(f.Evidence+f.Follows, p.says)
			}
			plant(t, pool, p)
			found := check.Value(analyze.Run(ctx, pool, options))(t).Findings
			f := find(t, found, p.id, p.object)
			if !is(f) || f.Level != p.level || f.Name() == "" {
				t.Errorf("%s: want level %s and %q in\n%s", f.Name(), p.level, p.says, f)
			}
			if p.still {
				return
			}
			if f.SQL == "" {
				t.Fatalf("no statement ends\n%s", f)
			}
			for statement := range strings.SplitSeq(f.SQL, "; ") { // those of indexes run alone
				exec(t, pool, statement)
			}
			for _, f := range check.Value(analyze.Run(ctx, pool, options))(t).Findings {
				if is(f) {
					t.Errorf("%s is left by its statement", f)
				}
			}
		})
	}
}

func plant(t *testing.T, pool *pgxpool.Pool, p planted) {
	t.Helper()
	ctx := t.Context()
	switch p.sql {
	case "broken":
		check.Value(pool.Exec(ctx, "INSERT INTO warehouses (code, name, country) VALUES ('ABC1', 'One', 'DE'), ('ABC2', 'One', 'DE')"))(t)
		if _, err := pool.Exec(ctx, "CREATE UNIQUE INDEX CONCURRENTLY broken ON warehouses (name)"); err == nil {
			t.Fatal("the index is complete")
		}
		check.Value(pool.Exec(ctx, "UPDATE warehouses SET name = code"))(t)
	case "idle":
		config := pool.Config().ConnConfig.Copy()
		config.RuntimeParams["application_name"] = "forgetful"
		conn := check.Value(pgx.ConnectConfig(ctx, config))(t)
		t.Cleanup(func() { _ = conn.Close(ctx) })
		tx := check.Value(conn.Begin(ctx))(t)
		check.Value(tx.Exec(ctx, "INSERT INTO tags (name) VALUES ('pending')"))(t)
		t.Cleanup(func() { _ = tx.Rollback(ctx) })
	default:
		check.Value(pool.Exec(ctx, p.sql))(t)
	}
}

// TestShop finds nothing in the reference shop, as its owner and as a role that may read.
func TestShop(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, shop.Schema)
	options := analyze.Options{Declarations: shopTables()}
	report := check.Value(analyze.Run(t.Context(), pool, options))(t)
	check.Equal(t, "findings", report.Findings, analyze.Findings{})
	check.NoError(t, report.Findings.Err())
	reader := role(t, pool)
	report = check.Value(analyze.Run(t.Context(), reader, options))(t)
	check.Equal(t, "findings of a reader", report.Findings, analyze.Findings{})
	unseen := strings.Join(report.Unseen, "\n")
	for _, part := range []string{"GRANT pg_read_all_stats", "GRANT SELECT ON ALL SEQUENCES", "unused indexes"} {
		if !strings.Contains(unseen, part) {
			t.Errorf("a reader is not told of %q in\n%s", part, unseen)
		}
	}
	exec(t, pool, "DROP INDEX orders_customer_id_idx; ALTER TABLE tags ADD price money")
	report = check.Value(analyze.Run(t.Context(), reader, options))(t)
	check.Equal(t, "what a reader finds", warnings(report.Findings), []string{"C1 public.orders (customer_id)", "C8 public.tags (price)"})
}

// TestPagila has a schema that was not made for this library. Without its tables declared
// nothing in it is a warning; with them it is that loads have no index. Its duplicates
// are true, and of small tables.
func TestPagila(t *testing.T) {
	t.Parallel()
	path, ok := pagila.Find()
	if !ok {
		t.Skip("the sample database is not there")
	}
	pool := testdb.Pool(t, pagila.Schema(path))
	exec(t, pool, "ANALYZE")
	report := check.Value(analyze.Run(t.Context(), pool, analyze.Options{}))(t)
	check.Equal(t, "warnings", warnings(report.Findings), nil)
	notes := map[string][]string{}
	for _, f := range report.Findings {
		notes[f.ID] = append(notes[f.ID], strings.TrimPrefix(f.Object, "public."))
	}
	check.Equal(t, "notes", notes, map[string][]string{
		"C1": {
			"film_category (category_id)", "inventory (film_id)", "payment_p2022_01 (rental_id)", "payment_p2022_02 (rental_id)", "payment_p2022_03 (rental_id)",
			"payment_p2022_04 (rental_id)", "payment_p2022_05 (rental_id)", "payment_p2022_06 (rental_id)", "rental (customer_id)", "rental (staff_id)",
			"staff (address_id)", "staff (store_id)", "store (address_id)",
		},
		"C3": {
			"payment_p2022_01_customer_id_idx", "payment_p2022_02_customer_id_idx", "payment_p2022_03_customer_id_idx", "payment_p2022_04_customer_id_idx",
			"payment_p2022_05_customer_id_idx", "payment_p2022_06_customer_id_idx",
		},
		"C8": {"language (name)"},
	})
	report = check.Value(analyze.Run(t.Context(), pool, analyze.Options{Declarations: []schema.Declaration{pagila.Rentals, pagila.Customers, pagila.Films, pagila.Inventories}}))(t)
	check.Equal(t, "warnings of declared tables", warnings(report.Findings), []string{"C1 public.film_category (category_id)", "C1 public.inventory (film_id)", "C1 public.rental (customer_id)"})
}

// TestReport is written as JSON, read, and the same each time.
func TestReport(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, shop.Schema)
	exec(t, pool, "DROP INDEX orders_customer_id_idx; DROP INDEX cart_items_product_id_idx; ALTER TABLE tags ADD price money; ALTER TABLE reviews ADD CHECK (rating > 0) NOT VALID")
	text := func() string {
		return string(check.Value(json.Marshal(check.Value(analyze.Run(t.Context(), pool, analyze.Options{Declarations: shopTables()}))(t).Findings))(t))
	}
	first := text()
	check.Same(t, "a second report", text(), first)
	var found analyze.Findings
	check.NoError(t, json.Unmarshal([]byte(first), &found))
	check.Equal(t, "findings", warnings(found), []string{
		"C1 public.cart_items (product_id)", "C1 public.orders (customer_id)", "C8 public.tags (price)", "C10 public.reviews reviews_rating_check1",
	})
	err := found.Err()
	var all *analyze.FoundError
	if !errors.Is(err, analyze.ErrFound) || !errors.As(err, &all) || len(all.Findings) != 4 || !strings.Contains(err.Error(), found[0].String()) {
		t.Errorf("the error is %v", err)
	}
	text1, site, _ := strings.Cut(found[0].String(), "\n    at: ")
	if !strings.HasPrefix(site, "tables/tables.go:") {
		t.Errorf("the site is %q", site)
	}
	check.Same(t, "text", text1, `warning C1 foreign key without index: public.cart_items (product_id)
    the columns of the foreign key cart_items_product_id_fkey begin no index
    a DELETE in public.products reads all of public.cart_items, and so does each load of the relation
    in the database: CREATE INDEX CONCURRENTLY ON public.cart_items (product_id)`)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Empty)
	_, err := analyze.Run(t.Context(), nil, analyze.Options{})
	var refused *smrt.QueryError
	if !errors.As(err, &refused) {
		t.Errorf("without a handle: %v", err)
	}
	_, err = analyze.Run(t.Context(), pool, analyze.Options{Limits: analyze.Limits{OpenFor: -1}})
	var options *smrt.OptionsError
	if !errors.As(err, &options) || options.Option != "Limits.OpenFor" {
		t.Errorf("a negative limit: %v", err)
	}
	_, err = analyze.Run(t.Context(), pool, analyze.Options{Declarations: []schema.Declaration{nil}})
	if !errors.As(err, &refused) {
		t.Errorf("a nil declaration: %v", err)
	}
	var level schema.Level
	if err := level.UnmarshalText([]byte("loud")); err == nil {
		t.Error("loud is a level")
	}
}

// TestUnused counts uses of all servers, and says so where one is missing.
func TestUnused(t *testing.T) {
	ctx := t.Context()
	primary := testdb.Primary(t, testdb.Config{})
	connect := func(s *testdb.Server) *pgx.Conn {
		conn := check.Value(pgx.Connect(ctx, s.DSN("postgres")))(t)
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })
		return conn
	}
	db := connect(primary)
	check.Value(db.Exec(ctx, "CREATE TABLE notes (id bigint PRIMARY KEY, text text UNIQUE, day date); CREATE INDEX spare ON notes (day)"))(t)
	options := analyze.Options{Limits: analyze.Limits{UnusedFor: time.Nanosecond}}
	run := func() ([]string, string) {
		t.Helper()
		report := check.Value(analyze.Run(ctx, db, options))(t)
		return warnings(report.Findings), strings.Join(report.Unseen, "; ")
	}
	found, _ := run()
	check.Equal(t, "unused", found, []string{"C2 public.spare"})

	standby := check.Value(primary.Standby(ctx, testdb.StandbyConfig{}))(t)
	found, unseen := run()
	if len(found) > 0 || !strings.Contains(unseen, "name all standbys") {
		t.Errorf("with a standby that is not named: %q, unseen %q", found, unseen)
	}
	reads := connect(standby)
	options.Standbys = []smrt.DB{reads}
	found, _ = run()
	check.Equal(t, "unused on both", found, []string{"C2 public.spare"})
	check.Value(reads.Exec(ctx, "SET enable_seqscan = off"))(t)
	for range 300 { // a server counts a use within seconds
		check.Value(reads.Exec(ctx, "SELECT FROM notes WHERE day = '2026-01-01'"))(t)
		if found, _ = run(); len(found) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	check.Equal(t, "used by the standby", found, nil)

	options.Limits = analyze.Limits{}
	if _, unseen = run(); !strings.Contains(unseen, "7 days are needed") {
		t.Errorf("of a young server: %q", unseen)
	}
}
