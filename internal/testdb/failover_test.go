//go:build unix

package testdb_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// An old primary, whichever way it ended, is met again at its address by the pool that wrote to it, in recovery and with
// the new primary's rows in place of its own.
func TestRejoin(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	for name, end := range map[string]func(*testdb.Server, context.Context) error{
		"killed":  func(s *testdb.Server, _ context.Context) error { return s.Kill() },
		"stopped": (*testdb.Server).Stop,
		"frozen":  func(s *testdb.Server, _ context.Context) error { return s.Freeze() },
		"running": func(*testdb.Server, context.Context) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			old, primary := newPair(t, testdb.StandbyConfig{Settings: map[string]string{"work_mem": "9MB"}})
			pool := poolOn(t, old)
			check.NoError(t, primary.Promote(ctx))
			_, err := pool.Exec(ctx, "insert into t values (3)")
			check.NoError(t, err)
			check.Same(t, "rows of the old primary", queryOne[int](t, pool, "select count(*) from t"), 2)
			insertRow(t, connect(t, primary, "postgres"))
			insertRow(t, connect(t, primary, "postgres"))

			pid := old.PID()
			check.NoError(t, end(old, ctx))
			begin := time.Now()
			check.NoError(t, old.Rejoin(ctx, primary))
			if took := time.Since(begin); took > testdb.Patience(3*time.Second) {
				t.Errorf("it took %v", took)
			} else {
				t.Log("it took", took)
			}
			if old.PID() == pid {
				t.Error("the server was not restarted")
			}
			check.Same(t, "in recovery", afterReconnect(t, pool, "select pg_is_in_recovery()::text"), "true")
			check.Same(t, "work_mem", afterReconnect(t, pool, "show work_mem"), "4MB")
			check.Same(t, "rows", queryOne[int](t, pool, "select count(*) from t"), 3)
			_, err = pool.Exec(ctx, "insert into t values (4)")
			check.Same(t, "a write", stateOf(err), "25006")

			insertRow(t, connect(t, primary, "postgres"))
			check.NoError(t, old.WaitForReplay(ctx, primary))
			check.Same(t, "rows that were streamed", queryOne[int](t, pool, "select count(*) from t"), 4)
		})
	}
}

// Two servers change places as often as one likes.
func TestRejoinBackAndForth(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	ctx := t.Context()
	primary, standby := newPair(t, testdb.StandbyConfig{})
	for round := range 3 {
		check.NoError(t, primary.Kill())
		check.NoError(t, standby.Promote(ctx))
		insertRow(t, connect(t, standby, "postgres"))
		check.NoError(t, primary.Rejoin(ctx, standby))
		primary, standby = standby, primary
		check.Same(t, "rows", countRows(t, connect(t, standby, "postgres")), round+2)
	}
	// Again to the one that it streams from.
	check.NoError(t, standby.Rejoin(ctx, primary))
	check.Same(t, "rows", countRows(t, connect(t, standby, "postgres")), 4)
}

func TestRejoinThatCannotBe(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	primary, standby := newPair(t, testdb.StandbyConfig{})
	if err := primary.Rejoin(ctx, primary); err == nil || !strings.Contains(err.Error(), "standby of itself") {
		t.Errorf("got %v", err)
	}
	check.NoError(t, standby.Stop(ctx))
	if err := primary.Rejoin(ctx, standby); err == nil || !strings.Contains(err.Error(), "primary: rejoin standby1") {
		t.Errorf("got %v, want an error that names both", err)
	}
	check.NoError(t, primary.Restart(ctx))
	check.Same(t, "rows after a failure", countRows(t, connect(t, primary, "postgres")), 1)
}

// What a killed server leaves of its memory goes with its data, when it rejoins and when it is a standby that is closed.
func TestKilledServersFreeTheirMemory(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	if _, err := os.Stat("/proc/sysvipc/shm"); err != nil {
		t.Skip("needs /proc/sysvipc")
	}
	primary, standby := newPair(t, testdb.StandbyConfig{})
	for _, c := range []struct {
		what    string
		killed  *testdb.Server
		discard func() error
	}{
		{"rejoin", primary, func() error { return primary.Rejoin(t.Context(), standby) }},
		{"close", standby, standby.Close},
	} {
		pid := c.killed.PID()
		check.NoError(t, c.killed.Kill())
		check.Same(t, c.what+": a segment of the killed server", hasSegment(t, pid), true)
		check.NoError(t, c.discard())
		check.Same(t, c.what+": a segment of the killed server afterwards", hasSegment(t, pid), false)
	}
}

func BenchmarkRejoin(b *testing.B) {
	ctx := context.Background()
	primary := testdb.Primary(b, testdb.Config{})
	standby, err := primary.Standby(ctx, testdb.StandbyConfig{})
	check.NoError(b, err)
	for b.Loop() {
		b.StopTimer()
		check.NoError(b, primary.Kill())
		check.NoError(b, standby.Promote(ctx))
		b.StartTimer()
		check.NoError(b, primary.Rejoin(ctx, standby))
		primary, standby = standby, primary
	}
}

// poolOn returns a pool of one connection, which is open.
func poolOn(t *testing.T, s *testdb.Server) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), s.DSN("postgres")+"&pool_max_conns=1")
	check.NoError(t, err)
	t.Cleanup(pool.Close)
	check.NoError(t, pool.Ping(t.Context()))
	return pool
}

// afterReconnect asks once more if the connection turns out to be broken, and not more often.
func afterReconnect(t *testing.T, pool *pgxpool.Pool, sql string) (answer string) {
	t.Helper()
	err := pool.QueryRow(t.Context(), sql, pgx.QueryExecModeExec).Scan(&answer)
	var server *pgconn.PgError
	if err != nil && (!errors.As(err, &server) || server.Code == "57P01") {
		err = pool.QueryRow(t.Context(), sql, pgx.QueryExecModeExec).Scan(&answer)
	}
	check.NoError(t, err)
	return answer
}
