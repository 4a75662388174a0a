package txn_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// noted writes down which of its parts were taken back, in which order.
type noted struct {
	log  *[]string
	name string
}

func (n noted) Undo()   { *n.log = append(*n.log, n.name) }
func (n noted) Forget() {}

// TestUndoFollowsTheTransaction: what was written last is taken back first, with
// its savepoint or with everything, and once.
func TestUndoFollowsTheTransaction(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	var log []string
	on := func(ctx context.Context, db smrt.DB, name string) {
		t.Helper()
		if u := handle.UndoerOf(ctx, db); u == nil || !u.OnUndo(noted{&log, name}) {
			t.Errorf("%s: the transaction does not know how it ends", name)
		}
	}
	play := func(end error) string {
		log = nil
		_ = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			on(ctx, tx, "a")
			_ = txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error {
				on(ctx, tx, "b")
				on(ctx, tx, "c")
				return errOwn
			}, txn.Options{Nested: txn.Savepoint})
			check.Same(t, "after the savepoint", strings.Join(log, " "), "c b")
			on(ctx, txn.Checked(tx), "d")
			check.NoError(t, txn.Pipeline(ctx, tx, func(ctx context.Context, db smrt.DB) error { on(ctx, db, "e"); return nil }))
			return end
		})
		return strings.Join(log, " ")
	}
	check.Same(t, "committed", play(nil), "c b")
	check.Same(t, "rolled back", play(errOwn), "c b e d a")
	check.Same(t, "a pool knows no end", handle.UndoerOf(t.Context(), b) == nil, true)
}

// TestUndoBeforeAnotherAttempt: also after a commit in doubt that did not happen.
func TestUndoBeforeAnotherAttempt(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	for what, o := range map[string]txn.Options{"known": {}, "in doubt": {Key: "k"}} {
		var log []string
		runs := 0
		if o.Key != "" {
			f := commitFault(false)
			f.Instead = "rollback"
			b.link.Arm(f)
		}
		check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			runs++
			check.Same(t, what+": taken back before the closure runs", len(log), runs-1)
			handle.UndoerOf(ctx, tx).OnUndo(noted{&log, "a"})
			if o.Key == "" && runs == 1 {
				return raise("40001")(ctx, tx)
			}
			return nil
		}, o))
		check.Same(t, what+": runs", runs, 2)
		check.Same(t, what+": taken back once", len(log), 1)
	}
}
