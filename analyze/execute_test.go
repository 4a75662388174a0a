package analyze_test

import (
	"context"
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
	for _, conn := range pool.AcquireAllIdle(t.Context()) {
		var left int
		check.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM advice.hypopg()").Scan(&left))
		check.Same(t, "hypothetical indexes", left, 0)
		conn.Release()
	}
	checkNothingLeft(t, pool)
}

// TestThousandShapes is the time for 1,000 shapes, at full size in the long suite.
func TestThousandShapes(t *testing.T) {
	t.Parallel()
	shapes := 50
	if check.Long() {
		shapes = 1000
	}
	pool := testdb.Pool(t, large)
	var w analyze.Workload
	for i := range shapes {
		w = append(w, analyze.Statement{
			Name: fmt.Sprint("shape ", i),
			SQL:  fmt.Sprintf("SELECT o.id, %d FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.customer_id = $1 AND o.status = $2 ORDER BY o.placed_at DESC LIMIT 20", i),
		})
	}
	began := time.Now()
	report := check.Value(analyze.Run(t.Context(), pool, analyze.Options{Workload: w}))(t)
	check.Same(t, "statements", report.Statements, shapes)
	took := time.Since(began)
	t.Logf("%d shapes took %s", shapes, took)
	if limit := testdb.Patience(time.Minute); took > limit {
		t.Errorf("%d shapes took %s, more than %s", shapes, took, limit)
	}
}
