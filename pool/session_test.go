package pool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/pool"
)

// gucs are twelve settings, with a value that is not the default.
var gucs = [][2]string{
	{"statement_timeout", "4321s"},
	{"lock_timeout", "1234s"},
	{"work_mem", "5MB"},
	{"enable_seqscan", "off"},
	{"search_path", "pg_catalog"},
	{"TimeZone", "Asia/Tokyo"},
	{"DateStyle", "German, DMY"},
	{"synchronous_commit", "off"},
	{"default_transaction_read_only", "on"},
	{"default_transaction_isolation", "serializable"},
	{"application_name", "somebody"},
	{"app.tenant", "acme"},
}

// stateSQL is one text of everything that a session may have left.
var stateSQL = func() string {
	parts := []string{
		"current_user", "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())",
		"(SELECT count(*) FROM pg_listening_channels())", "(SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND pg_table_is_visible(oid))",
		"(SELECT count(*) FROM pg_prepared_statements WHERE from_sql OR name = 'by_hand')", "(SELECT count(*) FROM pg_cursors)",
	}
	for _, g := range gucs {
		parts = append(parts, "coalesce(current_setting('"+g[0]+"', true), '')")
	}
	return "SELECT concat_ws('|', " + strings.Join(parts, ", ") + ")"
}()

// mess leaves something in a session.
func mess(ctx context.Context, conn *pgxpool.Conn, n int) error {
	g := gucs[rand.IntN(len(gucs))]
	local := func(sql ...string) error {
		for _, s := range sql {
			if _, err := conn.Exec(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	}
	switch n % 12 {
	case 0:
		return local(fmt.Sprintf("SET %s = '%s'", g[0], g[1]))
	case 1:
		_, err := conn.Exec(ctx, "SELECT set_config($1, $2, false)", g[0], g[1])
		return err
	case 2:
		return local("SET ROLE pg_monitor")
	case 3:
		_, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", n)
		return err
	case 4:
		return local("  /* hello */ listen orders")
	case 5:
		return local("CREATE TEMPORARY TABLE scratch (id int)")
	case 6:
		_, err := conn.Conn().Prepare(ctx, "by_hand", "SELECT 1")
		return err
	case 7:
		return local("PREPARE mine AS SELECT 1", "SELECT 1")
	case 8:
		return local("BEGIN; DECLARE held CURSOR WITH HOLD FOR SELECT 1; COMMIT")
	case 9:
		b := &pgx.Batch{}
		b.Queue("SELECT 1")
		b.Queue(fmt.Sprintf("SET SESSION %s = '%s'", g[0], g[1]))
		return conn.SendBatch(ctx, b).Close()
	case 10:
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, fmt.Sprintf("SET %s TO '%s'", g[0], g[1])); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}
	return local(fmt.Sprintf("DO $$ BEGIN PERFORM set_config('%s', '%s', false); END $$", g[0], g[1]))
}

// leaks lets borrowers leave things behind, and returns how many connections
// are not as new afterwards, and for how many borrowers they were not.
func leaks(t *testing.T, db smrt.Pool, conns, borrowers int) (dirty, met int) {
	t.Helper()
	ctx := t.Context()
	state := func(conn *pgxpool.Conn) (s string) {
		check.NoError(t, conn.QueryRow(ctx, stateSQL).Scan(&s))
		return s
	}
	first := check.Value(db.Acquire(ctx))(t)
	clean := state(first)
	first.Release()
	for n := range borrowers {
		conn := check.Value(db.Acquire(ctx))(t)
		if state(conn) != clean {
			met++
		}
		check.NoError(t, mess(ctx, conn, n))
		conn.Release()
	}
	var held []*pgxpool.Conn
	for range conns {
		conn := check.Value(db.Acquire(ctx))(t)
		held = append(held, conn)
		if s := state(conn); s != clean {
			dirty++
			if met == 0 {
				t.Logf("left: %s\nwant: %s", s, clean)
			}
		}
		if conn.Conn().PgConn().ParameterStatus("application_name") == "somebody" {
			dirty++
		}
	}
	for _, conn := range held {
		conn.Release()
	}
	return dirty, met
}

// What a borrower leaves in a session, no other one finds.
func TestSessionsAreClean(t *testing.T) {
	t.Parallel()
	dsn := url(t)
	p := open(t, pool.Config{URL: dsn, MaxConns: 4, PingTimeout: 5 * time.Second})
	dirty, met := leaks(t, p, 4, size(240, 1000))
	t.Logf("pool: %+v", p.Stats())
	check.Same(t, "connections that are not clean", dirty, 0)
	check.Same(t, "borrowers who met the state of another", met, 0)
	if s := p.Stats(); s.Reset == 0 || s.Destroyed == 0 {
		t.Errorf("nothing was cleaned: %+v", s)
	}

	c := control(t, dsn, func(c *pgxpool.Config) { c.MaxConns = 1 })
	conn := check.Value(c.Acquire(t.Context()))(t)
	check.NoError(t, mess(t.Context(), conn, 0))
	check.NoError(t, mess(t.Context(), conn, 3))
	conn.Release()
	conn = check.Value(c.Acquire(t.Context()))(t)
	var locks int
	check.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()").Scan(&locks))
	conn.Release()
	check.Same(t, "control: locks that pgxpool's next borrower has", locks, 1)
}

// The same holds for what is sent on the pool itself. A connection that has
// notifications of somebody is not lent again.
func TestPoolStatementsLeaveNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1})
	setting := func() (s string) {
		check.NoError(t, p.QueryRow(ctx, "SELECT current_setting('app.tenant', true)").Scan(&s))
		return s
	}
	_, err := p.Exec(ctx, "SET app.tenant = 'acme'")
	check.NoError(t, err)
	check.Same(t, "tenant", setting(), "")
	_, err = p.Exec(ctx, "SELECT set_config('app.tenant', 'acme', true)") // ends with its statement
	check.NoError(t, err)
	check.Same(t, "cleaned", p.Stats().Reset, 1)

	dials := p.Stats().Dials
	_, err = p.Exec(ctx, "LISTEN orders")
	check.NoError(t, err)
	check.NoError(t, p.Ping(ctx))
	check.Same(t, "dials", p.Stats().Dials, dials+1)
	check.Same(t, "destroyed", p.Stats().Destroyed, 1)
}

