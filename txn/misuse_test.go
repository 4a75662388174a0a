package txn_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// TestNilArguments gives nil, and nil pointers in interfaces, to everything that takes a handle.
func TestNilArguments(t *testing.T) {
	b := newBank(t)
	ctx := t.Context()
	pool, conn, tx := (*pgxpool.Pool)(nil), (*pgx.Conn)(nil), (*pgxpool.Tx)(nil)
	lock := txn.NewLock[int]("nil")
	doubt := &smrt.CommitUnknownError{XID: "1", Err: errOwn}
	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	_, guarded := txn.Checked(pool).Exec(ctx, "SELECT 1")
	rows, query := txn.Checked(nil).Query(ctx, "SELECT 1")
	rows.Close()
	_, copied := txn.Checked(nil).CopyFrom(ctx, pgx.Identifier{"names"}, []string{"name"}, pgx.CopyFromRows(nil))
	_, begun := txn.Checked(nil).Begin(ctx)
	_, resolved := txn.Resolve(ctx, nil, doubt)
	_, resolvedPool := txn.Resolve(ctx, pool, doubt)
	for what, err := range map[string]error{
		"pool":              txn.Run(ctx, pool, nothing),
		"connection":        txn.Run(ctx, conn, nothing),
		"pooled connection": txn.Run(ctx, (*pgxpool.Conn)(nil), nothing),
		"transaction":       txn.Run(ctx, tx, nothing),
		"guard":             txn.Run(ctx, (*txn.CheckedDB)(nil), nothing),
		"guarded nil":       txn.Run(ctx, txn.Checked(nil), nothing),
		"guarded pool":      txn.Run(ctx, txn.Checked(pool), nothing),
		"Exec":              guarded, "Query": query, "CopyFrom": copied, "Begin": begun,
		"QueryRow":      txn.Checked(nil).QueryRow(ctx, "SELECT 1").Scan(new(int)),
		"SendBatch":     txn.Checked(nil).SendBatch(ctx, batch).Close(),
		"Pipeline":      txn.Pipeline(ctx, pool, func(context.Context, smrt.DB) error { return nil }),
		"Resolve":       resolved,
		"Resolve, pool": resolvedPool,
	} {
		check.Error(t, what, err, smrt.ErrBadOptions)
	}
	check.Error(t, "lock", lock.Acquire(ctx, tx, 1), smrt.ErrNoTx)
	check.NoError(t, txn.Run(ctx, b, func(ctx context.Context, _ pgx.Tx) error {
		err := txn.Run(ctx, b, nothing, txn.Options{Nested: txn.Independent, Reserve: pool})
		check.Error(t, "reserve", err, smrt.ErrNoReserve)
		err = txn.Run(ctx, b, nothing, txn.Options{Nested: txn.Independent, Reserve: txn.Checked(pool)})
		check.Error(t, "guarded reserve", err, smrt.ErrNoReserve)
		return nil
	}))
	check.Error(t, "short commit", txn.Run(ctx, b, nothing, txn.Options{CommitTimeout: 1}), smrt.ErrBadOptions)
}

// bomb is a type of the caller that panics when it is sent or scanned.
type bomb struct{}

func (bomb) Value() (driver.Value, error) { panic("bomb") }
func (*bomb) Scan(any) error              { panic("bomb") }

