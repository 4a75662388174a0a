package txn_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// A server that ends a connection says why and closes it. Who writes to the
// connection then either gets to read that, or learns only that it is closed.
const (
	wordsFirst = "its words are read"
	writeFails = "writing fails"
	asItComes  = "as it comes"
)

var orders = []string{wordsFirst, writeFails, asItComes}

// ender ends connections, and observes that they are ended.
type ender struct{ observer *bank }

// gone waits until the server has ended a connection, whose last words are on
// their way then.
func (e ender) gone(t *testing.T, pid uint32) {
	t.Helper()
	deadline := time.Now().Add(testdb.Patience(5 * time.Second))
	for one[bool](t, e.observer, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid) {
		if time.Now().After(deadline) {
			t.Fatal("the server does not end the connection")
		}
		time.Sleep(time.Millisecond)
	}
}

// tooLong lets the server end a transaction that does nothing for too long.
func (e ender) tooLong(t *testing.T, tx pgx.Tx) {
	t.Helper()
	pid := tx.Conn().PgConn().PID()
	_, err := tx.Exec(t.Context(), "SET LOCAL idle_in_transaction_session_timeout = 10")
	check.NoError(t, err)
	e.gone(t, pid)
}

// terminated ends the connection of a transaction.
func (e ender) terminated(t *testing.T, tx pgx.Tx) {
	t.Helper()
	pid := tx.Conn().PgConn().PID()
	check.Same(t, "terminated", one[bool](t, e.observer, "SELECT pg_terminate_backend($1)", pid), true)
	e.gone(t, pid)
}

// next lets what is sent next, on a connection that has ended, fail in one of the
// orders. What is sent into a partition does not arrive, and is answered by what
// came before it. The partition ends with the dial of another connection.
func (b *bank) next(t *testing.T, order string) {
	t.Helper()
	switch order {
	case writeFails:
		b.link.Arm(testdb.Fault{Sent: 0, Received: -1})
	case wordsFirst:
		b.link.Partition()
		var healed sync.WaitGroup
		t.Cleanup(healed.Wait)
		healed.Go(func() {
			for t.Context().Err() == nil && b.Stat().ConstructingConns() == 0 {
				time.Sleep(time.Millisecond)
			}
			b.link.Heal()
		})
	}
}

// places are where a closure meets the end of its connection. Behind nothing
// COMMIT does.
var places = map[string]txn.Func{
	"statement": add(1, 1),
	"join":      func(ctx context.Context, tx pgx.Tx) error { return txn.Run(ctx, tx, add(1, 1)) },
	"savepoint": func(ctx context.Context, tx pgx.Tx) error {
		return txn.Run(ctx, tx, add(1, 1), txn.Options{Nested: txn.Savepoint})
	},
	"swallowed": func(ctx context.Context, tx pgx.Tx) error { _ = add(1, 1)(ctx, tx); return nil },
	"own error": func(ctx context.Context, tx pgx.Tx) error {
		if add(1, 1)(ctx, tx) != nil {
			return errOwn
		}
		return nil
	},
	"commit": nothing,
}

// TestEndedWhileIdle: nothing of a transaction is committed whose connection the
// server has ended before COMMIT was sent, however the client learns of it; it is
// run again, and applied once.
func TestEndedWhileIdle(t *testing.T) {
	e := ender{newBank(t)}
	for _, order := range orders {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			b := newBank(t, testdb.MaxConns(1))
			for how, end := range map[string]func(*testing.T, pgx.Tx){"idle": e.tooLong, "terminated": e.terminated} {
				for place, fn := range places {
					if how == "terminated" && place == "commit" {
						continue // TestCommitOfATerminatedConnection
					}
					t.Run(how+","+place, func(t *testing.T) {
						before := b.balance(t, 2)
						result, err := txn.RunResult(t.Context(), b, b.endedOnce(t, end, order, fn))
						check.NoError(t, err)
						check.Same(t, "attempts", result.Attempts, 2)
						check.Same(t, "doubts", result.Doubts, 0)
						check.Same(t, "balance of a row of each attempt", b.balance(t, 2), before+1)
					})
				}
			}
		})
	}
}

// endedOnce is a closure that writes, and whose connection is ended in its first
// run before fn.
func (b *bank) endedOnce(t *testing.T, end func(*testing.T, pgx.Tx), order string, fn txn.Func) txn.Func {
	t.Helper()
	runs := 0
	return func(ctx context.Context, tx pgx.Tx) error {
		if err := add(2, 1)(ctx, tx); err != nil {
			return err
		}
		if runs++; runs == 1 {
			end(t, tx)
			b.next(t, order)
		}
		return fn(ctx, tx)
	}
}

