//go:build unix

package testdb_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

const backendPID = "select pg_backend_pid()"

// Two clients share one server connection, unless each keeps its own for as long as it is connected.
func TestPgBouncerSharesServerConnections(t *testing.T) {
	t.Parallel()
	for mode, shared := range map[testdb.PoolMode]bool{testdb.TransactionPooling: true, testdb.SessionPooling: false} {
		b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolMode: mode})
		one, other := connect(t, b, "postgres"), connect(t, b, "postgres")
		pid := queryOne[int](t, one, backendPID, pgx.QueryExecModeExec)
		check.Same(t, string(mode)+": clients share a connection",
			queryOne[int](t, other, backendPID, pgx.QueryExecModeExec) == pid, shared)
		check.Same(t, string(mode)+": the first client gets it again",
			queryOne[int](t, one, backendPID, pgx.QueryExecModeExec), pid)
	}
}

// pgx's prepared statements meet those of another client, or are not where they were prepared. With PgBouncer's help
// the same steps succeed.
func TestPgBouncerPreparedStatements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kept             int
		clash, elsewhere string // SQLSTATE
	}{{0, "42P05", "26000"}, {200, "", ""}} {
		t.Run(fmt.Sprint(c.kept), func(t *testing.T) {
			single := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolSize: 1, MaxPreparedStatements: c.kept})
			one, other := connect(t, single, "postgres"), connect(t, single, "postgres")
			check.NoError(t, ask(one))
			check.Same(t, "a statement that another client prepared", stateOf(ask(other)), c.clash)

			pair := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolSize: 2, MaxPreparedStatements: c.kept})
			one, other = connect(t, pair, "postgres"), connect(t, pair, "postgres")
			pid := queryOne[int](t, one, backendPID)
			tx, err := other.Begin(t.Context())
			check.NoError(t, err)
			defer tx.Rollback(context.Background())
			check.Same(t, "the connection that the other client holds",
				queryOne[int](t, tx, "select pg_backend_pid() -- by the other", pgx.QueryExecModeExec), pid)
			check.Same(t, "a statement that another connection prepared", stateOf(ask(one)), c.elsewhere)
		})
	}
}

// Without kept statements only those of pgx's modes work that carry nothing from one round trip to the next. The mode
// describe_exec prepares and executes in two. If another client prepares its own statement on the connection between
// them, the first gets that one's result, with no error.
func TestPgBouncerExecModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[pgx.QueryExecMode]struct{ got, state string }{
		pgx.QueryExecModeExec:           {"one x", ""},
		pgx.QueryExecModeCacheDescribe:  {"one x", ""},
		pgx.QueryExecModeCacheStatement: {"one x", "42P05"},
		pgx.QueryExecModeDescribeExec:   {"other x", ""},
	} {
		b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolSize: 1})
		one, other := connect(t, b, "postgres"), connect(t, b, "postgres")
		meddled := 0
		x := meddler{func() {
			meddled++
			check.Same(t, mode.String()+": the other client", queryOne[string](t, other, "select 'other ' || $1::text", mode, "x"), "other x")
		}}
		check.Same(t, mode.String()+": the first client", queryOne[string](t, one, "select 'one ' || $1::text", mode, x), want.got)
		check.Same(t, mode.String()+": the other came between", meddled, 1)
		var got string
		err := other.QueryRow(t.Context(), "select 'one ' || $1::text", mode, "x").Scan(&got)
		check.Same(t, mode.String()+": the same text by another client", stateOf(err), want.state)
	}
}

// meddler is an argument that lets something happen when pgx encodes it: after it has prepared the statement, if it does
// that, and before it executes it.
type meddler struct{ act func() }

func (m meddler) TextValue() (pgtype.Text, error) {
	m.act()
	return pgtype.Text{String: "x", Valid: true}, nil
}