// TestPanicsBelow lets what is called from inside pgx panic: the closure's panic goes on at once, and the connection is
// given back, or dropped where it is in the middle of something.
func TestPanicsBelow(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	queued := func(ctx context.Context, tx pgx.Tx) pgx.BatchResults {
		batch := &pgx.Batch{}
		batch.Queue("SELECT 1").QueryRow(func(pgx.Row) error { panic("bomb") })
		batch.Queue("SELECT 2")
		return tx.SendBatch(ctx, batch)
	}
	for what, fn := range map[string]txn.Func{
		"Exec": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT $1::text", bomb{})
			return err
		},
		"Query": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Query(ctx, "SELECT $1::text", bomb{})
			return err
		},
		"QueryRow": func(ctx context.Context, tx pgx.Tx) error {
			return tx.QueryRow(ctx, "SELECT $1::text", bomb{}).Scan(nil)
		},
		"SendBatch": func(ctx context.Context, tx pgx.Tx) error {
			batch := &pgx.Batch{}
			batch.Queue("SELECT $1::text", bomb{})
			return tx.SendBatch(ctx, batch).Close()
		},
		"row": func(ctx context.Context, tx pgx.Tx) error { return tx.QueryRow(ctx, "SELECT 'x'").Scan(&bomb{}) },
		"rows": func(ctx context.Context, tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, "SELECT id FROM accounts")
			rows.Next()
			return rows.Scan(&bomb{})
		},
		"batch":           func(ctx context.Context, tx pgx.Tx) error { return queued(ctx, tx).Close() },
		"batch left open": func(ctx context.Context, tx pgx.Tx) error { queued(ctx, tx); return nil },
		"nil context":     func(_ context.Context, tx pgx.Tx) error { _, err := tx.Exec(nil, "SELECT 1"); return err }, //nolint:staticcheck // that is tested
		"savepoint": func(ctx context.Context, tx pgx.Tx) error {
			return txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
				return tx.QueryRow(ctx, "SELECT 'x'").Scan(&bomb{})
			}, txn.Options{Nested: txn.Savepoint})
		},
	} {
		t.Run(what, func(t *testing.T) {
			start := time.Now()
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic did not reach the caller")
					}
				}()
				_ = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
					check.NoError(t, add(1, 1)(ctx, tx))
					return fn(ctx, tx)
				})
			}()
			if took := time.Since(start); took > testdb.Patience(time.Second) {
				t.Errorf("took %v", took)
			}
			free(t, b)
			check.NoError(t, txn.Run(t.Context(), b, add(2, 1)))
		})
	}
	check.Same(t, "rolled back", b.balance(t, 1), 1000)
	check.Same(t, "afterwards", b.balance(t, 2), 1010)
}

// TestPanicsBelowAreMended proves that a closure which catches a panic of its own scanner goes on with the transaction.
func TestPanicsBelowAreMended(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	scan := func(fn func()) {
		defer func() { check.Same(t, "panic", recover(), any("bomb")) }()
		fn()
	}
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		scan(func() { _ = tx.QueryRow(ctx, "SELECT 'x'").Scan(&bomb{}) })
		scan(func() {
			rows, err := tx.Query(ctx, "SELECT id FROM accounts")
			check.NoError(t, err)
			defer rows.Close()
			rows.Next()
			_ = rows.Scan(&bomb{})
		})
		scan(func() { _, _ = tx.Exec(ctx, "SELECT $1::text", bomb{}) })
		return add(1, 1)(ctx, tx)
	}))
	check.Same(t, "balance", b.balance(t, 1), 1001)
	check.Same(t, "connections opened", b.Stat().NewConnsCount(), 1)
}

// TestHandleKept proves what pgx's own objects do after the end.
func TestHandleKept(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	var tx, inner pgx.Tx
	create := func(objects pgx.LargeObjects) error { _, err := objects.Create(t.Context(), 0); return err }
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, x pgx.Tx) error {
		tx = x
		check.NoError(t, create(tx.LargeObjects()))
		check.NoError(t, txn.Run(ctx, x, func(_ context.Context, x pgx.Tx) error {
			inner = x
			return create(x.LargeObjects())
		}, txn.Options{Nested: txn.Savepoint}))
		check.Error(t, "objects of a savepoint that ended", create(inner.LargeObjects()), pgx.ErrTxClosed)
		check.Same(t, "connection of a savepoint that ended", inner.Conn(), nil)
		check.Same(t, "connection", tx.Conn() != nil, true)
		return nil
	}))
	check.Error(t, "objects", create(tx.LargeObjects()), pgx.ErrTxClosed)
	check.Same(t, "connection afterwards", tx.Conn(), nil)
	check.Same(t, "objects made", one[int](t, b, "SELECT count(*) FROM pg_largeobject_metadata"), 2)
}

