package analyze_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

// large is the shop with 100,000 orders, of which nearly all are delivered, and with a
// table in partitions.
var large = testdb.Schema{Name: "analyze-large", Apply: func(ctx context.Context, dsn string) error {
	if err := shop.Schema.Apply(ctx, dsn); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `
INSERT INTO customers (email, name, country) SELECT 'buyer' || n || '@example.com', 'Buyer ' || n, 'DE' FROM generate_series(1, 50000) n;
INSERT INTO orders (customer_id, status, note, placed_at, paid_at, shipped_at)
	SELECT 1 + n % 2000, CASE WHEN n % 1000 = 0 THEN 'pending' ELSE 'delivered' END::order_status, repeat('n', 60),
		at, CASE WHEN n % 1000 > 0 THEN at END, CASE WHEN n % 1000 > 0 THEN at END
	FROM generate_series(1, 100000) n, LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 minute') t(at);
CREATE TABLE visits (day date NOT NULL, page text NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE visits_3 PARTITION OF visits FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
INSERT INTO visits SELECT date '2026-01-01' + n % 90, 'page ' || n FROM generate_series(1, 900) n`)
	if err == nil {
		_, err = conn.Exec(ctx, "VACUUM (ANALYZE)")
	}
	return errors.Join(err, conn.Close(ctx))
}}

// slow is a problem of a statement.
type slow struct {
	sql       string // plants it, "" for a statement that is one
	statement string
	offset    int64
	id, about string
	says      string
	free      string // a statement that has it not, after sql too
}

var slows = []slow{
	{
		sql: "DROP INDEX orders_customer_id_idx", statement: "SELECT id FROM orders WHERE customer_id = $1", id: "P1", about: "public.orders",
		says: "50 of 100000 rows are kept", free: "SELECT id FROM orders WHERE total_cents + 1 = $1 LIMIT 5",
	},
	{
		sql: "DROP INDEX orders_status_idx", statement: "SELECT id FROM orders WHERE status = $1 AND total_cents > $2 AND customer_id + 1 = $3", id: "P1", about: "public.orders",
		says: "rows are kept", free: "SELECT count(*) FROM orders WHERE total_cents >= 0",
	},
	{
		statement: "SELECT id, note FROM orders ORDER BY updated_at DESC, id DESC LIMIT 20", id: "P2", about: "public.orders", says: "rows of public.orders are sorted by orders.updated_at DESC",
		free: "SELECT id, note FROM orders ORDER BY placed_at DESC, id DESC LIMIT 20",
	},
	{
		statement: "SELECT id FROM orders ORDER BY updated_at LIMIT $1", id: "P2", about: "public.orders", says: "the first page",
		free: "SELECT customer_id, count(*) FROM orders GROUP BY 1 ORDER BY 2 LIMIT 20",
	},
	{
		sql:       "ALTER TABLE customers ALTER phone SET STORAGE PLAIN; UPDATE customers SET phone = repeat('1', 200); VACUUM (ANALYZE) customers",
		statement: "SELECT id FROM customers WHERE lower(email) = $1", id: "P3", about: "public.customers", says: "customers_email_key cannot be used",
		free: "SELECT id FROM customers WHERE email = $1",
	},
	{
		sql: "CREATE INDEX ON orders (total_cents)", statement: "SELECT id FROM orders WHERE total_cents::text = $1", id: "P3", about: "public.orders", says: "cannot be used",
		free: "SELECT id FROM orders WHERE total_cents = 17",
	},
	{
		statement: "SELECT id FROM orders ORDER BY id LIMIT 20 OFFSET $1", offset: 20_000, id: "P4", says: "OFFSET of 20000",
		free: "SELECT id FROM orders WHERE id > $1 ORDER BY id LIMIT 20",
	},
	{
		statement: "SELECT id, note FROM orders WHERE status = $1", id: "P6", about: "public.orders", says: "for whatever values",
		free: "SELECT id, note FROM orders WHERE customer_id = $1",
	},
	{
		sql: "DROP INDEX orders_customer_id_idx", statement: "SELECT c.id, (SELECT sum(o.total_cents) FROM orders o WHERE o.customer_id = c.id) FROM customers c", id: "P7", about: "public.orders",
		says: "for each of 50000 rows", free: "SELECT c.id, (SELECT sum(o.total_cents) FROM orders o) FROM customers c",
	},
	{
		statement: "SELECT page FROM visits WHERE page = $1", id: "P10", about: "public.visits", says: "all 3 partitions", free: "SELECT page FROM visits WHERE day = $1 AND page = $2",
	},
}

