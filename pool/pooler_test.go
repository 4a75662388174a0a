package pool_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// bounce starts a PgBouncer, and returns the URL of a database behind it.
func bounce(t *testing.T, cfg testdb.PgBouncerConfig) string {
	t.Helper()
	direct := check.Value(pgx.ParseConfig(url(t)))(t)
	return testdb.StartPgBouncer(t, cfg).DSN(direct.Database)
}

// What is between the program and the server is found out.
func TestModeIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg      testdb.PgBouncerConfig
		mode     pool.Mode
		prepares bool
	}{
		"session":               {testdb.PgBouncerConfig{PoolMode: testdb.SessionPooling}, pool.Session, true},
		"one session":           {testdb.PgBouncerConfig{PoolMode: testdb.SessionPooling, PoolSize: 1}, pool.Session, true},
		"transaction":           {testdb.PgBouncerConfig{}, pool.Transaction, false},
		"two in turn":           {testdb.PgBouncerConfig{PoolSize: 2, Settings: map[string]string{"server_round_robin": "1", "min_pool_size": "2"}}, pool.Transaction, false},
		"round robin":           {testdb.PgBouncerConfig{Settings: map[string]string{"server_round_robin": "1"}}, pool.Transaction, false},
		"one at a time":         {testdb.PgBouncerConfig{PoolSize: 1}, pool.Transaction, false},
		"transaction, prepared": {testdb.PgBouncerConfig{MaxPreparedStatements: 200}, pool.Transaction, true},
		"statement":             {testdb.PgBouncerConfig{Settings: map[string]string{"pool_mode": "statement"}}, pool.Statement, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, pool.Config{URL: bounce(t, c.cfg), MaxConns: 1, MinConns: -1, ConnectTimeout: 5 * time.Second})
			s := p.Server()
			check.Same(t, "mode", s.Mode, c.mode)
			check.Same(t, "prepares", s.Prepares, c.prepares)
			if s.Version == 0 || s.System == 0 {
				t.Errorf("server: %+v", s)
			}
			check.NoError(t, p.QueryRow(t.Context(), "SELECT name FROM items WHERE id = $1", 1).Scan(new(string)))
		})
	}
}

// Behind a pooler that gives a connection to each transaction, everything that
// fits into one works, on many connections at once.
func TestTransactionPooling(t *testing.T) {
	t.Parallel()
	dsn := bounce(t, testdb.PgBouncerConfig{PoolSize: 3, Settings: map[string]string{"server_round_robin": "1"}})
	use := func(db beginner) (failed int, last error) {
		var mu sync.Mutex
		var users sync.WaitGroup
		for i := range 8 {
			users.Go(func() {
				for n := range 50 {
					err := uses[(i+n)%len(uses)].run(context.Background(), db)
					mu.Lock()
					if err != nil {
						failed, last = failed+1, err
					}
					mu.Unlock()
				}
			})
		}
		users.Wait()
		return failed, last
	}
	failed, last := use(open(t, pool.Config{URL: dsn, MaxConns: 8, AcquireTimeout: time.Minute}))
	if failed > 0 {
		t.Errorf("%d failed: %v", failed, last)
	}
	failed, last = use(control(t, dsn, func(c *pgxpool.Config) { c.MaxConns = 8 }))
	if failed == 0 || !strings.Contains(last.Error(), "prepared statement") {
		t.Errorf("control: with pgxpool %d failed: %v", failed, last)
	}
}

