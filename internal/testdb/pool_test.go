//go:build unix

package testdb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// itemsApplied counts how often the schema's Apply ran.
var itemsApplied atomic.Int32

var items = testdb.Schema{Name: "items", Apply: func(ctx context.Context, dsn string) error {
	itemsApplied.Add(1)
	return fillItems(ctx, dsn)
}}

func fillItems(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "create table items (id bigint primary key, name text); insert into items values (1, 'first')")
	return err
}

func TestPoolGivesEachTestItsOwnDatabase(t *testing.T) {
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, items)
			if _, err := pool.Exec(t.Context(), "insert into items values (2, 'mine')"); err != nil {
				t.Fatal(err)
			}
			if n := queryOne[int](t, pool, "select count(*) from items"); n != 2 {
				t.Errorf("%d items, want the schema's and mine", n)
			}
		})
	}
	t.Cleanup(func() {
		if n := itemsApplied.Load(); n != 1 {
			t.Errorf("the schema was applied %d times, want once", n)
		}
	})
}

// TestSpares takes databases one after the other. The first has no spare made for nobody, and the third is there before it
// is asked for.
func TestSpares(t *testing.T) {
	t.Parallel()
	schema := testdb.Schema{Name: "spares", Apply: fillItems, Spares: 2}
	other := testdb.Pool(t, testdb.Empty)
	for i, want := range []int{0, 1, 2, 2, 2} {
		there := queryOne[[]string](t, other, "select array_agg(datname::text) from pg_database")
		pool := testdb.Pool(t, schema)
		name := queryOne[string](t, pool, "select current_database()")
		if ahead := slices.Contains(there, name); ahead != (i >= 2) {
			t.Errorf("database %d was made ahead: %v", i+1, ahead)
		}
		if n := testdb.SparesOf(schema); n != want {
			t.Errorf("after %d requests %d spares, want %d", i+1, n, want)
		}
		if n := queryOne[int](t, pool, "select count(*) from items"); n != 1 {
			t.Errorf("database %d has %d items", i+1, n)
		}
		_ = check.Value(pool.Exec(t.Context(), "insert into items values (2, 'mine')"))(t)
	}
	if n := testdb.SparesOf(items); n != 0 {
		t.Errorf("%d spares of a schema that wants none", n)
	}
}

func TestPoolDropsItsDatabase(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	pool := testdb.Pool(tb, items)
	name := queryOne[string](t, pool, "select current_database()")
	tb.end()
	if tb.failed {
		t.Fatal("the check of a clean test fired:", tb.errors)
	}
	if err := pool.Ping(t.Context()); err == nil {
		t.Error("the pool is still open")
	}
	other := testdb.Pool(t, testdb.Empty)
	for deadline := time.Now().Add(testdb.Patience(time.Second)); ; time.Sleep(time.Millisecond) {
		if queryOne[int](t, other, "select count(*) from pg_database where datname = $1", name) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("database %s is still there", name)
		}
	}
}

// TestAdmins takes connections for the server's databases as tests do: the next one takes that of the one before, unless
// its use has failed or the server has ended it.
func TestAdmins(t *testing.T) {
	t.Parallel()
	server := testdb.Primary(t, testdb.Config{})
	testdb.KeepAdmins(server, 1)
	first, second := testdb.AdminPID(t, server, nil), testdb.AdminPID(t, server, nil)
	check.Same(t, "pid", second, first)
	_ = testdb.AdminPID(t, server, errors.New("failed"))
	third := testdb.AdminPID(t, server, nil)
	if third == first {
		t.Error("a connection was kept though its use had failed")
	}
	conn := connect(t, server, "postgres")
	check.Same(t, "ended", queryOne[bool](t, conn, "select pg_terminate_backend($1, 10000)", third), true)
	if fourth := testdb.AdminPID(t, server, nil); fourth == third {
		t.Error("a connection was used that the server has ended")
	}
}