// TestSavepointInsideOfOneThatEnded proves that what is sent on a level goes with the levels around it.
func TestSavepointInsideOfOneThatEnded(t *testing.T) {
	b := newBank(t)
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		outer, err := tx.Begin(ctx)
		check.NoError(t, err)
		inner, err := outer.Begin(ctx)
		check.NoError(t, err)
		check.NoError(t, name(ctx, inner, "undone"))
		check.NoError(t, outer.Rollback(ctx))
		check.Error(t, "statement", name(ctx, inner, "outside"), smrt.ErrTxDone)
		check.Error(t, "commit", inner.Commit(ctx), smrt.ErrTxDone)
		check.Error(t, "rollback", inner.Rollback(ctx), smrt.ErrTxDone)
		return name(ctx, tx, "kept")
	}))
	check.Same(t, "names", b.names(t), "kept")
}

// TestIsolationByHand proves that a transaction begun by hand is asked for its isolation before it is relied upon.
func TestIsolationByHand(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.Serializable} {
		tx, err := b.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
		check.NoError(t, err)
		err = txn.Run(t.Context(), tx, nothing, txn.Options{Isolation: pgx.RepeatableRead})
		check.Same(t, "refused", errors.Is(err, smrt.ErrBadOptions), level == pgx.ReadCommitted)
		check.Same(t, "another error", err != nil, level == pgx.ReadCommitted)
		check.NoError(t, tx.Rollback(t.Context()))
	}
}

// TestAdoptRefuses proves that what cannot be adopted is refused by whatever is done under it, and nothing panics.
func TestAdoptRefuses(t *testing.T) {
	b := newBank(t, testdb.MaxConns(2))
	refused := func(what string, ctx context.Context, outer *txn.Adopted, want error) {
		t.Helper()
		check.Error(t, what+": Run", txn.Run(ctx, b, nothing), want)
		check.Error(t, what+": hook", txn.AfterCommit(ctx, func(context.Context) { t.Error("a hook ran") }), want)
		outer.Committed()
		outer.RolledBack()
	}
	ctx, outer := txn.Adopt(t.Context(), b, nil)
	refused("nil", ctx, outer, smrt.ErrBadOptions)
	ctx, outer = txn.Adopt(t.Context(), b, (*pgxpool.Tx)(nil))
	refused("nil pointer", ctx, outer, smrt.ErrBadOptions)
	ctx, outer = txn.Adopt(nil, b, nil) //nolint:staticcheck // that is tested
	refused("nil context", ctx, outer, smrt.ErrNilContext)
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		ctx, outer := txn.Adopt(ctx, b, tx)
		refused("of Run", ctx, outer, smrt.ErrBadOptions)
		return add(1, 1)(ctx, tx)
	}))

	tx, err := b.Begin(t.Context())
	check.NoError(t, err)
	ctx, outer = txn.Adopt(t.Context(), b, tx)
	check.NoError(t, tx.Commit(t.Context()))
	check.Error(t, "ended by hand", txn.Run(ctx, b, nothing), pgx.ErrTxClosed)
	outer.Committed()
	check.Error(t, "after Committed", txn.Run(ctx, b, nothing), smrt.ErrTxDone)
	check.Error(t, "hook after Committed", txn.AfterCommit(ctx, func(context.Context) {}), smrt.ErrTxDone)
	check.Same(t, "balance", b.balance(t, 1), 1001)
}

// TestAdoptedIsUsed uses an adopted transaction itself under the context it was
// adopted with. The pool beside it is the control.
func TestAdoptedIsUsed(t *testing.T) {
	b := newBank(t, testdb.MaxConns(2))
	tx := check.Value(b.Begin(t.Context()))(t)
	ctx, outer := txn.Adopt(t.Context(), b, tx)
	check.NoError(t, txn.Pipeline(ctx, tx, func(ctx context.Context, db smrt.DB) error { return name(ctx, db, "a") }))
	check.NoError(t, name(ctx, txn.Checked(tx), "b"))
	check.Error(t, "the pool", name(ctx, txn.Checked(b), "c"), smrt.ErrTxBypass)
	check.NoError(t, txn.Run(ctx, tx, func(ctx context.Context, _ pgx.Tx) error { return name(ctx, txn.Checked(tx), "d") }))
	check.NoError(t, tx.Commit(t.Context()))
	outer.Committed()
	check.Same(t, "names", b.names(t), "a b d")
}

