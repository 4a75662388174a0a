package analyze_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// measured is a problem that is seen when a statement is run.
type measured struct {
	settings, statement, id, object, says string
}

var measurements = []measured{
	{"", "SELECT * FROM notes WHERE city = $1 AND country = $2", "P5", "slow: public.notes", "rows of public.notes were expected"},
	{"work_mem = '64kB'", "SELECT * FROM notes ORDER BY text", "P8", "slow", "to disk"},
	{"work_mem = '64kB'", "SELECT count(*) FROM notes a JOIN notes b ON b.id = a.id + 1", "P8", "slow", "Hash wrote"},
	{"jit = on; SET jit_above_cost = 0", "SELECT count(*) FROM notes WHERE id < 10 AND city <> 7", "P9", "slow", "compiling"},
}

// notes have a city that decides the country.
var notes = testdb.SQL("analyze-notes", `CREATE TABLE notes (id bigint PRIMARY KEY, city int NOT NULL, country int NOT NULL, text text NOT NULL);
	CREATE INDEX ON notes (city);
	INSERT INTO notes SELECT n, place, place, md5(n::text) FROM generate_series(1, 300000) n, LATERAL (SELECT CASE WHEN n % 200 = 0 THEN 0 ELSE n % 400 END) AS p(place)`)

// TestExecute runs statements and finds what only that shows, and not where they are not
// run. What they write is rolled back.
func TestExecute(t *testing.T) {
	t.Parallel()
	for _, m := range measurements {
		t.Run(m.id+" "+m.statement, func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, notes, testdb.AfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
				if m.settings == "" {
					return nil
				}
				_, err := conn.Exec(ctx, "SET "+m.settings)
				return err
			}))
			exec(t, pool, "ANALYZE")
			var jit bool
			check.NoError(t, pool.QueryRow(t.Context(), "SELECT pg_jit_available()").Scan(&jit))
			if m.id == "P9" && !jit {
				t.Skip("the server cannot compile")
			}
			options := analyze.Options{Workload: analyze.Workload{
				{Name: "slow", SQL: m.statement}, {Name: "free", SQL: "SELECT text FROM notes WHERE id = $1"}, {Name: "drop", SQL: "DELETE FROM notes WHERE id = $1"},
			}}
			if found := check.Value(analyze.Run(t.Context(), pool, options))(t).Findings; len(found) > 0 {
				t.Errorf("without running it: %v", found)
			}
			options.Execute = true
			if m.id == "P9" { // a slow machine needs more than a tenth of a second for the rest
				options.Workload = options.Workload[:1]
			}
			found := check.Value(analyze.Run(t.Context(), pool, options))(t).Findings
			f := find(t, found, m.id, m.object)
			if !strings.Contains(f.Evidence, m.says) || f.SQL+f.Go == "" || f.Name() == "" {
				t.Errorf("want %q in\n%s", m.says, f)
			}
			for _, f := range found {
				if !strings.HasPrefix(f.Object, "slow") && m.id != "P9" {
					t.Errorf("found too: %s", f)
				}
			}
			var rows int
			check.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM notes").Scan(&rows))
			check.Same(t, "rows", rows, 300000)
			checkNothingLeft(t, pool)
			if m.id != "P5" {
				return
			}
			for sql := range strings.SplitSeq(f.SQL, "; ") {
				exec(t, pool, sql)
			}
			for _, f := range check.Value(analyze.Run(t.Context(), pool, options))(t).Findings {
				t.Errorf("%s is left", f)
			}
		})
	}
}

// TestAdvice proves indexes where hypopg is installed, and leaves none behind.
func TestAdvice(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, large)
	exec(t, pool, "DROP INDEX orders_customer_id_idx")
	options := analyze.Options{Workload: analyze.Workload{
		{Name: "of", SQL: "SELECT note FROM orders WHERE customer_id = $1"},
		{Name: "more", SQL: "SELECT note FROM orders WHERE customer_id = $1 AND total_cents = 0 AND version = 1 AND updated_at > $2"},
		{Name: "page", SQL: "SELECT note FROM orders ORDER BY updated_at DESC, id DESC LIMIT 20"},
	}}
	report := check.Value(analyze.Run(t.Context(), pool, options))(t)
	if unseen := strings.Join(report.Unseen, "\n"); !strings.Contains(unseen, "hypopg") {
		t.Errorf("it is not said that indexes are not proved: %q", unseen)
	}
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA advice; CREATE EXTENSION hypopg SCHEMA advice"); err != nil {
		t.Skip("hypopg is not installed: ", err)
	}
	report = check.Value(analyze.Run(t.Context(), pool, options))(t)
	for object, sql := range map[string]string{
		"of: public.orders": "CREATE INDEX CONCURRENTLY ON public.orders (customer_id)", "more: public.orders": "CREATE INDEX CONCURRENTLY ON public.orders (customer_id)",
	} {
		f := find(t, report.Findings, "P1", object)
		if f.SQL != sql || !strings.Contains(f.Follows, "the cost falls from") {
			t.Errorf("want %s in\n%s", sql, f)
		}
	}
	f := find(t, report.Findings, "P2", "page: public.orders")
	if !strings.HasPrefix(f.SQL, "CREATE INDEX CONCURRENTLY ON public.orders (updated_at DESC") || !strings.Contains(f.Follows, "the cost falls from") {
		t.Errorf("not proved:\n%s", f)
	}
	reader := role(t, pool)
	report = check.Value(analyze.Run(t.Context(), reader, options))(t)
	if unseen := strings.Join(report.Unseen, "\n"); !strings.Contains(unseen, "USAGE on its schema") {
		t.Errorf("a role that may not use hypopg is not told: %q", unseen)
	}
	exec(t, pool, `GRANT USAGE ON SCHEMA advice TO "`+reader.Config().ConnConfig.User+`"`)
	first := check.Value(json.Marshal(check.Value(analyze.Run(t.Context(), reader, options))(t)))(t)
	again := check.Value(analyze.Run(t.Context(), reader, options))(t)
	check.Same(t, "a second report of a reader", string(check.Value(json.Marshal(again))(t)), string(first))
	check.Same(t, "indexes for a reader", len(again.Indexes), 2)
	for _, conn := range pool.AcquireAllIdle(t.Context()) {
		var left int
		check.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM advice.hypopg()").Scan(&left))
		check.Same(t, "hypothetical indexes", left, 0)
		conn.Release()
	}
	checkNothingLeft(t, pool)
}