func TestPoolDefaults(t *testing.T) {
	t.Setenv("SMRT_TEST_EXEC_MODE", "")
	t.Setenv("SMRT_TEST_MAX_CONNS", "")
	pool := testdb.Pool(t, testdb.Empty)
	cfg := pool.Config()
	if cfg.MaxConns != 4 || cfg.MinConns != 0 {
		t.Errorf("max %d, min %d, want 4 and 0", cfg.MaxConns, cfg.MinConns)
	}
	if mode := cfg.ConnConfig.DefaultQueryExecMode; mode != pgx.QueryExecModeCacheStatement {
		t.Errorf("exec mode %v, want cache statement", mode)
	}
	if zone := queryOne[string](t, pool, "show timezone"); zone != "UTC" {
		t.Errorf("timezone %s, want UTC", zone)
	}
	if path := queryOne[string](t, pool, "show search_path"); path != `"$user", public` {
		t.Errorf("search_path %s, want PostgreSQL's own", path)
	}
}

func TestPoolOptions(t *testing.T) {
	t.Setenv("SMRT_TEST_EXEC_MODE", "exec")
	t.Setenv("SMRT_TEST_MAX_CONNS", "9")
	var connected []string
	note := func(text string) testdb.Option {
		return testdb.AfterConnect(func(context.Context, *pgx.Conn) error {
			connected = append(connected, text)
			return nil
		})
	}
	pool := testdb.Pool(t, items, testdb.MaxConns(2), testdb.ExecMode(pgx.QueryExecModeCacheDescribe),
		testdb.SearchPath(""), note("a"), note("b"), testdb.Configure(func(cfg *pgxpool.Config) {
			cfg.ConnConfig.RuntimeParams["application_name"] = "options"
		}))

	cfg := pool.Config()
	if cfg.MaxConns != 2 || cfg.ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheDescribe {
		t.Errorf("the environment won over the test: %d, %v", cfg.MaxConns, cfg.ConnConfig.DefaultQueryExecMode)
	}
	if name := queryOne[string](t, pool, "show application_name"); name != "options" {
		t.Errorf("application_name %q: Configure was not used", name)
	}
	if got := strings.Join(connected, ""); got != "ab" {
		t.Errorf("functions after connect ran as %q, want ab", got)
	}
	if _, err := pool.Exec(t.Context(), "select from items"); err == nil {
		t.Error("the search path trap did not catch an unqualified name")
	}
	if n := queryOne[int](t, pool, "select count(*) from public.items"); n != 1 {
		t.Errorf("%d items, want 1", n)
	}
}

func TestAfterConnectStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	pool := testdb.Pool(t, testdb.Empty,
		testdb.AfterConnect(func(context.Context, *pgx.Conn) error { return broken }),
		testdb.AfterConnect(func(context.Context, *pgx.Conn) error {
			t.Error("the second function ran")
			return nil
		}))
	if err := pool.Ping(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the first function", err)
	}
}

func TestPoolReadsTheMatrixFromTheEnvironment(t *testing.T) {
	t.Setenv("SMRT_TEST_MAX_CONNS", "7")
	for name, want := range map[string]pgx.QueryExecMode{
		"cache_statement": pgx.QueryExecModeCacheStatement,
		"cache_describe":  pgx.QueryExecModeCacheDescribe,
		"describe_exec":   pgx.QueryExecModeDescribeExec,
		"exec":            pgx.QueryExecModeExec,
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SMRT_TEST_EXEC_MODE", name)
			pool := testdb.Pool(t, testdb.Empty)
			if got := pool.Config().ConnConfig.DefaultQueryExecMode; got != want {
				t.Errorf("exec mode %v, want %v", got, want)
			}
			if got := testdb.ExecModeName(); got != name {
				t.Errorf("name %q, want %q", got, name)
			}
			if n := pool.Config().MaxConns; n != 7 {
				t.Errorf("%d connections, want 7", n)
			}
			if n := queryOne[int](t, pool, "select $1::int + 1", 41); n != 42 {
				t.Errorf("%d, want 42", n)
			}
		})
	}
}

func TestPoolRefusesAWrongEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"SMRT_TEST_EXEC_MODE": "simple_protocol",
		"SMRT_TEST_MAX_CONNS": "many",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			tb := &fakeTB{}
			if pool := testdb.Pool(tb, testdb.Empty); pool != nil || !reported(tb.fatals, name, value) {
				t.Errorf("got pool %v and %q, want a message about %s=%s", pool, tb.fatals, name, value)
			}
			tb.end()
		})
	}
}

