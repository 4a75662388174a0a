package smrttest_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/smrttest"
)

// lineBefore returns the line before the one that calls it, as reports write it.
func lineBefore() string {
	_, _, n, _ := runtime.Caller(1)
	return fmt.Sprintf("/leak_test.go:%d ", n-1)
}

// sending returns a leak that sends the statements on the pool.
func sending(statements ...string) func(*testing.T, *pgxpool.Pool) string {
	return func(t *testing.T, pool *pgxpool.Pool) string {
		var at string
		for _, sqlText := range statements {
			_, err := pool.Exec(t.Context(), sqlText)
			at = lineBefore()
			check.NoError(t, err)
		}
		return at
	}
}

// TestLeaks leaves behind what a service would suffer from. Each is reported with the line that did it.
func TestLeaks(t *testing.T) {
	t.Setenv("SMRT_TEST_PATIENCE", "1") // nothing goes away by itself here
	for name, leak := range map[string]struct {
		by    func(*testing.T, *pgxpool.Pool) (at string)
		words string
	}{
		"connection": {func(t *testing.T, pool *pgxpool.Pool) string {
			conn, err := pool.Acquire(t.Context())
			at := lineBefore()
			check.NoError(t, err)
			t.Cleanup(conn.Release)
			return at
		}, "still acquired"},
		"rows": {func(t *testing.T, pool *pgxpool.Pool) string {
			rows, err := pool.Query(t.Context(), "select generate_series(1, 100)")
			at := lineBefore()
			check.NoError(t, err)
			t.Cleanup(rows.Close)
			return at
		}, "rows not closed"},
		"transaction": {func(t *testing.T, pool *pgxpool.Pool) string {
			tx, err := pool.Begin(t.Context())
			at := lineBefore()
			check.NoError(t, err)
			t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
			return at
		}, "idle in transaction"},
		"transaction by statement": {func(t *testing.T, pool *pgxpool.Pool) string {
			conn, err := pool.Acquire(t.Context())
			check.NoError(t, err)
			t.Cleanup(conn.Release)
			_, err = conn.Exec(context.Background(), "-- of a user\nstart transaction")
			at := lineBefore()
			check.NoError(t, err)
			return at
		}, "idle in transaction"},
		"setting":       {sending("set statement_timeout = '1min'"), "statement_timeout is left as '60000'"},
		"quoted":        {sending(`/* why */ SET SESSION "Work_Mem" TO '1MB'`), "work_mem"},
		"time zone":     {sending("set time zone 'Asia/Tokyo'"), "timezone is left as 'Asia/Tokyo'"},
		"isolation":     {sending("set session characteristics as transaction isolation level serializable"), "default_transaction_isolation"},
		"tenant":        {sending("set app.tenant = '7'"), "app.tenant is left as '7'"},
		"role":          {sending("set role pg_monitor"), "role is left as 'pg_monitor'"},
		"set_config":    {sending("select set_config('app.tenant', '7', false)"), "app.tenant is left as '7'"},
		"listen":        {sending("listen news"), "still listens to news"},
		"advisory lock": {sending("select pg_advisory_lock(1)"), "an advisory lock is left"},
		"set_config with parameters": {func(t *testing.T, pool *pgxpool.Pool) string {
			_, err := pool.Exec(t.Context(), "select set_config($1, $2, false)", "app.tenant", "7")
			at := lineBefore()
			check.NoError(t, err)
			return at
		}, "app.tenant is left as '7'"},
		"batch": {func(t *testing.T, pool *pgxpool.Pool) string {
			batch := &pgx.Batch{}
			batch.Queue("select 1")
			batch.Queue("set lock_timeout = '1s'")
			err := pool.SendBatch(t.Context(), batch).Close()
			at := lineBefore()
			check.NoError(t, err)
			return at
		}, "lock_timeout is left as '1000'"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			pool := smrttest.Pool(r, items)
			at := leak.by(t, pool)
			r.end()
			if !reported(r.errors, "smrttest: ", leak.words, at, "leak_test.go:", "smrttest_test.TestLeaks") {
				t.Errorf("got %q, want %q with %s", r.errors, leak.words, at)
			}
		})
	}
}

