//go:build unix

package testdb_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/testdb"
)

func TestCheckFindsAnAcquiredConnection(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	pool := testdb.Pool(tb, testdb.Empty)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tb.end()
	if !reported(tb.errors, "1 connections of the pool are still acquired") {
		t.Errorf("got %q", tb.errors)
	}
	conn.Release()
}

func TestCheckFindsRowsThatWereNotClosed(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	pool := testdb.Pool(tb, testdb.Empty)
	rows, err := pool.Query(t.Context(), "select generate_series(1, 100)")
	if err != nil {
		t.Fatal(err)
	}
	tb.end()
	if !reported(tb.errors, "still acquired", "rows not closed") {
		t.Errorf("got %q", tb.errors)
	}
	rows.Close()
}

func TestCheckFindsAnOpenTransaction(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	pool := testdb.Pool(tb, testdb.Empty)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := queryOne[int](t, tx, "select 4711"); n != 4711 {
		t.Fatal(n)
	}
	tb.end()
	if len(tb.errors) != 2 || !reported(tb.errors[:1], "still acquired") ||
		!reported(tb.errors[1:], "idle in transaction", "select 4711") {
		t.Errorf("got %q, want the connection, and the transaction with its last statement", tb.errors)
	}
	tx.Rollback(context.Background())
}

// A connection beside the pool is seen by the server only.
func TestCheckFindsATransactionBesideThePool(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	pool := testdb.Pool(tb, testdb.Empty)
	conn, err := pgx.Connect(t.Context(), pool.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "begin"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "broken"); err == nil {
		t.Fatal("no error")
	}
	tb.end()
	if !reported(tb.errors, "idle in transaction (aborted)") {
		t.Errorf("got %q", tb.errors)
	}
}

// A failed test has usually left its rest lying around; that must not hide the failure.
func TestCheckOnlyLogsWhenTheTestHasFailed(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	pool := testdb.Pool(tb, testdb.Empty)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tb.failed = true
	tb.end()
	if len(tb.errors) != 0 || !reported(tb.logs, "still acquired") {
		t.Errorf("got errors %q and logs %q", tb.errors, tb.logs)
	}
	conn.Release()
}

func TestCheckWaitsForConnectionsOnTheirWayBack(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	pool := testdb.Pool(tb, testdb.Empty)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	returned := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() {
		tx.Rollback(context.Background())
		close(returned)
	})
	tb.end()
	<-returned
	if tb.failed {
		t.Errorf("got %q, want no complaint about a connection that comes back within the grace", tb.errors)
	}
}

// A pool the test has closed itself, and a connection it has broken, are no leaks.
func TestCheckAllowsWhatIsNoLeak(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	pool := testdb.Pool(tb, testdb.Empty)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, "select pg_sleep(60)"); err == nil {
		t.Error("the statement was not cancelled")
	}
	conn.Release()
	pool.Close()
	tb.end()
	if tb.failed {
		t.Errorf("got %q", tb.errors)
	}
}