// TestStatements plants slow statements one by one. Each is found by its id, beside one
// that is not, and the statement that the finding has ends it.
func TestStatements(t *testing.T) {
	t.Parallel()
	for _, p := range slows {
		t.Run(p.id+" "+p.statement, func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, large)
			if p.sql != "" {
				write(t, pool, strings.Split(p.sql, "; ")...)
			}
			object := "slow"
			if p.about != "" {
				object += ": " + p.about
			}
			run := func() analyze.Findings {
				report := check.Value(analyze.Run(t.Context(), pool, analyze.Options{Workload: analyze.Workload{
					{Name: "slow", SQL: p.statement, MaxOffset: p.offset}, {Name: "free", SQL: p.free},
				}}))(t)
				check.Equal(t, "statements without a plan", report.Unplanned, []analyze.Unplanned{})
				return slices.DeleteFunc(report.Findings, func(f analyze.Finding) bool { return f.ID[0] == 'C' })
			}
			found := run()
			f := find(t, found, p.id, object)
			if !strings.Contains(f.Evidence+f.Follows, p.says) || f.Name() == "" || f.Plan == "" || f.SQL == "" && f.Go == "" {
				t.Errorf("does not say %q\n%s", p.says, f)
			}
			if len(found) != 1 {
				t.Errorf("others are found too: %v", found)
			}
			if f.SQL == "" {
				return
			}
			for sql := range strings.SplitSeq(f.SQL, "; ") {
				exec(t, pool, sql)
			}
			exec(t, pool, "ANALYZE")
			for _, g := range run() {
				if g.ID == p.id && g.Object == object {
					t.Errorf("%s\nleaves %s", f.SQL, g)
				}
			}
		})
	}
}

// shopQueries are those of sqlc.
func shopQueries(t *testing.T) analyze.Workload {
	t.Helper()
	w := check.Value(analyze.Queries(os.DirFS("../internal/shop/shopdb")))(t)
	if len(w) < 15 {
		t.Fatalf("%d queries", len(w))
	}
	return w
}

// TestQueriesOfTheShop finds nothing in the queries of the shop, without rows and with
// many, and leaves nothing behind.
func TestQueriesOfTheShop(t *testing.T) {
	t.Parallel()
	for _, s := range []testdb.Schema{shop.Schema, large} {
		pool := testdb.Pool(t, s)
		done := 0
		report := check.Value(analyze.Run(t.Context(), pool, analyze.Options{
			Declarations: shopTables(), Workload: shopQueries(t),
			Progress: func(now, of int) { done = of - now },
		}))(t)
		check.Equal(t, "warnings", warnings(report.Findings), nil)
		check.Equal(t, "without a plan", report.Unplanned, []analyze.Unplanned{})
		check.Same(t, "left to do", done, 0)
		checkNothingLeft(t, pool)
	}
}