func TestPoolReportsABrokenSchemaToEachTest(t *testing.T) {
	t.Parallel()
	broken := testdb.Schema{Name: "broken", Apply: func(context.Context, string) error {
		return errors.New("migration 7 is wrong")
	}}
	for range 2 {
		tb := &fakeTB{}
		if testdb.Pool(tb, broken); !reported(tb.fatals, "schema broken", "migration 7 is wrong") {
			t.Errorf("got %q, want schema and reason", tb.fatals)
		}
		tb.end()
	}
}

// A schema whose connections are still open must not make each copy wait or fail.
func TestPoolCopiesASchemaThatKeepsAConnection(t *testing.T) {
	t.Parallel()
	var kept []*pgx.Conn
	// The server waits for connections to a database that it copies for five seconds.
	check.Faster(t, "the copy", 4500*time.Millisecond, func() {
		testdb.Pool(t, testdb.Schema{Name: fmt.Sprint("keeping", len(kept)), Apply: func(ctx context.Context, dsn string) error {
			conn, err := pgx.Connect(ctx, dsn)
			kept = append(kept, conn)
			return err
		}})
	})
	for _, conn := range kept {
		check.NoError(t, conn.Close(t.Context()))
	}
}

func TestExamplePool(t *testing.T) {
	pool, done := testdb.ExamplePool(items, testdb.MaxConns(1))
	if n := queryOne[int](t, pool, "select count(*) from items"); n != 1 || pool.Config().MaxConns != 1 {
		t.Errorf("%d items, %d connections, want 1 and 1", n, pool.Config().MaxConns)
	}
	done()

	pool, done = testdb.ExamplePool(testdb.Empty)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if message := panicOf(done); !strings.Contains(message, "still acquired") {
		t.Errorf("an example that leaks a connection panics with %q", message)
	}
	conn.Release()

	t.Setenv("SMRT_TEST_MAX_CONNS", "0")
	if message := panicOf(func() { testdb.ExamplePool(testdb.Empty) }); !strings.Contains(message, "SMRT_TEST_MAX_CONNS") {
		t.Errorf("an example without a pool panics with %q", message)
	}
}

// A connection string for an example leads to a database of its own, in the
// mode of the environment.
func TestExampleDSN(t *testing.T) {
	t.Setenv("SMRT_TEST_EXEC_MODE", "exec")
	t.Setenv("SMRT_TEST_MAX_CONNS", "1")
	one, other := testdb.ExampleDSN(items), testdb.ExampleDSN(items)
	if one == other {
		t.Error("two examples share a database")
	}
	pool, err := pgxpool.New(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	zone := queryOne[string](t, pool, "select current_setting('timezone')")
	mode := pool.Config().ConnConfig.DefaultQueryExecMode
	if n := pool.Config().MaxConns; n != 1 || mode != pgx.QueryExecModeExec || zone != "UTC" {
		t.Errorf("%d connections, mode %v, zone %s", n, mode, zone)
	}

	t.Setenv("SMRT_TEST_EXEC_MODE", "none")
	if message := panicOf(func() { testdb.ExampleDSN(items) }); !strings.Contains(message, "SMRT_TEST_EXEC_MODE") {
		t.Errorf("an example without a database panics with %q", message)
	}
}

func BenchmarkPool(b *testing.B) {
	for b.Loop() {
		_, done := testdb.ExamplePool(items)
		done()
	}
}

// BenchmarkSpares compares what a test waits for with its first answer, without spares and with them, in turn. Each does
// 20 ms of work, and the metrics are medians.
func BenchmarkSpares(b *testing.B) {
	schemas := map[string]testdb.Schema{
		"ms-copied": {Name: "copied", Apply: fillItems},
		"ms-spare":  {Name: "spared", Apply: fillItems, Spares: 2},
	}
	waits := map[string][]float64{}
	one := func(name string) {
		began := time.Now()
		pool, done := testdb.ExamplePool(schemas[name])
		check.NoError(b, pool.Ping(b.Context()))
		waits[name] = append(waits[name], time.Since(began).Seconds()*1000)
		time.Sleep(20 * time.Millisecond)
		done()
	}
	for b.Loop() {
		for name := range schemas {
			one(name)
		}
	}
	for name, all := range waits {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], name)
	}
}

func panicOf(fn func()) (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	fn()
	return ""
}

// queryer is what has one query method: pool, connection, transaction.
type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func queryOne[T any](t *testing.T, q queryer, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := q.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}
