package txn_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// TestRunEnds proves how a transaction ends: nil commits, everything else rolls
// back, and the connection is free afterwards.
func TestRunEnds(t *testing.T) {
	b := newBank(t)
	ctx := t.Context()
	check.NoError(t, txn.Run(ctx, b, add(1, 5)))
	check.Same(t, "committed", b.balance(t, 1), 1005)

	err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, add(1, 5)(ctx, tx))
		return errOwn
	})
	if err != errOwn { //nolint:errorlint // it is to be returned as it is
		t.Errorf("got %v, want the closure's error", err)
	}
	func() {
		defer func() { check.Same(t, "panic", recover(), any("help")) }()
		_ = txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, add(1, 5)(ctx, tx))
			panic("help")
		})
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			_ = add(1, 5)(ctx, tx)
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	check.Same(t, "rolled back", b.balance(t, 1), 1005)
	check.Same(t, "connections in use", b.Stat().AcquiredConns(), 0)
	check.Same(t, "connections opened", b.Stat().NewConnsCount(), 1) // each was rolled back in order
}

// TestRollbackUnderEndedContext proves that a rollback is sent though the
// caller's context has ended: the connection survives.
func TestRollbackUnderEndedContext(t *testing.T) {
	b := newBank(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, add(1, 5)(ctx, tx))
		cancel()
		return errOwn
	})
	check.Error(t, "closure", err, errOwn)
	ctx, cancel = context.WithCancel(t.Context())
	err = txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, add(1, 5)(ctx, tx))
		cancel()
		return nil
	})
	check.Error(t, "context ended before COMMIT", err, context.Canceled)
	check.Same(t, "balance", b.balance(t, 1), 1000)
	check.Same(t, "connections opened", b.Stat().NewConnsCount(), 1)

	// Control: pgx's own helper drops the connection.
	ctx, cancel = context.WithCancel(t.Context())
	_ = pgx.BeginFunc(ctx, b, func(pgx.Tx) error { cancel(); return errOwn })
	b.balance(t, 1)
	check.Same(t, "connections opened by pgx", b.Stat().NewConnsCount(), 2)
}

// TestRoundTrips counts what is sent.
func TestRoundTrips(t *testing.T) {
	b := newBank(t)
	limits := txn.Options{Isolation: pgx.Serializable, LockTimeout: time.Second, StatementTimeout: 2 * time.Second, IdleTimeout: time.Minute}
	keyed := limits
	for name, c := range map[string]struct {
		options txn.Options
		sends   int
		first   string
	}{
		"plain":          {txn.Options{}, 3, "begin"},
		"read only":      {txn.Options{ReadOnly: true, Isolation: pgx.Serializable, Deferrable: true}, 3, "begin isolation level serializable read only deferrable"},
		"limits":         {limits, 3, "begin isolation level serializable; set local statement_timeout = 2000; set local lock_timeout = 1000; set local idle_in_transaction_session_timeout = 60000"},
		"key":            {txn.Options{Key: "a"}, 3, "begin"},
		"key and limits": {keyed, 3, "begin isolation level serializable"},
		"id":             {txn.Options{TrackID: true}, 3, "begin"},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 2 { // the second time everything is prepared
				o := c.options
				if strings.HasPrefix(name, "key") {
					o.Key = name + string(rune('0'+i))
				}
				b.sent.Reset()
				check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
					var one int
					return tx.QueryRow(ctx, "SELECT count(*) FROM accounts WHERE id = $1", 1).Scan(&one)
				}, o))
			}
			check.Same(t, "round trips", b.sent.Sends(), c.sends)
			if got := b.sent.Statements()[0]; !strings.HasPrefix(got, c.first) {
				t.Errorf("began with %q, want %q", got, c.first)
			}
		})
	}
}