// checkNothingLeft fails the test if a session of the pool is not as it was.
func checkNothingLeft(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for _, conn := range pool.AcquireAllIdle(t.Context()) {
		var prepared int
		var mode, readOnly, timeout string
		check.NoError(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'smrt%'),
			current_setting('plan_cache_mode'), current_setting('transaction_read_only'), current_setting('lock_timeout')`, pgx.QueryExecModeExec).Scan(&prepared, &mode, &readOnly, &timeout))
		check.Equal(t, "session", []any{prepared, mode, readOnly, timeout}, []any{0, "auto", "off", "0"})
		conn.Release()
	}
}

// TestReaderPlans plans statements as a role that may read, writes too.
func TestReaderPlans(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, large)
	exec(t, pool, "DROP INDEX orders_customer_id_idx")
	report := check.Value(analyze.Run(t.Context(), role(t, pool), analyze.Options{Workload: analyze.Workload{
		{Name: "orders.of", SQL: "SELECT id FROM orders WHERE customer_id = $1"},
		{Name: "orders.drop", SQL: "DELETE FROM orders WHERE customer_id = $1"},
		{SQL: "SELECT nonsense"},
		{SQL: "SELECT nonsense"},
		{SQL: "LOCK TABLE orders"},
	}}))(t)
	check.Equal(t, "warnings", warnings(report.Findings.AtLeast(schema.Warning)), []string{"P1 orders.of: public.orders"})
	check.Same(t, "statements", report.Statements, 4)
	var why []string
	for _, u := range report.Unplanned {
		why = append(why, u.Statement+" "+u.Why)
	}
	check.Equal(t, "without a plan", why, []string{
		"orders.drop is refused by the server: permission denied for table orders (42501)",
		"statement 3eb1617c has no plan: it is no SELECT, INSERT, UPDATE, DELETE or MERGE",
		`statement 998515db is refused by the server: column "nonsense" does not exist (42703)`,
	})
}

// TestStaleStatistics says that a table should be analysed, in the place of advice.
func TestStaleStatistics(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Empty)
	write(t, pool, `CREATE TABLE notes (id bigint, text text) WITH (autovacuum_enabled = false);
		INSERT INTO notes SELECT n, repeat('n', 100) FROM generate_series(1, 100000) n`)
	options := analyze.Options{Workload: analyze.Workload{{Name: "notes.get", SQL: "SELECT text FROM notes WHERE id = $1"}}}
	report := check.Value(analyze.Run(t.Context(), pool, options))(t)
	check.Equal(t, "before", warnings(report.Findings), []string{"C7 public.notes"})
	if !slices.ContainsFunc(report.Unseen, func(what string) bool { return strings.Contains(what, "plans on public.notes") }) {
		t.Errorf("not said of plans: %q", report.Unseen)
	}
	exec(t, pool, "ANALYZE notes")
	check.Equal(t, "after", warnings(check.Value(analyze.Run(t.Context(), pool, options))(t).Findings), []string{"P1 notes.get: public.notes"})
}

// TestWorkloadOfOneName tells statements apart that have one name, also where their plans
// have the same problem.
func TestWorkloadOfOneName(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, large)
	report := check.Value(analyze.Run(t.Context(), pool, analyze.Options{Workload: analyze.Workload{
		{Name: "orders.find", SQL: "SELECT id FROM orders WHERE total_cents + 1 = $1"},
		{Name: "orders.find", SQL: "SELECT note FROM orders WHERE total_cents + 1 = $1"},
		{Name: "orders.find", SQL: "SELECT note FROM orders WHERE total_cents + 1 = $1", MaxOffset: 3, Site: "file.go:7"},
	}}))(t)
	check.Equal(t, "warnings", warnings(report.Findings), []string{"P1 orders.find 023a852a: public.orders", "P1 orders.find 3b213ed0: public.orders"})
	check.Same(t, "plans", len(report.Plans.Plans), 2)
	check.Same(t, "the site", report.Findings[0].Site+report.Findings[1].Site, "file.go:7")
}

func TestWorkload(t *testing.T) {
	t.Parallel()
	w := check.Value(analyze.ReadWorkload(strings.NewReader(`[{"name": "orders.find", "sql": "SELECT 1", "calls": 7, "max_offset": 3}]`)))(t)
	check.Equal(t, "workload", w, analyze.Workload{{Name: "orders.find", SQL: "SELECT 1", Calls: 7, MaxOffset: 3}})
	for text, says := range map[string]string{
		`{}`: "no array", `[{"name": "a"}]`: `statement 0 of the workload, "a", has no sql`, `[{"sql": "x", "colour": 1}]`: "colour",
	} {
		if _, err := analyze.ReadWorkload(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}
