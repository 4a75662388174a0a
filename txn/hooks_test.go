package txn_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// trace notes which hooks ran.
type trace struct{ ran []string }

func (tr *trace) hooks(tb testing.TB, ctx context.Context, name string) {
	tb.Helper()
	check.NoError(tb, txn.AfterCommit(ctx, func(context.Context) { tr.ran = append(tr.ran, "+"+name) }))
	check.NoError(tb, txn.AfterRollback(ctx, func(context.Context) { tr.ran = append(tr.ran, "-"+name) }))
}

func (tr *trace) take() string {
	ran := strings.Join(tr.ran, " ")
	tr.ran = nil
	return ran
}

// TestHooks proves that hooks follow the outermost outcome, and that of the
// savepoint they were registered in.
func TestHooks(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	tr := &trace{}
	outer := func(result error, nesting txn.Nesting, innerResult error) txn.Func {
		return func(ctx context.Context, tx pgx.Tx) error {
			tr.hooks(t, ctx, "a")
			_ = txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
				tr.hooks(t, ctx, "b")
				return innerResult
			}, txn.Options{Nested: nesting})
			tr.hooks(t, ctx, "c")
			check.Same(t, "inside", tr.take(), "")
			return result
		}
	}
	for _, c := range []struct {
		what string
		fn   txn.Func
		want string
	}{
		{"joined and committed", outer(nil, txn.Join, nil), "+a +b +c"},
		{"joined and rolled back", outer(errOwn, txn.Join, nil), "-a -b -c"},
		{"savepoint and all committed", outer(nil, txn.Savepoint, nil), "+a +b +c"},
		{"savepoint rolled back", outer(nil, txn.Savepoint, errOwn), "+a -b +c"},
		{"all rolled back", outer(errOwn, txn.Savepoint, nil), "-a -b -c"},
		{"savepoint by hand", func(ctx context.Context, tx pgx.Tx) error {
			tr.hooks(t, ctx, "a")
			return ignore(pgx.BeginFunc(ctx, tx, func(pgx.Tx) error { tr.hooks(t, ctx, "b"); return errOwn }))
		}, "+a -b"},
	} {
		_ = txn.Run(t.Context(), b, c.fn)
		check.Same(t, c.what, tr.take(), c.want)
	}
	func() {
		defer func() { _ = recover() }()
		_ = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error { tr.hooks(t, ctx, "a"); panic("x") })
	}()
	check.Same(t, "panic", tr.take(), "-a")
}

func ignore(error) error { return nil }

// TestHooksOfAttempts proves that hooks of an attempt that is repeated run as
// those of a rollback, before the next one.
func TestHooksOfAttempts(t *testing.T) {
	b := newBank(t)
	tr := &trace{}
	n := 0
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		n++
		tr.hooks(t, ctx, strings.Repeat("i", n))
		if n < 3 {
			return serializationFailure(ctx, tx)
		}
		return nil
	}))
	check.Same(t, "hooks", tr.take(), "-i -ii +iii")
}

// TestHooksOfDoubtedCommit proves that hooks wait until a commit is known, and
// do not run if it never is.
func TestHooksOfDoubtedCommit(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	tr := &trace{}
	hooked := func(ctx context.Context, tx pgx.Tx) error { tr.hooks(t, ctx, "a"); return add(1, 1)(ctx, tx) }
	lost := testdb.Fault{Sent: -1, Received: -1, Statement: "commit"}
	undone := lost
	undone.Instead = "rollback"

	b.link.Arm(lost)
	check.Error(t, "without a key", txn.Run(t.Context(), b, hooked), smrt.ErrCommitUnknown)
	check.Same(t, "unknown", tr.take(), "")
	b.link.Arm(lost)
	check.NoError(t, txn.Run(t.Context(), b, hooked, txn.Options{Key: "lost"}))
	check.Same(t, "answer lost", tr.take(), "+a")
	b.link.Arm(undone)
	check.NoError(t, txn.Run(t.Context(), b, hooked, txn.Options{Key: "undone"}))
	check.Same(t, "not committed, and repeated", tr.take(), "-a +a")
	check.Same(t, "balance", b.balance(t, 1), 1003)
}

// TestHooksUseThePool proves that hooks run when the connection is free, and
// under a context that is in no transaction.
func TestHooksUseThePool(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	db := txn.Checked(b)
	check.NoError(t, txn.Run(t.Context(), db, func(ctx context.Context, tx pgx.Tx) error {
		return txn.AfterCommit(ctx, func(ctx context.Context) { check.NoError(t, name(ctx, db, "hook")) })
	}))
	check.Same(t, "names", b.names(t), "hook")
}

// TestHookPanics proves that a hook's panic neither keeps others from running
// nor is hidden.
func TestHookPanics(t *testing.T) {
	b := newBank(t)
	tr := &trace{}
	func() {
		defer func() { check.Same(t, "panic", recover(), any("hook")) }()
		_ = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, txn.AfterCommit(ctx, func(context.Context) { panic("hook") }))
			tr.hooks(t, ctx, "a")
			return add(1, 1)(ctx, tx)
		})
	}()
	check.Same(t, "others", tr.take(), "+a")
	check.Same(t, "balance", b.balance(t, 1), 1001)
}

