package smrtprom_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/txn"
)

// runTwice runs a transaction that has a conflict at first.
func runTwice(t *testing.T, p *pool.Pool) {
	t.Helper()
	attempts := 0
	check.NoError(t, txn.Run(t.Context(), p, func(ctx context.Context, tx pgx.Tx) error {
		sql := "SELECT 1"
		if attempts++; attempts == 1 {
			sql = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"
		}
		_, err := tx.Exec(ctx, sql)
		return err
	}))
}

// TestTransactionsAreScraped by how they ended.
func TestTransactionsAreScraped(t *testing.T) {
	t.Parallel()
	s, p := main1(t, observe.Config{})
	runTwice(t, p)
	stop := errors.New("stop")
	check.Error(t, "given up", txn.Run(t.Context(), p, func(context.Context, pgx.Tx) error { return stop }), stop)
	got := samples(t, s.text(t))
	for series, want := range map[string]float64{
		`smrt_tx_begun_total{observer="main"}`:                                                     3,
		`smrt_tx_total{observer="main",outcome="committed"}`:                                       1,
		`smrt_tx_total{observer="main",outcome="rolled_back"}`:                                     2,
		`smrt_commit_unknown_total{observer="main"}`:                                               0,
		`smrt_tx_retries_total{observer="main",sqlstate="40001"}`:                                  1,
		`smrt_tx_seconds_count{observer="main"}`:                                                   3,
		`smrt_tx_seconds_bucket{observer="main",le="+Inf"}`:                                        3,
		`smrt_statements_total{observer="main",operation="commit",outcome="ok",query="",table=""}`: 1,
	} {
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v (there: %t), want %v", series, n, ok, want)
		}
	}
	if open, idle := got[`smrt_tx_seconds_sum{observer="main"}`], got[`smrt_tx_idle_seconds_total{observer="main"}`]; open <= 0 || idle < 0 || idle > open {
		t.Errorf("open for %v s, idle for %v s", open, idle)
	}
}