// TestReadOnlyIsNeverInDoubt loses the reply to COMMIT of a transaction that has
// only read. The control is that it does happen to one that writes.
func TestReadOnlyIsNeverInDoubt(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	for _, readOnly := range []bool{true, false} {
		b.link.Arm(commitFault(false))
		runs := 0
		result, err := txn.RunResult(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			runs++
			return tx.QueryRow(ctx, "SELECT balance FROM accounts WHERE id = 1").Scan(new(int64))
		}, txn.Options{ReadOnly: readOnly})
		check.Same(t, "happened", b.link.Disarm(), true)
		if readOnly {
			check.NoError(t, err)
			check.Same(t, "runs", runs, 2)
			check.Same(t, "doubts", result.Doubts, 0)
		} else {
			check.Error(t, "control", err, smrt.ErrCommitUnknown)
		}
	}
}

// TestTranslate gives errors of raw SQL their types.
func TestTranslate(t *testing.T) {
	b := newBank(t)
	check.Same(t, "nil", txn.Translate(nil) == nil, true)
	check.NoError(t, name(t.Context(), b, "secret"))
	err := txn.Translate(name(t.Context(), b, "secret"))
	var violated *smrt.ConstraintError
	if !errors.As(err, &violated) || violated.Constraint != "names_pkey" || !errors.Is(err, smrt.ErrConflict) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	check.Error(t, "no row", txn.Translate(b.QueryRow(t.Context(), "SELECT 1 WHERE false").Scan(new(int))), smrt.ErrNotFound)
	check.Same(t, "as it is", errors.Is(txn.Translate(errOwn), errOwn), true)

	// What the program has wrapped around them stays.
	noRow := b.QueryRow(t.Context(), "SELECT 1 WHERE false").Scan(new(int))
	for _, wrapped := range []error{fmt.Errorf("bag 7: %w", errOwn), fmt.Errorf("bag 7: %w: %w", errOwn, noRow), fmt.Errorf("bag 7: %w", noRow)} {
		err := txn.Translate(wrapped)
		check.Same(t, "text", err.Error(), wrapped.Error())
		check.Error(t, "what is wrapped", err, wrapped)
		check.Same(t, "no row", errors.Is(err, smrt.ErrNotFound), errors.Is(wrapped, pgx.ErrNoRows))
	}
	_, err = b.Exec(t.Context(), "SELECT $1::int4", "secret")
	if err = txn.Translate(fmt.Errorf("bag 7: %w", err)); strings.Contains(err.Error(), "secret") {
		t.Errorf("a value is quoted: %v", err)
	}
	_, err = b.Exec(t.Context(), "SELECT $1::int4", []string{"secret"})
	if err = txn.Translate(fmt.Errorf("bag 7: %w", err)); strings.Contains(err.Error(), "secret") {
		t.Errorf("a value is quoted: %v", err)
	}
	b.Close()
	check.Error(t, "closed", txn.Translate(b.Ping(t.Context())), smrt.ErrPoolClosed)
}

// TestBudgetZero proves that a budget that nobody made, or made of nonsense, allows the few retries that are always
// allowed, and no more.
func TestBudgetZero(t *testing.T) {
	b := newBank(t)
	for what, budget := range map[string]*txn.Budget{
		"zero": {}, "not a number": txn.NewBudget(math.NaN(), time.Minute), "negative": txn.NewBudget(-1, time.Minute),
	} {
		fn, runs := failing(1000, raise("40001"))
		err := txn.Run(t.Context(), b, fn, txn.Options{Budget: budget})
		if what == "zero" { // its window is so short that the retries are not counted together
			check.Error(t, what, err, smrt.ErrRetriesExhausted)
			continue
		}
		var given *smrt.RetryError
		check.Same(t, what+": limit", errors.As(err, &given) && given.Limit == "budget", true)
		check.Same(t, what+": runs", *runs, 4)
	}
}

