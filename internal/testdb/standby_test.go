//go:build unix

package testdb_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestStandbyStreams(t *testing.T) {
	t.Parallel()
	primary, standby := newPair(t, testdb.StandbyConfig{Name: "it's one", Settings: map[string]string{"work_mem": "9MB"}})
	write, read := connect(t, primary, "postgres"), connect(t, standby, "postgres")
	if got := queryOne[bool](t, read, "select pg_is_in_recovery()"); !got {
		t.Error("the standby is not in recovery")
	}
	if n := countRows(t, read); n != 1 {
		t.Errorf("the standby began with %d rows, want the 1 of the primary", n)
	}
	insertRow(t, write)
	if err := standby.WaitForReplay(t.Context(), primary); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, read); n != 2 {
		t.Errorf("after replay %d rows, want 2", n)
	}
	_, err := read.Exec(t.Context(), "insert into t values (9)")
	if err == nil || !strings.Contains(err.Error(), "25006") {
		t.Errorf("a write on the standby: %v, want read only transaction", err)
	}
	const receivers = "select string_agg(application_name, ',') from pg_stat_replication"
	if got := queryOne[string](t, write, receivers); got != "it's one" {
		t.Errorf("the primary streams to %q", got)
	}
	if got := queryOne[string](t, read, "show work_mem"); got != "9MB" {
		t.Errorf("work_mem %s, want that of the standby, 9MB", got)
	}
}

