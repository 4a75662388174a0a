package pool_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// A pool that drains lends nothing, and lets what is lent come to its end.
func TestDrain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 2, AcquireTimeout: -1})
	tx := check.Value(p.Begin(ctx))(t)
	other := check.Value(p.Acquire(ctx))(t)
	waiting := make(chan error)
	go func() { waiting <- p.Ping(ctx) }()
	time.Sleep(20 * time.Millisecond) // until Ping waits, as a rule; otherwise it is told the same

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	err := p.Drain(short)
	check.Error(t, "Drain", err, context.DeadlineExceeded)
	if !strings.Contains(err.Error(), "2 connections are still lent") {
		t.Errorf("got %v", err)
	}
	_, err = p.Acquire(ctx)
	check.Error(t, "Acquire while draining", err, smrt.ErrPoolClosed)
	_, err = tx.Exec(ctx, "UPDATE items SET name = 'x' WHERE id = 1")
	check.NoError(t, err)
	time.AfterFunc(50*time.Millisecond, other.Release)
	check.NoError(t, tx.Commit(ctx))
	check.NoError(t, p.Drain(ctx))
	check.Error(t, "who waited", <-waiting, smrt.ErrPoolClosed)
	check.Error(t, "Ping of a closed pool", p.Ping(ctx), smrt.ErrPoolClosed)
	check.NoError(t, p.Drain(ctx))
	p.Close()
	check.Same(t, "connections of the server", p.Stats().OnServer, 0)

	conn := check.Value(pgx.Connect(ctx, p.Config().ConnString()))(t)
	defer conn.Close(ctx)
	var name string
	check.NoError(t, conn.QueryRow(ctx, "SELECT name FROM items WHERE id = 1").Scan(&name))
	check.Same(t, "what was lent has done", name, "x")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	idle := open(t, pool.Config{URL: url(t)})
	check.NoError(t, idle.Ping(ctx))
	for s := idle.Pgx().Stat(); s.AcquiredConns()+s.ConstructingConns() > 0; s = idle.Pgx().Stat() { // given back beside the caller
		time.Sleep(time.Millisecond)
	}
	check.NoError(t, idle.Drain(ended))
	check.Error(t, "nil context", p.Drain(nil), smrt.ErrNilContext) //nolint:staticcheck // a mistake of the caller
}

// A warm pool has its connections, and each of them knows the statements.
func TestWarm(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 5, MinConns: 3})
	const sql = "SELECT name FROM items WHERE id = $1"
	var runs atomic.Int32
	check.NoError(t, p.Warm(ctx, func(ctx context.Context, db smrt.DB) error {
		runs.Add(1)
		return db.QueryRow(ctx, sql, 1).Scan(new(string))
	}))
	check.Same(t, "runs", runs.Load(), 3)
	conns := p.Pgx().AcquireAllIdle(ctx)
	if len(conns) < 3 {
		t.Errorf("%d connections are idle, want 3", len(conns))
	}
	warm := 0
	for _, conn := range conns {
		var n int
		check.NoError(t, conn.QueryRow(ctx, "SELECT count(*) FROM pg_prepared_statements WHERE statement = $1", sql).Scan(&n))
		warm += n
		conn.Release()
	}
	check.Same(t, "connections that have prepared it", warm, 3)

	func() { // on the caller's goroutine, where it can be caught
		defer func() { check.Equal(t, "panic", recover(), any("cold")) }()
		_ = p.Warm(ctx, func(context.Context, smrt.DB) error { panic("cold") })
	}()
	failed := errors.New("no such thing")
	err := p.Warm(ctx, func(context.Context, smrt.DB) error { return failed })
	check.Error(t, "a use that fails", err, failed)
	check.Same(t, "lent", p.Stats().InUse, 0)
	check.Error(t, "nil context", p.Warm(nil), smrt.ErrNilContext) //nolint:staticcheck // a mistake of the caller
}

// Connections end with their time, and are counted.
func TestRecycling(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: url(t) + "&pool_max_conn_lifetime_jitter=1ms", MaxConns: 2, MinConns: -1, MaxConnLifetime: 50 * time.Millisecond})
	for end := time.Now().Add(testdb.Patience(2 * time.Second)); p.Stats().Recycled == 0; {
		check.NoError(t, p.Ping(t.Context()))
		time.Sleep(60 * time.Millisecond)
		if time.Now().After(end) {
			t.Fatalf("statistics: %+v", p.Stats())
		}
	}
}

// What was found out about the server.
func TestServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), Lazy: true})
	check.NoError(t, p.Ping(ctx))
	got := p.Server()
	var want pool.Server
	check.NoError(t, p.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, system_identifier, timeline_id::bigint
		FROM pg_control_system(), pg_control_checkpoint()`).Scan(&want.Version, &want.System, &want.Timeline))
	want.Mode, want.Prepares = pool.Direct, true
	check.Same(t, "server", got, want)
}

// A role may not be allowed to ask for everything.
func TestServerForbidsQuestions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dsn := url(t)
	conn := check.Value(pgx.Connect(ctx, dsn))(t)
	defer conn.Close(ctx)
	_, err := conn.Exec(ctx, "CREATE ROLE pool_test_nobody LOGIN")
	check.NoError(t, err)
	defer func() { _, _ = conn.Exec(ctx, "DROP ROLE pool_test_nobody") }()
	for _, f := range []string{"pg_control_system()", "pg_control_checkpoint()"} {
		_, err = conn.Exec(ctx, "REVOKE EXECUTE ON FUNCTION "+f+" FROM public")
		check.NoError(t, err)
	}
	p := open(t, pool.Config{URL: dsn + "&user=pool_test_nobody", MinConns: -1})
	s := p.Server()
	check.Same(t, "system", s.System, 0)
	check.Same(t, "mode", s.Mode, pool.Direct)
	if s.Version == 0 {
		t.Error("there is no version")
	}
	p.Close()
}
