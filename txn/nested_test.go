package txn_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// serializationFailure makes the server report one.
func serializationFailure(ctx context.Context, db smrt.DB) error {
	_, err := db.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '40001'; END $$`)
	return err
}

func isCode(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// TestSwallowedError proves that a closure that ignores an error gets it, not
// the one that PostgreSQL gives for every statement after it.
func TestSwallowedError(t *testing.T) {
	b := newBank(t)
	swallow := func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, name(ctx, tx, "a"))
		_ = name(ctx, tx, "a")
		return nil
	}
	err := txn.Run(t.Context(), b, swallow)
	check.Error(t, "swallowed", err, smrt.ErrTxAborted)
	check.Same(t, "the first error is found", isCode(err, "23505"), true)

	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		_ = swallow(ctx, tx)
		return name(ctx, tx, "b") // 25P02
	})
	check.Error(t, "later statement", err, smrt.ErrTxAborted)
	check.Same(t, "the first error is found by a later statement", isCode(err, "23505"), true)
	check.Same(t, "names", b.names(t), "")
}

// TestJoin proves that a closure which joins is a part of the transaction: its
// failure is that of everything, even if it is ignored.
func TestJoin(t *testing.T) {
	b := newBank(t)
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, name(ctx, tx, "outer"))
		return txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error { return name(ctx, tx, "inner") })
	})
	check.NoError(t, err)
	check.Same(t, "names", b.names(t), "inner outer")
	check.Same(t, "statements", b.sent.Len()-1, 4) // begin, two names, commit

	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		inner := txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error { return errOwn })
		check.Error(t, "inner", inner, errOwn)
		check.Error(t, "statement afterwards", name(ctx, tx, "lost"), smrt.ErrTxAborted, errOwn)
		check.Error(t, "join afterwards", txn.Run(ctx, b, nothing), smrt.ErrTxAborted, errOwn)
		return nil
	})
	check.Error(t, "ignored", err, smrt.ErrTxAborted, errOwn)

	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		return txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, name(ctx, tx, "x"))
			_ = name(ctx, tx, "x")
			return nil
		})
	})
	check.Same(t, "swallowed in a closure that joined", isCode(err, "23505"), true)

	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		func() {
			defer func() { _ = recover() }()
			_ = txn.Run(ctx, b, func(context.Context, pgx.Tx) error { panic("caught outside") })
		}()
		return nil
	})
	check.Error(t, "panic that was caught", err, smrt.ErrTxAborted)
	check.Same(t, "names afterwards", b.names(t), "inner outer")
}

// TestJoinAsksTooMuch proves that a closure does not silently get less than it
// asks for.
func TestJoinAsksTooMuch(t *testing.T) {
	b := newBank(t)
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, txn.Run(ctx, b, nothing, txn.Options{Isolation: pgx.ReadCommitted, MaxAttempts: 3}))
		check.Error(t, "isolation", txn.Run(ctx, b, nothing, txn.Options{Isolation: pgx.Serializable}), smrt.ErrBadOptions)
		check.Error(t, "key", txn.Run(ctx, b, nothing, txn.Options{Key: "k"}), smrt.ErrBadOptions)
		return nil
	}, txn.Options{Isolation: pgx.RepeatableRead}))
}

// TestSavepoint proves that a savepoint is undone alone, and released both when
// it is kept and when it is undone.
func TestSavepoint(t *testing.T) {
	b := newBank(t)
	savepoint := txn.Options{Nested: txn.Savepoint}
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, name(ctx, tx, "a"))
		err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, name(ctx, tx, "b"))
			return name(ctx, tx, "a")
		}, savepoint)
		check.Same(t, "conflict in the savepoint", isCode(err, "23505"), true)
		err = txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
			check.Error(t, "Commit", tx.Commit(ctx), smrt.ErrTxManaged)
			check.Error(t, "Rollback", tx.Rollback(ctx), smrt.ErrTxManaged)
			joined := txn.Run(ctx, b, func(context.Context, pgx.Tx) error { return errOwn })
			check.Error(t, "joined the savepoint", joined, errOwn)
			return nil
		}, savepoint)
		check.Error(t, "ignored in the savepoint", err, smrt.ErrTxAborted, errOwn)
		func() {
			defer func() { check.Same(t, "panic", recover(), any("caught")) }()
			_ = txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error { check.NoError(t, name(ctx, tx, "p")); panic("caught") }, savepoint)
		}()
		var kept pgx.Tx
		check.NoError(t, txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error { kept = tx; return name(ctx, tx, "c") }, savepoint))
		check.Error(t, "savepoint's handle afterwards", name(ctx, kept, "d"), smrt.ErrTxDone, pgx.ErrTxClosed)
		return nil
	})
	check.NoError(t, err)
	check.Same(t, "names", b.names(t), "a c")

	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		for range 3 {
			_ = txn.Run(ctx, b, func(context.Context, pgx.Tx) error { return errOwn }, savepoint)
		}
		_, err := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT smrt_1")
		check.Same(t, "no such savepoint any more", isCode(err, "3B001"), true)
		return errOwn
	})
	check.Error(t, "released", err, errOwn)
}

// TestBegin proves that savepoints by hand work as pgx's do, and are released.
func TestBegin(t *testing.T) {
	b := newBank(t)
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.Error(t, "Commit", tx.Commit(ctx), smrt.ErrTxManaged)
		check.Error(t, "Rollback", tx.Rollback(ctx), smrt.ErrTxManaged)
		check.NoError(t, pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return name(ctx, tx, "kept") }))
		check.Error(t, "BeginFunc", pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			check.NoError(t, name(ctx, tx, "undone"))
			_ = name(ctx, tx, "undone") // aborts, and is mended by the rollback
			return errOwn
		}), errOwn)
		sp, err := tx.Begin(ctx)
		check.NoError(t, err)
		check.NoError(t, sp.Commit(ctx))
		check.Error(t, "Commit twice", sp.Commit(ctx), pgx.ErrTxClosed)
		check.Error(t, "Rollback after Commit", sp.Rollback(ctx), pgx.ErrTxClosed)
		return nil
	}))
	check.Same(t, "names", b.names(t), "kept")
}

// TestNestedConflict raises a serialization failure three levels deep: the
// closure is run again from the outermost, whatever the levels between make of
// the error (T6).
func TestNestedConflict(t *testing.T) {
	b := newBank(t)
	for _, nesting := range []txn.Nesting{txn.Join, txn.Savepoint} {
		for _, ignored := range []bool{false, true} {
			runs := [3]int{}
			o := txn.Options{Nested: nesting}
			pass := func(err error) error {
				if ignored {
					return nil
				}
				return err
			}
			err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
				runs[0]++
				return pass(txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
					runs[1]++
					return pass(txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
						runs[2]++
						if runs[2] < 3 {
							return serializationFailure(ctx, tx)
						}
						return nil
					}, o))
				}, o))
			})
			check.NoError(t, err)
			check.Same(t, "runs at each level", runs, [3]int{3, 3, 3})
		}
	}
}

// TestIndependent proves that an independent transaction stands for itself, and
// is refused where it could block.
func TestIndependent(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	reserve, err := pgxpool.NewWithConfig(t.Context(), b.Config())
	check.NoError(t, err)
	defer reserve.Close()
	audit := func(ctx context.Context, text string, reserve txn.Beginner) error {
		return txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			check.Error(t, "pool inside an independent transaction", handle.Check(ctx, b), smrt.ErrTxBypass)
			return txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error { return name(ctx, tx, text) })
		}, txn.Options{Nested: txn.Independent, Reserve: reserve})
	}
	check.NoError(t, audit(t.Context(), "not nested", nil))
	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, audit(ctx, "kept", reserve))
		check.Error(t, "no reserve", audit(ctx, "x", nil), smrt.ErrNoReserve)
		check.Error(t, "the same pool", audit(ctx, "x", b), smrt.ErrNoReserve)
		check.NoError(t, name(ctx, tx, "undone"))
		return errOwn
	})
	check.Error(t, "outer", err, errOwn)
	check.Same(t, "names", b.names(t), "kept not nested")
}

// TestGoexit ends the goroutine at each level: everything is rolled back, and the connection is free.
func TestGoexit(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	tr := &trace{}
	for level := range 3 {
		for _, nesting := range []txn.Nesting{txn.Join, txn.Savepoint} {
			exited := make(chan struct{})
			var run func(ctx context.Context, depth int) error
			run = func(ctx context.Context, depth int) error {
				return txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
					tr.hooks(t, ctx, string(rune('a'+depth)))
					check.NoError(t, add(1, 1)(ctx, tx))
					if depth == level {
						runtime.Goexit()
					}
					return run(ctx, depth+1)
				}, txn.Options{Nested: nesting})
			}
			go func() {
				defer close(exited)
				_ = run(t.Context(), 0)
				t.Error("the goroutine went on")
			}()
			<-exited
			check.Same(t, "hooks", tr.take(), strings.Join([]string{"-a", "-b", "-c"}[:level+1], " "))
		}
	}
	check.Same(t, "balance", b.balance(t, 1), 1000)
	check.Same(t, "connections opened", b.Stat().NewConnsCount(), 1)
}

// TestSwallowedAtDepth ignores an error three levels deep, at each level or at all.
func TestSwallowedAtDepth(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	for _, nesting := range []txn.Nesting{txn.Join, txn.Savepoint} {
		for from := range 3 { // levels from here inwards ignore what they are told
			var run func(ctx context.Context, depth int) error
			run = func(ctx context.Context, depth int) error {
				return txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
					err := raise("23514")(ctx, tx)
					if depth < 2 {
						check.Error(t, "the level is unusable", name(ctx, tx, "x"), smrt.ErrTxAborted)
						err = run(ctx, depth+1)
					}
					if depth >= from {
						return nil
					}
					return err
				}, txn.Options{Nested: nesting})
			}
			err := run(t.Context(), 0)
			check.Error(t, "outermost", err, smrt.ErrTxAborted)
			check.Same(t, "cause", isCode(err, "23514"), true)
		}
	}
	check.Same(t, "names", b.names(t), "")
	free(t, b)
}

// TestIndependentInSavepoint proves that what is independent of a savepoint is kept when that is undone.
func TestIndependentInSavepoint(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	reserve, err := pgxpool.NewWithConfig(t.Context(), b.Config())
	check.NoError(t, err)
	defer reserve.Close()
	tr := &trace{}
	independent := txn.Options{Nested: txn.Independent, Reserve: reserve}
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, name(ctx, tx, "undone"))
			tracked := independent
			tracked.TrackPosition = true
			result, err := txn.RunResult(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
				tr.hooks(t, ctx, "audit")
				check.Error(t, "another on the same reserve", txn.Run(ctx, tx, nothing, independent), smrt.ErrNoReserve)
				return name(ctx, tx, "audit")
			}, tracked)
			check.NoError(t, err)
			check.Same(t, "hooks of what is committed", tr.take(), "+audit")
			check.Same(t, "position", result.Position.IsZero(), false)
			return errOwn
		}, txn.Options{Nested: txn.Savepoint})
		check.Error(t, "savepoint", err, errOwn)
		return name(ctx, tx, "kept")
	}))
	check.Same(t, "names", b.names(t), "audit kept")
}
