package smrttest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/smrttest"
)

// one runs a query that returns one value.
func one[T any](t *testing.T, pool *pgxpool.Pool, sqlText string) T {
	t.Helper()
	rows := check.Value(pool.Query(t.Context(), sqlText))(t)
	return check.Value(pgx.CollectExactlyOneRow(rows, pgx.RowTo[T]))(t)
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	a, b := smrttest.Pool(t, items), smrttest.Pool(t, items)
	_ = check.Value(a.Exec(t.Context(), "insert into items values (2, 'of a')"))(t)
	if n, m := one[int](t, a, "select count(*) from items"), one[int](t, b, "select count(*) from items"); n != 2 || m != 1 {
		t.Errorf("%d and %d items, want 2 and 1", n, m)
	}
}

func TestNothingIsLeftOfATest(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	name := one[string](t, smrttest.Pool(r, items), "select current_database()")
	pool, err := pgxpool.New(t.Context(), smrttest.DSN(r, items))
	check.NoError(t, err)
	own := one[string](t, pool, "select current_database()")
	pool.Close()
	r.end()
	if r.Failed() {
		t.Fatal(r.errors)
	}
	// They are dropped beside the next test.
	other := smrttest.Pool(t, items)
	for deadline := time.Now().Add(testdb.Patience(10 * time.Second)); ; time.Sleep(time.Millisecond) {
		left := one[int](t, other, "select count(*) from pg_database where datname in ('"+name+"', '"+own+"')")
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d databases are left", left)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	pool := smrttest.Pool(t, items, smrttest.Option{}, smrttest.Configure(nil), smrttest.MaxConns(2), smrttest.Configure(func(cfg *pgxpool.Config) {
		cfg.MaxConns++
		cfg.ConnConfig.RuntimeParams["application_name"] = "options"
	}))
	if n := pool.Config().MaxConns; n != 3 {
		t.Errorf("%d connections, want those of the options in their order", n)
	}
	if name := one[string](t, pool, "show application_name"); name != "options" {
		t.Errorf("application_name is %q", name)
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"2_b.sql":   {Data: []byte("insert into t values (2)")},
		"1_a.sql":   {Data: []byte("create table t (n int); insert into t values (1)")},
		"notes.txt": {Data: []byte("no SQL")},
	}
	var calls atomic.Int32
	fill := func(ctx context.Context, dsn string) error {
		calls.Add(1)
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "create table t as select 3 as n")
		return errors.Join(err, conn.Close(ctx))
	}
	for name, c := range map[string]struct {
		schema smrttest.Schema
		sum    int
	}{
		"SQL":      {smrttest.SQL("create table t (n int)", "insert into t values (1)"), 1},
		"SQLFiles": {smrttest.SQLFiles(files, "*.sql"), 3},
		"Migrate":  {smrttest.Migrate("filled", fill), 3},
	} {
		// Declared once or twice, a schema is applied once.
		for range 2 {
			if sum := one[int](t, smrttest.Pool(t, c.schema), "select sum(n)::int from t"); sum != c.sum {
				t.Errorf("%s: %d, want %d", name, sum, c.sum)
			}
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("the function was called %d times", n)
	}
	for name, empty := range map[string]smrttest.Schema{"SQL": smrttest.SQL(), "zero": {}} {
		if n := one[int](t, smrttest.Pool(t, empty), "select count(*) from pg_tables where schemaname = 'public'"); n != 0 {
			t.Errorf("%s: %d tables in an empty database", name, n)
		}
	}
}

// Two functions of one name, and names longer than those of databases, are schemas of their own.
func TestSchemasOfOneName(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("long ", 40)
	for range 2 {
		a := smrttest.Migrate(name, func(ctx context.Context, dsn string) error { return run(ctx, dsn, "create table a ()") })
		b := smrttest.Migrate(name, func(ctx context.Context, dsn string) error { return run(ctx, dsn, "create table b ()") })
		for want, schema := range map[string]smrttest.Schema{"a": a, "b": b} {
			got := one[string](t, smrttest.Pool(t, schema), "select string_agg(tablename, ' ') from pg_tables where schemaname = 'public'")
			if got != want {
				t.Errorf("tables %s, want %s", got, want)
			}
		}
	}
}

func run(ctx context.Context, dsn, sqlText string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sqlText)
	return errors.Join(err, conn.Close(ctx))
}