// TestCommitOfATerminatedConnection: only a connection that was idle for too long
// is known to have been ended before COMMIT was looked at.
func TestCommitOfATerminatedConnection(t *testing.T) {
	e, b := ender{newBank(t)}, newBank(t, testdb.MaxConns(1))
	result, err := txn.RunResult(t.Context(), b, b.endedOnce(t, e.terminated, wordsFirst, nothing))
	check.Error(t, "57P01 in answer to COMMIT", err, smrt.ErrCommitUnknown)
	check.Same(t, "attempts", result.Attempts, 1)
}

// TestIdleTimeoutOfRun: a transaction that was idle for longer than the caller of
// Run allows is not run again, however the client learns of it.
func TestIdleTimeoutOfRun(t *testing.T) {
	e := ender{newBank(t)}
	limit := testdb.Patience(100 * time.Millisecond)
	end := func(t *testing.T, tx pgx.Tx) {
		before := time.Now()
		e.gone(t, tx.Conn().PgConn().PID())
		time.Sleep(limit - time.Since(before)) // the server began to count before the last answer was here
	}
	for _, order := range orders {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			b := newBank(t, testdb.MaxConns(1))
			for place, fn := range places {
				t.Run(place, func(t *testing.T) {
					result, err := txn.RunResult(t.Context(), b, b.endedOnce(t, end, order, fn), txn.Options{IdleTimeout: limit})
					b.link.Heal()
					if place == "own error" {
						check.Error(t, "the closure's", err, errOwn)
					} else {
						check.Error(t, "idle", err, smrt.ErrTxTimedOut)
					}
					check.Same(t, "given up", errors.Is(err, smrt.ErrRetriesExhausted), false)
					check.Same(t, "attempts", result.Attempts, 1)
					check.Same(t, "balance", b.balance(t, 2), 1000)
				})
			}
		})
	}
}

// TestBeginOnAnIdleConnection begins a transaction on a connection that the server
// has ended because it was idle in the pool for too long.
func TestBeginOnAnIdleConnection(t *testing.T) {
	e := ender{newBank(t)}
	if one[bool](t, e.observer, "SELECT current_setting('idle_session_timeout', true) IS NULL") {
		t.Skip("the server has no idle_session_timeout")
	}
	b := newBank(t, testdb.MaxConns(1))
	for what, o := range map[string]txn.Options{"plain": {}, "key": {Key: "k"}, "position": {TrackPosition: true}} {
		for _, order := range orders {
			t.Run(what+","+order, func(t *testing.T) {
				o := o
				if o.Key != "" {
					o.Key += order
				}
				before := b.balance(t, 1)
				pid := one[uint32](t, b, "SELECT pg_backend_pid() FROM set_config('idle_session_timeout', '10', false)")
				e.gone(t, pid)
				b.next(t, order)
				check.NoError(t, txn.Run(t.Context(), b, add(1, 1), o))
				check.Same(t, "balance", b.balance(t, 1), before+1)
			})
		}
	}
}

// TestTransactionTimeout: a transaction that took longer than the server allows is
// not run again, whether it worked or waited, if the client gets to read that.
func TestTransactionTimeout(t *testing.T) {
	e := ender{newBank(t)}
	testdb.Since(t, e.observer, 17)
	b := newBank(t, testdb.MaxConns(1))
	const limit = "SELECT pg_sleep(600 * length(set_config('transaction_timeout', '20', true)) * $1)"
	for what, fn := range map[string]txn.Func{
		"in a statement": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, limit, 1)
			return err
		},
		"between statements": func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, limit, 0); err != nil {
				return err // took that long
			}
			e.gone(t, tx.Conn().PgConn().PID())
			b.next(t, wordsFirst)
			return add(1, 1)(ctx, tx)
		},
	} {
		t.Run(what, func(t *testing.T) {
			before := b.balance(t, 1)
			result, err := txn.RunResult(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
				check.NoError(t, add(1, 1)(ctx, tx))
				return fn(ctx, tx)
			})
			b.link.Heal()
			check.Error(t, "timeout", err, smrt.ErrTxTimedOut)
			check.Same(t, "attempts", result.Attempts, 1)
			check.Same(t, "doubts", result.Doubts, 0)
			check.Same(t, "balance", b.balance(t, 1), before)
		})
	}
}