// The modes that carry nothing between round trips work with many clients at once.
func TestPgBouncerUnderLoad(t *testing.T) {
	t.Parallel()
	b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolSize: 2, Settings: map[string]string{"server_round_robin": "1"}})
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeCacheDescribe} {
		pool := testdb.Pool(t, items, testdb.Through(b), testdb.ExecMode(mode), testdb.MaxConns(4))
		var clients sync.WaitGroup
		for i := range 4 {
			clients.Go(func() {
				for range 100 {
					var got string
					err := pool.QueryRow(t.Context(), fmt.Sprintf("select $1::text || '%d'", i), "x").Scan(&got)
					if want := fmt.Sprint("x", i); err != nil || got != want {
						t.Errorf("%v: got %q and %v, want %q", mode, got, err, want)
					}
				}
			})
		}
		clients.Wait()
	}
}

// A statement that PgBouncer keeps outlives a change of its table, whatever the client forgets or opens anew; executed
// unnamed it is planned again. DEALLOCATE ALL ends what is kept on the server connection at hand.
func TestPgBouncerKeepsStalePlans(t *testing.T) {
	t.Parallel()
	b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolSize: 1, MaxPreparedStatements: 200})
	pool := testdb.Pool(t, items, testdb.Through(b), testdb.ExecMode(pgx.QueryExecModeCacheStatement))
	read := func(args ...any) string {
		rows, err := pool.Query(t.Context(), "select * from items", args...)
		rows.Close()
		return stateOf(cmp.Or(err, rows.Err()))
	}
	check.Same(t, "before the change", read(), "")
	_, err := pool.Exec(t.Context(), "alter table items add column more int")
	check.NoError(t, err)
	for range 3 {
		check.Same(t, "prepared", read(), "0A000")
	}
	pool.Reset()
	check.Same(t, "prepared by a new client", read(), "0A000")
	check.Same(t, "unnamed", read(pgx.QueryExecModeCacheDescribe), "")
	_, err = pool.Exec(t.Context(), "deallocate all", pgx.QueryExecModeExec)
	check.NoError(t, err)
	check.Same(t, "after DEALLOCATE ALL", read(), "")
}

func TestPgBouncerLeadsToTheTestsDatabase(t *testing.T) {
	t.Parallel()
	b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{})
	pool := testdb.Pool(t, items, testdb.Through(b), testdb.SearchPath(""), testdb.ExecMode(pgx.QueryExecModeExec))
	check.Same(t, "database", queryOne[string](t, pool, "select current_database()"), pool.Config().ConnConfig.Database)
	check.Same(t, "items", queryOne[int](t, pool, "select count(*) from public.items"), 1)
	check.Same(t, "search path", queryOne[string](t, pool, "show search_path"), `""`)
	check.Same(t, "connections by way of PgBouncer", clientsOf(t, b, pool.Config().ConnConfig.Database), 1)

	direct := testdb.Pool(t, items, testdb.Through(b), testdb.Direct())
	check.Same(t, "items", queryOne[int](t, direct, "select count(*) from items"), 1)
	check.Same(t, "connections beside PgBouncer", clientsOf(t, b, direct.Config().ConnConfig.Database), 0)
}

// A role that the configuration does not name may come in as it may on the server, and is itself there.
func TestPgBouncerKnowsTheServersRoles(t *testing.T) {
	t.Parallel()
	primary := testdb.Primary(t, testdb.Config{})
	b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{Server: primary})
	_, err := connect(t, primary, "postgres").Exec(t.Context(), "create role reader login")
	check.NoError(t, err)
	for user, state := range map[string]string{"reader": "", "stranger": "08P01"} {
		cfg, err := pgx.ParseConfig(b.DSN("postgres"))
		check.NoError(t, err)
		cfg.User, cfg.DefaultQueryExecMode = user, pgx.QueryExecModeExec
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if check.Same(t, user, stateOf(err), state); err != nil {
			continue
		}
		defer conn.Close(context.Background())
		check.Same(t, "user", queryOne[string](t, conn, "select current_user::text"), user)
	}
}

func TestPgBouncerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	testdb.StartPgBouncer(tb, testdb.PgBouncerConfig{PoolMode: "sometimes"})
	if !reported(tb.fatals, `invalid value "sometimes" for parameter pool_mode`) && len(tb.skips) == 0 {
		t.Errorf("got %q, want PgBouncer's own words", tb.fatals)
	}
}

// Without the program tests are skipped, unless a machine of CI should have it. A version is what the system has.
func TestPgBouncerIsMissing(t *testing.T) {
	old := filepath.Join(t.TempDir(), "pgbouncer")
	writeScript(t, old, "echo PgBouncer 1.20.1")
	for _, c := range []struct {
		program, ci string
		skips       bool
		words       []string
	}{
		{"/nonexistent", "", true, []string{"PgBouncer is not installed", "/nonexistent", "tools/install-postgres.sh"}},
		{"/nonexistent", "true", false, []string{"PgBouncer is not installed"}},
		{old, "", true, []string{"PgBouncer is too old", "1.20.1", "SMRT_PGBOUNCER"}},
		{old, "true", true, []string{"PgBouncer is too old"}},
	} {
		t.Setenv("SMRT_PGBOUNCER", c.program)
		t.Setenv("CI", c.ci)
		tb := &fakeTB{}
		b := testdb.StartPgBouncer(tb, testdb.PgBouncerConfig{MaxPreparedStatements: 200})
		got := map[bool][]string{true: tb.skips, false: tb.fatals}[c.skips]
		if b != nil || !reported(got, c.words...) || len(tb.skips)+len(tb.fatals) != 1 {
			t.Errorf("%+v: skips %q, fatals %q", c, tb.skips, tb.fatals)
		}
	}
	t.Setenv("SMRT_TEST_DSN", "postgres://somewhere")
	tb := &fakeTB{}
	if b := testdb.StartPgBouncer(tb, testdb.PgBouncerConfig{}); b != nil || !reported(tb.skips, "SMRT_TEST_DSN") {
		t.Errorf("got %v and %q, want the test to be skipped", b, tb.skips)
	}
}

// With the environment's word a whole test binary goes by way of a pooler, and nothing of it is left behind.
func TestPoolerOfTheEnvironment(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	testdb.StartPgBouncer(t, testdb.PgBouncerConfig{}) // skips the test where there is none
	for _, c := range []struct {
		variables []string
		code      int
	}{
		{[]string{"SMRT_TEST_POOLER=transaction"}, 0},
		{[]string{"SMRT_TEST_POOLER=session", "SMRT_TEST_POOLER_PREPARED=0"}, 0},
		{[]string{"SMRT_TEST_POOLER=statement"}, 2},
		{[]string{"SMRT_TEST_POOLER=transaction", "SMRT_TEST_POOLER_PREPARED=all"}, 2},
		{[]string{"SMRT_TEST_POOLER=transaction", "SMRT_PGBOUNCER=/nonexistent"}, 2},
	} {
		child := startChild(t, "pooled", func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, c.variables...) })
		check.Same(t, fmt.Sprint(c.variables, ": exit code"), child.wait(), c.code)
		child.assertNothingLeft(t, 0)
	}
}

// clientsOf counts the clients of a database that PgBouncer has.
func clientsOf(t *testing.T, b *testdb.PgBouncer, database string) (n int) {
	t.Helper()
	rows, err := connect(t, b, "pgbouncer").Query(t.Context(), "show clients", pgx.QueryExecModeSimpleProtocol)
	check.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToMap)
	check.NoError(t, err)
	for _, client := range all {
		if client["database"] == database {
			n++
		}
	}
	return n
}

func ask(conn *pgx.Conn) error {
	var pid int
	return conn.QueryRow(context.Background(), backendPID).Scan(&pid)
}

// stateOf returns the SQLSTATE of an error, nothing of nil.
func stateOf(err error) string {
	var server *pgconn.PgError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &server):
		return server.Code
	}
	return err.Error()
}