// TestOptionsHold asks the server what the options made of the transaction.
func TestOptionsHold(t *testing.T) {
	b := newBank(t)
	o := txn.Options{
		Isolation: pgx.RepeatableRead, LockTimeout: 1500 * time.Millisecond, StatementTimeout: 2 * time.Second, IdleTimeout: time.Minute,
	}
	keyed := o
	keyed.Key = "hold"
	for _, o := range []txn.Options{o, keyed} {
		check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			for setting, want := range map[string]string{
				"transaction_isolation": "repeatable read", "lock_timeout": "1500ms", "statement_timeout": "2s",
				"idle_in_transaction_session_timeout": "1min",
			} {
				check.Same(t, setting, one[string](t, tx, "SELECT current_setting($1)", setting), want)
			}
			return nil
		}, o))
	}
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.Same(t, "lock_timeout with a key", one[string](t, tx, "SELECT current_setting('lock_timeout')"), "0")
		return nil
	}, txn.Options{Key: "default"}))
	check.Same(t, "afterwards", one[string](t, b, "SELECT current_setting('lock_timeout')"), "0")
	err := txn.Run(t.Context(), b, add(1, 1), txn.Options{ReadOnly: true, Isolation: pgx.Serializable, Deferrable: true})
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "25006" {
		t.Errorf("a write in a read-only transaction: got %v", err)
	}
}

// TestTimeouts proves the sentinels of the server's timeouts.
func TestTimeouts(t *testing.T) {
	b := newBank(t, testdb.MaxConns(2))
	sleep := func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_sleep($1)", 5)
		return err
	}
	err := txn.Run(t.Context(), b, sleep, txn.Options{StatementTimeout: 20 * time.Millisecond})
	check.Error(t, "statement timeout", err, smrt.ErrStatementTimeout)

	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		time.Sleep(150 * time.Millisecond)
		return add(1, 1)(ctx, tx)
	}, txn.Options{IdleTimeout: 20 * time.Millisecond})
	check.Error(t, "idle timeout", err, smrt.ErrTxTimedOut)

	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, add(1, 1)(ctx, tx))
		err := txn.Run(txn.WithoutTx(ctx), b, add(1, 1), txn.Options{LockTimeout: 20 * time.Millisecond})
		check.Error(t, "lock timeout", err, smrt.ErrLockTimeout)
		return nil
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	check.Error(t, "caller's deadline", txn.Run(ctx, b, sleep), context.DeadlineExceeded)
}

// TestBadOptions proves that what cannot work is refused before anything is
// sent, and by name.
func TestBadOptions(t *testing.T) {
	b := newBank(t)
	for option, o := range map[string]txn.Options{
		"Isolation":        {Isolation: "serializable; drop table accounts"},
		"Deferrable":       {Deferrable: true},
		"Nested":           {Nested: 9},
		"MaxAttempts":      {MaxAttempts: -1},
		"MaxElapsed":       {MaxElapsed: -1},
		"CommitTimeout":    {CommitTimeout: -1},
		"Key":              {Key: "a\x00b"},
		"TrackID":          {TrackID: true, ReadOnly: true},
		"Markers":          {Markers: pgx.Identifier{"a", "b", "c"}},
		"StatementTimeout": {StatementTimeout: time.Microsecond},
		"LockTimeout":      {LockTimeout: 1000 * time.Hour},
		"IdleTimeout":      {IdleTimeout: -time.Second},
	} {
		err := txn.Run(t.Context(), b, nothing, o)
		var bad *smrt.OptionsError
		if !errors.As(err, &bad) || bad.Option != option || !errors.Is(err, smrt.ErrBadOptions) {
			t.Errorf("%s: got %v", option, err)
		}
	}
	for what, err := range map[string]error{
		"long key":       txn.Run(t.Context(), b, nothing, txn.Options{Key: strings.Repeat("k", 256)}),
		"read-only key":  txn.Run(t.Context(), b, nothing, txn.Options{Key: "k", ReadOnly: true}),
		"empty table":    txn.Run(t.Context(), b, nothing, txn.Options{Markers: pgx.Identifier{""}}),
		"options twice":  txn.Run(t.Context(), b, nothing, txn.Options{}, txn.Options{}),
		"no closure":     txn.Run(t.Context(), b, nil),
		"no handle":      txn.Run(t.Context(), nil, nothing),
		"no BeginTx":     txn.Run(t.Context(), plainBeginner{b}, nothing, txn.Options{ReadOnly: true}),
		"cannot begin":   txn.Run(t.Context(), txn.Checked(onlyDB{b}), nothing),
		"strange handle": txn.Run(t.Context(), strange{}, nothing, txn.Options{MaxAttempts: 1}),
	} {
		if what == "strange handle" {
			check.Error(t, what, err, errOwn)
			continue
		}
		check.Error(t, what, err, smrt.ErrBadOptions)
	}
	//lint:ignore SA1012 a nil context is what is tested
	check.Error(t, "nil context", txn.Run(nil, b, nothing), smrt.ErrNilContext) //nolint:staticcheck
	check.Same(t, "statements", b.sent.Len(), 0)
	check.NoError(t, txn.Run(t.Context(), plainBeginner{b}, add(1, 1)))
	check.NoError(t, txn.Run(t.Context(), plainBeginner{b}, add(1, 1), txn.Options{Key: "two round trips"}))
	check.Same(t, "balance", b.balance(t, 1), 1002)
}

