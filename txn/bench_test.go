package txn_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// compare measures ours beside the same written by hand.
func compare(b *testing.B, ours func() error, twin string, hand func() error) {
	b.Helper()
	check.Compare(b, ours, check.Twin{Name: twin, Run: hand})
}

// benchBank has a bank without anything that watches.
func benchBank(b *testing.B) txn.Beginner {
	b.Helper()
	return testdb.Pool(b, bankSchema, testdb.MaxConns(1))
}

func benchmarkUpdate(b *testing.B, o ...txn.Options) {
	ctx, db := context.Background(), benchBank(b)
	update := func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE accounts SET balance = balance + $2 WHERE id = $1", 1, 1)
		return err
	}
	compare(b, func() error {
		return txn.Run(ctx, db, func(_ context.Context, tx pgx.Tx) error { return update(tx) }, o...)
	}, "beginfunc", func() error { return pgx.BeginFunc(ctx, db, update) })
}

func BenchmarkUpdate(b *testing.B)        { benchmarkUpdate(b) }
func BenchmarkUpdateTracked(b *testing.B) { benchmarkUpdate(b, txn.Options{TrackID: true}) }

// BenchmarkUpdatePosition asks for the position of the commit, which its twin does not.
func BenchmarkUpdatePosition(b *testing.B) { benchmarkUpdate(b, txn.Options{TrackPosition: true}) }

func BenchmarkRead(b *testing.B) {
	ctx, db := context.Background(), benchBank(b)
	read := func(tx pgx.Tx) error {
		var balance int64
		return tx.QueryRow(ctx, "SELECT balance FROM accounts WHERE id = $1", 1).Scan(&balance)
	}
	compare(b, func() error {
		return txn.Run(ctx, db, func(_ context.Context, tx pgx.Tx) error { return read(tx) })
	}, "beginfunc", func() error { return pgx.BeginFunc(ctx, db, read) })
}

// BenchmarkReadCancellable is BenchmarkRead as a service does it: under a
// context that can end.
func BenchmarkReadCancellable(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db := benchBank(b)
	read := func(ctx context.Context, tx pgx.Tx) error {
		var balance int64
		return tx.QueryRow(ctx, "SELECT balance FROM accounts WHERE id = $1", 1).Scan(&balance)
	}
	compare(b, func() error { return txn.Run(ctx, db, read) }, "beginfunc", func() error {
		return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return read(ctx, tx) })
	})
}

// BenchmarkTimeouts is beside a hand-written transaction that sets its timeouts
// with statements.
func BenchmarkTimeouts(b *testing.B) {
	ctx, db := context.Background(), benchBank(b)
	read := func(tx pgx.Tx) error {
		var balance int64
		return tx.QueryRow(ctx, "SELECT balance FROM accounts WHERE id = $1", 1).Scan(&balance)
	}
	o := txn.Options{LockTimeout: time.Second, StatementTimeout: time.Second}
	compare(b, func() error {
		return txn.Run(ctx, db, func(_ context.Context, tx pgx.Tx) error { return read(tx) }, o)
	}, "beginfunc", func() error {
		return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = 1000"); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 1000"); err != nil {
				return err
			}
			return read(tx)
		})
	})
}

// BenchmarkCheck is what a repository pays for looking whether it is used beside
// a transaction.
func BenchmarkCheck(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db := testdb.Pool(b, bankSchema)
	b.ReportAllocs()
	for b.Loop() {
		if err := handle.Check(ctx, db); err != nil {
			b.Fatal(err)
		}
	}
}