// TestHooksRefused proves where hooks cannot be registered.
func TestHooksRefused(t *testing.T) {
	hook := func(context.Context) {}
	check.Error(t, "no transaction", txn.AfterCommit(t.Context(), hook), smrt.ErrNoTx)
	check.Error(t, "no transaction", txn.AfterRollback(t.Context(), hook), smrt.ErrNoTx)
	check.Error(t, "nil hook", txn.AfterCommit(t.Context(), nil), smrt.ErrBadOptions)
	check.Error(t, "nil context", txn.AfterCommit(nil, hook), smrt.ErrNilContext) //nolint:staticcheck // that is tested
}

// TestAdopt runs code that calls Run on the pool inside a transaction by hand,
// which is how hooks are tested without leaving rows behind.
func TestAdopt(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	tr := &trace{}
	for _, committed := range []bool{true, false} {
		tx, err := b.Begin(t.Context())
		check.NoError(t, err)
		ctx, outer := txn.Adopt(t.Context(), b, tx)
		check.NoError(t, txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			tr.hooks(t, ctx, "a")
			return name(ctx, tx, "a")
		}))
		check.Same(t, "failed", isCode(txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
			tr.hooks(t, ctx, "b")
			return name(ctx, tx, "a")
		}), "23505"), true)
		check.Same(t, "inside", tr.take(), "")
		if committed {
			outer.Committed()
			outer.RolledBack() // does nothing any more
			check.Same(t, "committed", tr.take(), "+a -b")
		} else {
			outer.RolledBack()
			check.Same(t, "rolled back", tr.take(), "-a -b")
		}
		check.NoError(t, tx.Rollback(t.Context()))
	}
	check.Same(t, "names", b.names(t), "")
}

// TestHooksOfDoubtHoldNoConnection proves that hooks of an attempt that turned out not to be committed wait until the
// connection of the next one is free, and that one that panics leaves nothing open.
func TestHooksOfDoubtHoldNoConnection(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	undone := testdb.Fault{Sent: -1, Received: -1, Statement: "commit", Instead: "rollback"}
	b.link.Arm(undone)
	n := 0
	ctx, cancel := context.WithTimeout(t.Context(), testdb.Patience(5*time.Second))
	defer cancel()
	check.NoError(t, txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
		n++
		check.NoError(t, txn.AfterRollback(ctx, func(ctx context.Context) { check.NoError(t, name(ctx, b, "hook")) }))
		return name(ctx, tx, "closure")
	}, txn.Options{Key: "pool"}))
	check.Same(t, "happened", b.link.Disarm(), true)
	check.Same(t, "runs", n, 2)
	check.Same(t, "names", b.names(t), "closure hook")

	tr := &trace{}
	b.link.Arm(undone)
	func() {
		defer func() { check.Same(t, "panic", recover(), any("hook")) }()
		n := 0
		_ = txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			if n++; n == 1 {
				check.NoError(t, txn.AfterRollback(ctx, func(context.Context) { panic("hook") }))
			}
			tr.hooks(t, ctx, strings.Repeat("i", n))
			return add(1, 1)(ctx, tx)
		}, txn.Options{Key: "panic"})
	}()
	check.Same(t, "happened", b.link.Disarm(), true)
	check.Same(t, "others", tr.take(), "-i +ii")
	check.Same(t, "balance", b.balance(t, 1), 1001)

	b.link.Arm(undone) // the only attempt
	err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error { tr.hooks(t, ctx, "a"); return nil },
		txn.Options{Key: "once", MaxAttempts: 1})
	check.Error(t, "one attempt", err, smrt.ErrRetriesExhausted)
	check.Same(t, "hooks of the only attempt", tr.take(), "-a")
	free(t, b)
}

// TestHooksOfUnknownCommit proves that of a commit that remains unknown the hooks run that do not depend on it.
func TestHooksOfUnknownCommit(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	tr := &trace{}
	b.link.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: "commit"})
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		tr.hooks(t, ctx, "a")
		_ = txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error { tr.hooks(t, ctx, "b"); return errOwn },
			txn.Options{Nested: txn.Savepoint})
		return add(1, 1)(ctx, tx)
	})
	check.Error(t, "commit", err, smrt.ErrCommitUnknown)
	check.Same(t, "hooks", tr.take(), "-b")
}

// TestHooksRun begins transactions in hooks, on a pool of one.
func TestHooksRun(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	tr := &trace{}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, txn.AfterCommit(ctx, func(ctx context.Context) {
				check.Error(t, "hook of a hook", txn.AfterCommit(ctx, func(context.Context) {}), smrt.ErrNoTx)
				check.NoError(t, txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
					tr.hooks(t, ctx, "inner")
					return add(1, 1)(ctx, tx)
				}))
			}))
			check.NoError(t, txn.AfterCommit(ctx, func(context.Context) { runtime.Goexit() }))
			tr.hooks(t, ctx, "outer")
			return add(1, 1)(ctx, tx)
		})
		t.Error("the goroutine went on")
	}()
	<-exited
	check.Same(t, "hooks", tr.take(), "+inner +outer")
	check.Same(t, "balance", b.balance(t, 1), 1002)
}
