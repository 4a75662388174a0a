package txn_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// TestStrayGoroutine lets a goroutine go on when its closure has returned: it is
// waited for and then cut off, and the pool is none the worse.
func TestStrayGoroutine(t *testing.T) {
	b := newBank(t)
	stray := make(chan error, 1)
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		started := make(chan struct{})
		go func() {
			close(started)
			_, err := tx.Exec(ctx, "SELECT pg_sleep($1)", 2)
			stray <- err
		}()
		<-started
		for { // until the goroutine is in its call
			if _, err := tx.Exec(ctx, "SELECT 1"); err != nil {
				return nil //nolint:nilerr // in use, as is wanted
			}
			time.Sleep(time.Millisecond)
		}
	}, txn.Options{CommitTimeout: 50 * time.Millisecond, MaxAttempts: 1})
	if err == nil {
		t.Error("a transaction that was in use was committed")
	}
	if err := <-stray; err == nil {
		t.Error("the stray statement was not cut off")
	}
	check.NoError(t, txn.Run(t.Context(), b, add(1, 1)))
}

// stuckRows never come.
type stuckRows struct{ asked, until chan struct{} }

func (r stuckRows) Next() bool             { close(r.asked); <-r.until; return false }
func (r stuckRows) Values() ([]any, error) { return nil, nil }
func (r stuckRows) Err() error             { return nil }

// TestStuckGoroutine lets a goroutine hang in a call that nothing can end: Run returns nevertheless.
func TestStuckGoroutine(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	stuck := stuckRows{make(chan struct{}), make(chan struct{})}
	stray := make(chan error, 1)
	start := time.Now()
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		go func() {
			_, err := tx.CopyFrom(ctx, pgx.Identifier{"names"}, []string{"name"}, stuck)
			stray <- err
		}()
		<-stuck.asked
		return nil
	}, txn.Options{CommitTimeout: 50 * time.Millisecond, MaxAttempts: 1})
	if took := time.Since(start); err == nil || took > testdb.Patience(time.Second) {
		t.Errorf("got %v after %v", err, took)
	}
	close(stuck.until)
	if err := <-stray; err == nil {
		t.Error("rows were copied after the end")
	}
	free(t, b)
	check.NoError(t, txn.Run(t.Context(), b, add(1, 1)))
}

// stuckScan is a type that never finishes scanning itself.
type stuckScan struct{ asked, until chan struct{} }

func (s stuckScan) Scan(any) error { close(s.asked); <-s.until; return nil }

// TestStuckScan is TestStuckGoroutine for a goroutine that hangs while rows are open: it ends the transaction itself
// when it goes on.
func TestStuckScan(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	stuck := stuckScan{make(chan struct{}), make(chan struct{})}
	gone := make(chan bool, 1)
	check.Error(t, "left", txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		go func() {
			rows, _ := tx.Query(ctx, "SELECT name FROM names UNION SELECT 'x'")
			rows.Next()
			_ = rows.Scan(&stuck)
			gone <- rows.Next()
		}()
		<-stuck.asked
		return nil
	}, txn.Options{CommitTimeout: 20 * time.Millisecond, MaxAttempts: 1}), smrt.ErrTxConcurrentUse)
	close(stuck.until)
	check.Same(t, "rows afterwards", <-gone, false)
	free(t, b)
	check.NoError(t, txn.Run(t.Context(), b, add(1, 1)))
}