// TestPoolerMode loses prepared statements as a pooler does: the error says what helps, and is not tried again.
func TestPoolerMode(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1), testdb.Direct(), execMode(pgx.QueryExecModeCacheStatement))
	runs := 0
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		runs++
		check.NoError(t, add(1, 1)(ctx, tx))
		_, err := tx.Exec(ctx, "DEALLOCATE ALL")
		check.NoError(t, err)
		return add(1, 1)(ctx, tx)
	})
	var pooler *smrt.PoolerError
	if !errors.Is(err, smrt.ErrPoolerMode) || !errors.As(err, &pooler) || !isCode(err, "26000") || !strings.Contains(err.Error(), "max_prepared_statements") {
		t.Errorf("got %v", err)
	}
	check.Same(t, "runs", runs, 1)
	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, add(1, 1)(ctx, tx))
		_, err := tx.Exec(ctx, "DEALLOCATE ALL")
		check.NoError(t, err)
		_ = add(1, 1)(ctx, tx)
		return nil
	})
	check.Error(t, "swallowed", err, smrt.ErrTxAborted, smrt.ErrPoolerMode)
	check.Same(t, "balance", b.balance(t, 1), 1000)
}

// TestKilledWhileIdle proves that a backend that died while its connection was idle costs nothing but a retry.
func TestKilledWhileIdle(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1), testdb.Direct())
	for _, o := range []txn.Options{{}, {TrackPosition: true}, {Key: "k"}} {
		pid := one[int](t, b, "SELECT pg_backend_pid()")
		admin, err := pgx.ConnectConfig(t.Context(), b.Config().ConnConfig)
		check.NoError(t, err)
		check.Same(t, "killed", one[bool](t, admin, "SELECT pg_terminate_backend($1, 1000)", pid), true)
		check.NoError(t, admin.Close(t.Context()))
		check.NoError(t, txn.Run(t.Context(), b, add(1, 1), o))
	}
	check.Same(t, "balance", b.balance(t, 1), 1003)
}

// TestTimeoutInSavepoint proves that a statement that takes too long for the server costs only the savepoint; one that
// takes too long for its context costs the connection, which pgx closes.
func TestTimeoutInSavepoint(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	savepoint := txn.Options{Nested: txn.Savepoint}
	o := txn.Options{StatementTimeout: time.Second}
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, name(ctx, tx, "undone"))
			_, err := tx.Exec(ctx, "SELECT pg_sleep(5)")
			return err
		}, savepoint)
		check.Error(t, "savepoint", err, smrt.ErrStatementTimeout)
		return name(ctx, tx, "kept")
	}, o))
	runs := 0
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		runs++
		err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			_, err := tx.Exec(ctx, "SELECT pg_sleep(0.05)")
			return err
		}, savepoint)
		check.Error(t, "deadline of its own", err, context.DeadlineExceeded)
		check.Error(t, "statement afterwards", name(ctx, tx, "lost"), smrt.ErrTxAborted)
		return nil
	}, o)
	check.Error(t, "transaction", err, smrt.ErrTxAborted)
	check.Same(t, "runs", runs, 1)
	check.Same(t, "names", b.names(t), "kept")
}

// TestHandlePassedOn runs on a transaction under another context than that of its closure.
func TestHandlePassedOn(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	tr := &trace{}
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, txn.Run(t.Context(), tx, func(ctx context.Context, tx pgx.Tx) error {
			tr.hooks(t, ctx, "outside")
			return name(ctx, tx, "outside")
		}))
		err := txn.Run(ctx, tx, func(inner context.Context, _ pgx.Tx) error {
			check.NoError(t, txn.Run(inner, tx, func(ctx context.Context, tx pgx.Tx) error { // on the one around
				tr.hooks(t, ctx, "around")
				_, err := txn.Checked(b).Exec(ctx, "SELECT 1")
				check.Error(t, "pool", err, smrt.ErrTxBypass)
				return name(ctx, tx, "around")
			}))
			return errOwn
		}, txn.Options{Nested: txn.Savepoint})
		check.Error(t, "savepoint", err, errOwn)
		return nil
	}))
	check.Same(t, "names", b.names(t), "outside") // what is sent inside of a savepoint goes with it
	check.Same(t, "hooks", tr.take(), "+outside -around")
}