// After a cleaning a connection is as the user's hook made it.
func TestHookRunsAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, Configure: func(c *pgxpool.Config) {
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "SET app.tenant = 'nobody'")
			return err
		}
	}})
	setting := func() (s string) {
		check.NoError(t, p.QueryRow(ctx, "SELECT current_setting('app.tenant', true)").Scan(&s))
		return s
	}
	check.Same(t, "from the beginning", setting(), "nobody")
	check.Same(t, "the hook's own SET is no reason to clean", p.Stats().Reset, 0)
	_, err := p.Exec(ctx, "SET app.tenant = 'acme'")
	check.NoError(t, err)
	check.Same(t, "after a cleaning", setting(), "nobody")
	check.Same(t, "cleaned", p.Stats().Reset, 1)
}

// A borrower who deallocates what pgx has prepared does not make statements of the
// next one fail.
func TestDeallocated(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, MinConns: -1})
	for _, sql := range []string{"DEALLOCATE ALL", "deallocate/**/PREPARE all"} {
		check.Value(p.Exec(t.Context(), "SELECT id FROM items WHERE id = $1", 1))(t)
		check.Value(p.Exec(t.Context(), sql))(t)
		_, err := p.Exec(t.Context(), "SELECT id FROM items WHERE id = $1", 1)
		check.NoError(t, err)
	}
}

// Where a session reads a backslash as an escape, a literal ends elsewhere, and
// what follows it is found.
func TestSessionsWithoutStandardStrings(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, MinConns: -1, Configure: func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["standard_conforming_strings"] = "off"
		c.ConnConfig.RuntimeParams["escape_string_warning"] = "off"
		c.ConnConfig.RuntimeParams["backslash_quote"] = "on"
	}})
	for _, sql := range []string{`SELECT 'it\'s', set_config('app.a', 'x', false), 'it''s'`, `SELECT 'it\'s', set_config('app.a', 'x', false)`} {
		for range 2 { // read, and found again
			check.Value(p.Exec(ctx, sql))(t)
			var left string
			check.NoError(t, p.QueryRow(ctx, "SELECT coalesce(current_setting('app.a', true), '')").Scan(&left))
			check.Same(t, sql, left, "")
		}
	}
	before := p.Stats().Reset
	check.Value(p.Exec(ctx, `SELECT 'it\'s set_config(', '; SET app.a = 1'`))(t)
	check.Same(t, "cleaned for a literal", p.Stats().Reset, before)
}

// What cannot be seen is left, unless every connection is cleaned.
func TestResetAlways(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := url(t)
	for reset, want := range map[pool.Reset]string{pool.ResetUsed: "acme", pool.ResetAlways: ""} {
		p := open(t, pool.Config{URL: dsn, MaxConns: 1, Reset: reset})
		_, err := p.Exec(ctx, `CREATE OR REPLACE FUNCTION enter() RETURNS void LANGUAGE plpgsql
			AS 'BEGIN PERFORM set_config(''app.tenant'', ''acme'', false); END'`)
		check.NoError(t, err)
		_, err = p.Exec(ctx, "SELECT enter()")
		check.NoError(t, err)
		var s string
		check.NoError(t, p.QueryRow(ctx, "SELECT coalesce(current_setting('app.tenant', true), '')").Scan(&s))
		check.Same(t, "tenant with "+string(reset), s, want)
	}
}

// Reset replaces connections.
func TestReset(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1})
	pid := func() (n int) {
		check.NoError(t, p.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&n))
		return n
	}
	before := pid()
	check.Same(t, "without", pid(), before)
	p.Reset()
	if pid() == before {
		t.Error("the connection is the same")
	}
}