// TestLeakBesideThePool has connections that only the server knows.
func TestLeakBesideThePool(t *testing.T) {
	t.Setenv("SMRT_TEST_PATIENCE", "1")
	for name, dsnOf := range map[string]func(testing.TB) string{
		"Pool": func(tb testing.TB) string { return smrttest.Pool(tb, items).Config().ConnString() },
		"DSN":  func(tb testing.TB) string { return smrttest.DSN(tb, items) },
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			cfg := check.Value(pgxpool.ParseConfig(dsnOf(r)))(t)
			conn := check.Value(pgx.ConnectConfig(t.Context(), cfg.ConnConfig))(t)
			_ = check.Value(conn.Exec(t.Context(), "select 4711"))(t)
			r.end()
			if !reported(r.errors, "still open", "select 4711", "close it") {
				t.Errorf("got %q", r.errors)
			}
			_ = conn.Close(t.Context())
		})
	}
}

// TestNoLeaks has what looks like a leak and is none.
func TestNoLeaks(t *testing.T) {
	t.Parallel()
	tenant := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		_, err := conn.Exec(ctx, "select set_config('app.tenant', '7', false), set_config('work_mem', '1MB', false)")
		return err == nil, err
	}
	for name, c := range map[string]struct {
		statements []string
		hooks      func(*pgxpool.Config)
	}{
		"local":        {statements: []string{"begin; set local statement_timeout = 1; select set_config('app.tenant', '7', true); commit"}},
		"rolled back":  {statements: []string{"begin; set statement_timeout = 1; set app.tenant = '7'; rollback"}},
		"reset":        {statements: []string{"set statement_timeout = 1; set app.tenant = '7'", "reset all; set app.tenant = ''"}},
		"unlisten":     {statements: []string{"listen news", "unlisten news"}},
		"unlock":       {statements: []string{"select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"}},
		"xact lock":    {statements: []string{"select pg_advisory_xact_lock(1)"}},
		"closed":       {statements: []string{"set statement_timeout = 1", "select pg_terminate_backend(pg_backend_pid())"}},
		"in parameter": {hooks: func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["app.tenant"] = "7" }},
		"AfterConnect": {hooks: func(cfg *pgxpool.Config) {
			cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
				_, err := tenant(ctx, conn)
				return err
			}
		}},
		"PrepareConn": {hooks: func(cfg *pgxpool.Config) { cfg.PrepareConn = tenant }},
		"BeforeAcquire": {hooks: func(cfg *pgxpool.Config) {
			cfg.BeforeAcquire = func(ctx context.Context, conn *pgx.Conn) bool { //nolint:staticcheck // users may have it still
				ok, _ := tenant(ctx, conn)
				return ok
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			var options []smrttest.Option
			if c.hooks != nil {
				options = append(options, smrttest.Configure(c.hooks))
			}
			pool := smrttest.Pool(r, items, append(options, smrttest.MaxConns(1))...)
			for _, sqlText := range append(c.statements, "select 1") {
				_, _ = pool.Exec(t.Context(), sqlText, pgx.QueryExecModeSimpleProtocol) // a terminated one fails
			}
			r.end()
			if r.Failed() {
				t.Errorf("got %q", r.errors)
			}
		})
	}
}

// What a failed test leaves behind is most likely a consequence.
func TestLeaksOfAFailedTestAreLogged(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	_ = check.Value(smrttest.Pool(r, items).Exec(t.Context(), "set work_mem = '1MB'"))(t)
	r.Errorf("the test's own failure")
	r.end()
	if len(r.errors) != 1 || !reported(r.logs, "work_mem") {
		t.Errorf("errors %q, logs %q", r.errors, r.logs)
	}
}