// What needs a session is refused before it is sent, wherever it is said.
func TestPoolerRefuses(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: bounce(t, testdb.PgBouncerConfig{}), MaxConns: 2, MinConns: -1})
	refused := func(what string, err error, feature string) {
		t.Helper()
		check.Error(t, what, err, smrt.ErrPoolerMode)
		var e *smrt.PoolerError
		if !errors.As(err, &e) || e.Mode != "transaction" || e.Feature != feature || e.Hint == "" {
			t.Errorf("%s: got %#v", what, err)
		}
	}
	for sql, feature := range map[string]string{
		"LISTEN orders":                        "LISTEN",
		"SET work_mem = '1MB'":                 "SET",
		"SELECT pg_advisory_lock(1)":           "a session's advisory lock",
		"CREATE TEMP TABLE scratch (id int)":   "a temporary table",
		"PREPARE mine AS SELECT 1":             "PREPARE",
		"SELECT set_config('a.b', 'c', false)": "set_config that is not local",
	} {
		_, err := p.Exec(ctx, sql)
		refused("Exec "+sql, err, feature)
		if strings.Contains(err.Error(), "context") {
			t.Errorf("the error tells of something else: %v", err)
		}
		rows, _ := p.Query(ctx, sql)
		rows.Close()
		refused("Query "+sql, rows.Err(), feature)
		refused("QueryRow "+sql, p.QueryRow(ctx, sql).Scan(new(int)), feature)
		b := &pgx.Batch{}
		b.Queue("SELECT 1")
		b.Queue(sql)
		refused("SendBatch "+sql, p.SendBatch(ctx, b).Close(), feature)
	}
	conn := check.Value(p.Acquire(ctx))(t)
	_, err := conn.Exec(ctx, "LISTEN orders")
	refused("on a connection", err, "LISTEN")
	_, err = conn.Conn().Prepare(ctx, "mine", "SELECT 1")
	refused("Prepare", err, "a prepared statement")
	conn.Release()
	check.NoError(t, p.Ping(ctx))

	tx := check.Value(p.Begin(ctx))(t)
	for _, sql := range []string{
		"SET LOCAL work_mem = '1MB'", "SELECT set_config('a.b', 'c', true)", "SELECT pg_advisory_xact_lock(1)",
		"CREATE TEMP TABLE scratch (id int) ON COMMIT DROP", "DECLARE c CURSOR FOR SELECT 1",
	} {
		_, err := tx.Exec(ctx, sql)
		check.NoError(t, err)
	}
	check.NoError(t, tx.Commit(ctx))
}

// Behind a pooler that gives a connection to each statement there are no
// transactions.
func TestStatementPooling(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{
		URL:      bounce(t, testdb.PgBouncerConfig{Settings: map[string]string{"pool_mode": "statement"}}),
		MaxConns: 2, MinConns: -1,
	})
	_, err := p.Begin(t.Context())
	check.Error(t, "Begin", err, smrt.ErrPoolerMode)
	if err != nil && !strings.Contains(err.Error(), "a transaction") {
		t.Errorf("got %v", err)
	}
	check.NoError(t, p.Ping(t.Context()))
}

// A pooler that gives each connection a session is as good as the server, and
// no session state survives there either.
func TestSessionPooling(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{
		URL:      bounce(t, testdb.PgBouncerConfig{PoolMode: testdb.SessionPooling}),
		MaxConns: 2, MinConns: -1, PingTimeout: 5 * time.Second,
	})
	dirty, met := leaks(t, p, 2, 24)
	t.Logf("pool: %+v", p.Stats())
	check.Same(t, "connections that are not clean", dirty, 0)
	check.Same(t, "borrowers who met the state of another", met, 0)
}

// Who says the wrong mode is told so by the first statements that fail of it.
func TestWrongMode(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := bounce(t, testdb.PgBouncerConfig{PoolSize: 2, Settings: map[string]string{"server_round_robin": "1"}})
	p := open(t, pool.Config{URL: dsn, MaxConns: 2, MinConns: -1, Mode: pool.Direct})
	check.Same(t, "mode", p.Server().Mode, pool.Direct)
	conn := check.Value(p.Acquire(ctx))(t)
	check.NoError(t, conn.QueryRow(ctx, "SELECT name FROM items WHERE id = $1", 1).Scan(new(string)))
	tx := check.Value(p.Begin(ctx))(t) // has the connection to the server on which it was prepared
	conn.Release()
	err := p.QueryRow(ctx, "SELECT name FROM items WHERE id = $1", 1).Scan(new(string))
	check.NoError(t, tx.Rollback(ctx))
	check.Error(t, "a statement that was prepared elsewhere", err, smrt.ErrPoolerMode)
	if err != nil && (!strings.Contains(err.Error(), "max_prepared_statements") || !strings.Contains(err.Error(), "cache_describe")) {
		t.Errorf("the error does not say what to do: %v", err)
	}
	p = open(t, pool.Config{URL: dsn, MaxConns: 2, MinConns: -1, Mode: pool.Transaction})
	check.Same(t, "mode", p.Server().Mode, pool.Transaction)
	for range 50 {
		check.NoError(t, p.QueryRow(ctx, "SELECT name FROM items WHERE id = $1", 1).Scan(new(string)))
	}
	_, err = pool.Open(ctx, pool.Config{URL: dsn + "&default_query_exec_mode=describe_exec", MinConns: -1})
	check.Error(t, "describe_exec", err, smrt.ErrPoolerMode)
}