// kinds are statements of many kinds, of which each is asked in several ways.
var kinds = []string{
	"SELECT o.id, %d FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.customer_id = $1 AND o.status = $2 ORDER BY o.placed_at DESC LIMIT 20",
	"SELECT %d, note FROM orders WHERE total_cents = $1 AND version = $2",
	"SELECT %d, status, count(*), sum(total_cents) FROM orders WHERE placed_at >= $1 AND placed_at < $2 GROUP BY status ORDER BY 3 DESC",
	"SELECT c.id, %d, (SELECT max(o.placed_at) FROM orders o WHERE o.customer_id = c.id) FROM customers c WHERE c.country = $1 LIMIT 50",
	"SELECT p.name, %d FROM products p WHERE EXISTS (SELECT FROM order_items i WHERE i.product_id = p.id AND i.quantity > $1)",
	"WITH big AS (SELECT customer_id, sum(total_cents) AS spent FROM orders GROUP BY customer_id) SELECT %d, b.* FROM big b WHERE b.spent > $1 ORDER BY b.spent DESC LIMIT 10",
	"SELECT %d, id FROM customers WHERE email LIKE $1 || '%%' ORDER BY email LIMIT 20 OFFSET $2",
	"SELECT %d, id FROM orders WHERE id = ANY($1) AND status <> $2 FOR UPDATE",
	"SELECT %d, page FROM visits WHERE day BETWEEN $1 AND $2 AND page = $3",
	"SELECT %d, o.id, i.line_no, p.name FROM orders o JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id LEFT JOIN reviews r ON r.product_id = p.id WHERE o.id = $1",
	"INSERT INTO orders (customer_id, status, total_cents) VALUES ($1, 'pending', $2 + %d)",
	"UPDATE orders SET total_cents = total_cents + %d WHERE id = $1 AND version = $2",
	"DELETE FROM orders WHERE status = 'cancelled' AND placed_at < $1 AND total_cents <> %d",
	"SELECT %d, id, row_number() OVER (PARTITION BY customer_id ORDER BY placed_at) FROM orders WHERE customer_id = ANY($1)",
	"SELECT id FROM orders WHERE customer_id = $1 UNION ALL SELECT id + %d FROM orders WHERE total_cents > $2 ORDER BY 1 LIMIT 10",
	"SELECT %d, id, note FROM orders WHERE updated_at > $1 ORDER BY updated_at, id LIMIT 100",
}

// TestThousandShapes is the time for 1,000 shapes of many kinds, with the indexes that are
// advised for them, at full size in the long suite. Nothing is left behind.
func TestThousandShapes(t *testing.T) {
	t.Parallel()
	shapes := 5 * len(kinds)
	if check.Long() {
		shapes = 1000
	}
	pool := testdb.Pool(t, large)
	_, err := pool.Exec(t.Context(), "CREATE EXTENSION hypopg")
	t.Logf("hypopg is there: %v", err == nil)
	exec(t, pool, "DROP INDEX orders_customer_id_idx")
	var w analyze.Workload
	for i := range shapes {
		w = append(w, analyze.Statement{Name: fmt.Sprint("shape ", i), SQL: fmt.Sprintf(kinds[i%len(kinds)], i), Calls: int64(i), Rows: int64(i)})
	}
	began := time.Now()
	report := check.Value(analyze.Run(t.Context(), pool, analyze.Options{Workload: w}))(t)
	took := time.Since(began)
	check.Same(t, "statements", report.Statements, shapes)
	check.Equal(t, "without a plan", report.Unplanned, []analyze.Unplanned{})
	t.Logf("%d shapes took %s: %d findings, %d indexes advised", shapes, took, len(report.Findings), len(report.Indexes))
	for _, x := range report.Indexes {
		t.Logf("%s serves %d", x.SQL, len(x.Serves))
	}
	if limit := testdb.Patience(time.Minute); took > limit {
		t.Errorf("%d shapes took %s, more than %s", shapes, took, limit)
	}
	checkNothingLeft(t, pool)
}

// TestEveryCheckIsPlanted: there is no check that no test plants.
func TestEveryCheckIsPlanted(t *testing.T) {
	t.Parallel()
	planted := map[string]string{
		"C2": "TestUnused", "P5": "TestExecute", "P8": "TestExecute", "P9": "TestExecute", "B1": "TestPlans", "B2": "TestPlans", "B3": "TestPlans",
	}
	for _, p := range problems {
		planted[p.id] = "TestProblems"
	}
	for _, p := range slows {
		planted[p.id] = "TestStatements"
	}
	for _, p := range observedProblems {
		planted[p.id] = "TestObserved"
	}
	for letter, most := range map[string]int{"B": 5, "C": 20, "P": 20, "R": 20} {
		for n := range most {
			id := fmt.Sprint(letter, n+1)
			if there := (analyze.Finding{ID: id}).Name() != ""; there != (planted[id] != "") {
				t.Errorf("the check %s is there: %v, and planted by %q", id, there, planted[id])
			}
		}
	}
}