func TestStandbyPausesReplay(t *testing.T) {
	t.Parallel()
	primary, standby := newPair(t, testdb.StandbyConfig{})
	write, read := connect(t, primary, "postgres"), connect(t, standby, "postgres")
	if err := standby.PauseReplay(t.Context()); err != nil {
		t.Fatal(err)
	}
	insertRow(t, write)
	time.Sleep(50 * time.Millisecond)
	if n := countRows(t, read); n != 1 {
		t.Errorf("while paused %d rows, want 1", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := standby.WaitForReplay(ctx, primary); err == nil || !strings.Contains(err.Error(), "standby1") {
		t.Errorf("waiting for a paused standby: %v, want an error that names it", err)
	}
	if err := standby.ResumeReplay(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := standby.WaitForReplay(t.Context(), primary); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, read); n != 2 {
		t.Errorf("after resuming %d rows, want 2", n)
	}
	if err := primary.PauseReplay(t.Context()); err == nil {
		t.Error("a primary paused its replay")
	}
	if err := primary.ResumeReplay(t.Context()); err == nil {
		t.Error("a primary resumed its replay")
	}
}

func TestStandbyDelaysReplay(t *testing.T) {
	t.Parallel()
	const delay = 200 * time.Millisecond
	for name, cfg := range map[string]testdb.StandbyConfig{"later": {}, "from the start": {ReplayDelay: delay}} {
		t.Run(name, func(t *testing.T) {
			primary, standby := newPair(t, cfg)
			if cfg.ReplayDelay == 0 {
				if err := standby.DelayReplay(t.Context(), delay); err != nil {
					t.Fatal(err)
				}
			}
			write := connect(t, primary, "postgres")
			// Each commit is held back, the first after the call included.
			for range 2 {
				begin := time.Now()
				insertRow(t, write)
				if err := standby.WaitForReplay(t.Context(), primary); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took < delay-10*time.Millisecond {
					t.Errorf("visible after %v, want %v", took, delay)
				}
			}
			if err := standby.DelayReplay(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if got := queryOne[string](t, connect(t, standby, "postgres"), "show recovery_min_apply_delay"); got != "0" {
				t.Errorf("the delay is still %s", got)
			}
		})
	}
}

func TestStandbySurvivesTheDeathOfEither(t *testing.T) {
	t.Parallel()
	primary, standby := newPair(t, testdb.StandbyConfig{})
	ctx := t.Context()
	if err := standby.Kill(); err != nil {
		t.Fatal(err)
	}
	insertRow(t, connect(t, primary, "postgres"))
	if err := standby.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if n := countRows(t, connect(t, standby, "postgres")); n < 1 {
		t.Errorf("without its primary the standby reads %d rows", n)
	}
	rows := 2
	check.Faster(t, "to find a primary that is back", 4500*time.Millisecond, func() {
		if rows > 2 {
			check.NoError(t, primary.Kill())
		}
		check.NoError(t, primary.Restart(ctx))
		insertRow(t, connect(t, primary, "postgres"))
		check.NoError(t, standby.WaitForReplay(ctx, primary))
		rows++
	})
	if n := countRows(t, connect(t, standby, "postgres")); n != rows {
		t.Errorf("%d rows, want %d", n, rows)
	}
}

func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	primary, first := newPair(t, testdb.StandbyConfig{})
	ctx := t.Context()
	second, err := primary.Standby(ctx, testdb.StandbyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := first.Promote(ctx); err != nil {
		t.Fatal(err)
	}
	write := connect(t, first, "postgres")
	insertRow(t, write)
	if err := second.Follow(ctx, first); err != nil {
		t.Fatal(err)
	}
	// One standby of the new primary was there before, one is made of it, and one of that one.
	third, err := first.Standby(ctx, testdb.StandbyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	cascading, err := third.Standby(ctx, testdb.StandbyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	insertRow(t, write)
	for i, standby := range []*testdb.Server{second, third, cascading} {
		if err := standby.WaitForReplay(ctx, first); err != nil {
			t.Fatal(err)
		}
		if n := countRows(t, connect(t, standby, "postgres")); n != 3 {
			t.Errorf("standby %d has %d rows, want 3", i, n)
		}
	}
	if err := first.Promote(ctx); err == nil || !strings.Contains(err.Error(), "standby1") {
		t.Errorf("promoting a primary: %v, want an error that names it", err)
	}
}

// The copy is made of files that change meanwhile.
func TestStandbyOfABusyPrimary(t *testing.T) {
	check.LongOnly(t)
	t.Parallel()
	primary := testdb.Primary(t, testdb.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() { churn(ctx, t, primary, fmt.Sprint("busy", i)) })
	}
	var standbys []*testdb.Server
	for range 2 {
		standby, err := primary.Standby(t.Context(), testdb.StandbyConfig{})
		if err != nil {
			t.Fatal(err)
		}
		standbys = append(standbys, standby)
	}
	cancel()
	writers.Wait()
	for _, standby := range standbys {
		if err := standby.WaitForReplay(t.Context(), primary); err != nil {
			t.Fatal(err, standby.Log())
		}
		for _, database := range []string{"busy0", "busy1"} {
			const sum = "select count(*) || ' ' || coalesce(sum(hashtext(t::text)), 0) from t"
			want := queryOne[string](t, connect(t, primary, database), sum)
			if got := queryOne[string](t, connect(t, standby, database), sum); got != want {
				t.Errorf("%s has %s, the primary %s", database, got, want)
			}
		}
	}
}

// churn creates, fills, rewrites and drops until ctx is over.
func churn(ctx context.Context, t *testing.T, s *testdb.Server, database string) {
	if err := s.CreateDatabase(context.Background(), database, ""); err != nil {
		t.Error(err)
		return
	}
	conn, err := pgx.Connect(context.Background(), s.DSN(database))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	statements := []string{
		"create table if not exists t (n int, filler text default repeat('x', 500))",
		"truncate t",
		"insert into t (n) select generate_series(1, 2000)",
		"update t set n = n + 1 where n % 3 = 0",
		"create table gone as select * from t",
		"drop table gone",
		"checkpoint",
	}
	for i := 0; ctx.Err() == nil; i++ {
		if _, err := conn.Exec(context.Background(), statements[i%len(statements)]); err != nil {
			t.Error(err)
			return
		}
	}
}

// What a closed standby leaves on its primary would keep the log from being removed for ever.
func TestClosingAStandbyLeavesNoSlot(t *testing.T) {
	t.Parallel()
	primary, first := newPair(t, testdb.StandbyConfig{})
	second, err := primary.Standby(t.Context(), testdb.StandbyConfig{})
	if err != nil {
		t.Fatal(err)
	}
	const slots = "select coalesce(string_agg(slot_name, ',' order by slot_name), '') from pg_replication_slots"
	for _, step := range []struct {
		action func() error
		want   string
	}{
		{func() error { return nil }, "standby1,standby2"},
		{func() error { return second.Follow(t.Context(), first) }, "standby1"},
		{first.Close, ""},
	} {
		if err := step.action(); err != nil {
			t.Fatal(err)
		}
		if got := queryOne[string](t, connect(t, primary, "postgres"), slots); got != step.want {
			t.Errorf("slots %q, want %q", got, step.want)
		}
	}
	if first.PID() != 0 || second.PID() == 0 || primary.PID() == 0 {
		t.Error("closing a standby closes that one and no other")
	}
}

func TestStandbyThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	primary := testdb.Primary(t, testdb.Config{})
	_, err := primary.Standby(t.Context(), testdb.StandbyConfig{Settings: map[string]string{"max_connections": "x"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "max_connections": "x"`) {
		t.Errorf("got %v, want the server's own words", err)
	}
	if _, err := primary.Standby(t.Context(), testdb.StandbyConfig{}); err != nil {
		t.Error("after one that failed:", err)
	}
	if err := primary.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := primary.Standby(t.Context(), testdb.StandbyConfig{}); err == nil {
		t.Error("a stopped server was copied")
	}
}

func TestLeaveOut(t *testing.T) {
	for name, want := range map[string]bool{
		"PG_VERSION":                      false,
		"base/5/1259":                     false,
		"base/5/pg_internal.init":         true,
		"base/pgsql_tmp/":                 true,
		"global/pg_control":               true,
		"global/pg_internal.init.99":      true,
		"pg_wal/000000010000000000000001": true,
		"pg_wal/00000002.history":         false,
		"pg_wal/archive_status/":          false,
		"pg_wal/archive_status/00.ready":  true,
		"pg_xact/0000":                    false,
		"pg_replslot/":                    false,
		"pg_replslot/slot/":               true,
		"pg_dynshmem/mmap.17":             true,
		"postmaster.pid":                  true,
		"standby.signal":                  true,
		"postgresql.auto.conf":            false,
		"pg_logical/snapshots/":           false,
		"pg_stat_tmp/global.stat":         true,
		"pg_subtrans/0000":                true,
	} {
		path, isDir := strings.CutSuffix(name, "/")
		if got := testdb.LeaveOut(path, isDir); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func BenchmarkStandby(b *testing.B) {
	primary := testdb.Primary(b, testdb.Config{})
	for b.Loop() {
		standby, err := primary.Standby(context.Background(), testdb.StandbyConfig{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := standby.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// newPair returns a primary whose database postgres has a table t with one row, and a standby of it.
func newPair(t *testing.T, cfg testdb.StandbyConfig) (primary, standby *testdb.Server) {
	t.Helper()
	primary = testdb.Primary(t, testdb.Config{})
	if _, err := connect(t, primary, "postgres").Exec(t.Context(), "create table t as select 1 as n"); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return primary, standby
}

func insertRow(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), "insert into t values (2)"); err != nil {
		t.Fatal(err)
	}
}

func countRows(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	return queryOne[int](t, conn, "select count(*) from t")
}