// plainBeginner can begin and nothing else.
type plainBeginner struct{ b txn.Beginner }

func (p plainBeginner) Begin(ctx context.Context) (pgx.Tx, error) { return p.b.Begin(ctx) }

// onlyDB cannot begin.
type onlyDB struct{ smrt.DB }

// strange is a handle that cannot be compared, and fails.
type strange struct{ _ []int }

func (strange) Begin(context.Context) (pgx.Tx, error) { return nil, errOwn }

// TestConnection proves that a connection serves as well as a pool, and is left
// alone while somebody else's transaction is open on it.
func TestConnection(t *testing.T) {
	b := newBank(t)
	conn, err := b.Acquire(t.Context())
	check.NoError(t, err)
	defer conn.Release()
	check.NoError(t, txn.Run(t.Context(), conn, add(1, 1)))
	check.NoError(t, txn.Run(t.Context(), conn.Conn(), add(1, 1), txn.Options{Key: "c"}))
	check.Same(t, "balance", one[int64](t, conn, "SELECT balance FROM accounts WHERE id = 1"), 1002)

	tx, err := conn.Begin(t.Context())
	check.NoError(t, err)
	check.Error(t, "pooled connection in a transaction", txn.Run(t.Context(), conn, nothing), smrt.ErrTxOpen)
	check.Error(t, "connection in a transaction", txn.Run(t.Context(), conn.Conn(), nothing), smrt.ErrTxOpen)
	check.NoError(t, tx.Rollback(t.Context()))

	check.NoError(t, conn.Conn().Close(t.Context()))
	check.Faster(t, "to refuse a closed connection", time.Second, func() {
		if err := txn.Run(t.Context(), conn.Conn(), nothing); err == nil {
			t.Error("a closed connection had no error")
		}
	})
}

// TestTransactionByHand proves that a closure inside a transaction that was
// begun by hand is undone alone, and committed with it.
func TestTransactionByHand(t *testing.T) {
	b := newBank(t)
	tx, err := b.Begin(t.Context())
	check.NoError(t, err)
	check.NoError(t, txn.Run(t.Context(), tx, func(ctx context.Context, tx pgx.Tx) error { return name(ctx, tx, "a") }))
	err = txn.Run(t.Context(), tx, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, name(ctx, tx, "b"))
		check.Error(t, "hook", txn.AfterCommit(ctx, func(context.Context) {}), smrt.ErrNoTx)
		return name(ctx, tx, "a")
	})
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "23505" {
		t.Errorf("got %v", err)
	}
	check.Error(t, "key", txn.Run(t.Context(), tx, nothing, txn.Options{Key: "k"}), smrt.ErrBadOptions)
	check.NoError(t, tx.Commit(t.Context()))
	check.Same(t, "names", b.names(t), "a")
}

// TestEndedInside proves that SQL which ends the transaction is noticed.
func TestEndedInside(t *testing.T) {
	b := newBank(t)
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "COMMIT")
		return err
	})
	check.Error(t, "COMMIT in the closure", err, smrt.ErrBadOptions)
}

// TestModes runs in each of pgx's modes but the simple protocol.
func TestModes(t *testing.T) {
	testdb.InEachMode(t, func(t *testing.T, mode testdb.Option) {
		t.Parallel()
		b := newBank(t, mode)
		for i := range 2 {
			o := txn.Options{Key: string(rune('a' + i)), LockTimeout: time.Second}
			check.NoError(t, txn.Run(t.Context(), b, add(1, 1), o))
			check.Error(t, "again", txn.Run(t.Context(), b, add(1, 1), o), smrt.ErrAlreadyApplied)
		}
		check.Same(t, "balance", b.balance(t, 1), 1002)
		check.Same(t, "idle", slices.Contains(b.sent.Statements(), "rollback"), true)
	})
}