// TestFrom has schemas that differ in what they are from, each on its own.
func TestFrom(t *testing.T) {
	t.Parallel()
	up := func(table string) smrttest.Schema {
		return smrttest.Migrate("up", func(ctx context.Context, dsn string) error { return run(ctx, dsn, "create table "+table+" ()") })
	}
	file := func(text string) fstest.MapFS { return fstest.MapFS{"1.sql": {Data: []byte(text)}} }
	for want, schema := range map[string]smrttest.Schema{
		"a": up("a").From(file("one"), "*.sql"),
		"b": up("b").From(file("other"), "*.sql"),
		"c": smrttest.SQL("create table c ()").From(file("one"), "*.sql"),
		"d": smrttest.SQL("create table d ()").From(file("one"), "*.sql"),
		"":  smrttest.SQL().From(file("one"), "*.sql"),
	} {
		got := one[string](t, smrttest.Pool(t, schema), "select coalesce(string_agg(tablename, ' '), '') from pg_tables where schemaname = 'public'")
		if got != want {
			t.Errorf("tables %q, want %q", got, want)
		}
	}
}

// Whatever is wrong with a schema is said by the tests that use it, with where it is.
func TestRefusedSchemas(t *testing.T) {
	t.Parallel()
	file := func(name, text string) smrttest.Schema {
		return smrttest.SQLFiles(fstest.MapFS{name: {Data: []byte(text)}}, "*.sql")
	}
	for _, c := range []struct {
		schema smrttest.Schema
		words  []string
	}{
		{smrttest.SQL("create table a ()", "broken"), []string{"schema of SQL: text 2: ", `syntax error at or near "broken"`}},
		{file("7_a.sql", "select 1; broken"), []string{"7_a.sql", "syntax error"}},
		{file("a.txt", ""), []string{"no file matches *.sql"}},
		{file("1.sql", "-- +goose Up\ncreate table a ();\n-- +goose Down\ndrop table a;"), []string{"1.sql also undoes", "Migrate"}},
		{file("1.sql", "-- +migrate Down\ndrop table a;"), []string{"1.sql also undoes", "Migrate"}},
		{file("1.sql", "-- migrate:down\ndrop table a;"), []string{"1.sql also undoes", "Migrate"}},
		{file("1.sql", "---- create above / drop below ----"), []string{"1.sql also undoes", "Migrate"}},
		{file("1_a.down.sql", "drop table a"), []string{"1_a.down.sql undoes", "*.up.sql"}},
		{smrttest.SQLFiles(fstest.MapFS{}, "["), []string{"schema [: ", "syntax error in pattern"}},
		{smrttest.Migrate("shop", func(context.Context, string) error { return nil }).From(fstest.MapFS{}, "*.sql"), []string{"schema shop: no file matches *.sql"}},
		{smrttest.Migrate("shop", nil), []string{"schema shop: ", "without a function"}},
		{
			smrttest.Migrate("shop", func(context.Context, string) error { return errors.New("migration 7 failed") }),
			[]string{"schema shop: migration 7 failed"},
		},
	} {
		r := &recorder{}
		if pool := smrttest.Pool(r, c.schema); pool != nil || !reported(r.fatals, append(c.words, "smrttest: ")...) {
			t.Errorf("got %q, want %q", r.fatals, c.words)
		}
		if dsn := smrttest.DSN(r, c.schema); dsn != "" || len(r.fatals) != 2 {
			t.Errorf("DSN: %q", r.fatals)
		}
		r.end()
	}
}

func TestDSN(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{"DSN": smrttest.DSN(t, items), "ExampleDSN": smrttest.ExampleDSN(items)} {
		pool, err := pgxpool.New(t.Context(), dsn)
		check.NoError(t, err)
		if got := one[string](t, pool, "select name || ' ' || current_setting('timezone') from items"); got != "first UTC" {
			t.Errorf("%s: %s", name, got)
		}
		pool.Close()
	}
}

// BenchmarkPool is what a test costs beyond what it does: a database, a pool with one connection, the checks. Tests that
// do nothing wait for spare databases; those of 20 ms find one.
func BenchmarkPool(b *testing.B) {
	one := func() {
		r := &recorder{}
		_, err := smrttest.Pool(r, items).Exec(b.Context(), "select 1")
		check.NoError(b, err)
		if r.end(); r.Failed() {
			b.Fatal(r.errors, r.fatals)
		}
	}
	one() // starts the server and makes the template
	for _, work := range []time.Duration{0, 20 * time.Millisecond} {
		b.Run(work.String(), func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				one()
				took = append(took, time.Since(began))
				b.StopTimer()
				time.Sleep(work)
				b.StartTimer()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
		})
	}
}
