package txn_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// TestCancelAroundCommit is T7: contexts end around COMMIT, and it is always
// known what became of the transaction.
func TestCancelAroundCommit(t *testing.T) {
	b := newBank(t)
	all := int64(1000)
	for _, o := range []txn.Options{{}, {TrackPosition: true}} {
		committed, unknown := cancelAround(t, b, 2000, o)
		check.Same(t, "unknown outcomes", unknown, 0)
		all += int64(committed)
		check.Same(t, "balance", b.balance(t, 1), all)
		t.Logf("%d of 2000 committed", committed)
		if committed == 0 || committed == 2000 {
			t.Error("the contexts ended too early or too late to prove anything")
		}
	}
	b.link.Delay(time.Millisecond) // so that COMMIT takes a good part of the time
	for _, o := range []txn.Options{{}, {TrackPosition: true}} {
		if _, unknown := cancelAround(t, b, 100, txn.Without(o, txn.OffDetached)); unknown == 0 {
			t.Error("control with COMMIT under the caller's context: no outcome was unknown")
		}
	}
	b.link.Delay(0)
}

func cancelAround(t *testing.T, b *bank, n int, o txn.Options) (committed, unknown int) {
	t.Helper()
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.Int64N(int64(10*time.Millisecond))))
		err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
			err := add(1, 1)(ctx, tx)
			if deadline, _ := ctx.Deadline(); err == nil && time.Until(deadline) > 0 && rand.IntN(2) == 0 {
				time.Sleep(time.Until(deadline) - time.Duration(rand.Int64N(int64(time.Millisecond))))
			}
			return err
		}, o)
		switch {
		case err == nil:
			committed++
		case errors.Is(err, smrt.ErrCommitUnknown):
			unknown++
		}
		cancel()
	}
	return committed, unknown
}

// TestCancelAtEachStep ends the context before each thing that is sent: what is reported is what happened.
func TestCancelAtEachStep(t *testing.T) {
	var left atomic.Int64 // sends before the context ends
	var end atomic.Pointer[context.CancelFunc]
	b := newBank(t, testdb.MaxConns(1), watchWrites(func() {
		if left.Add(-1) == 0 {
			(*end.Load())()
		}
	}))
	committed := 0
	for _, o := range []txn.Options{{}, {TrackPosition: true}, {Key: "k"}} {
		for step := int64(0); ; step++ {
			if o.Key != "" {
				o.Key += "k"
			}
			before := b.balance(t, 1)
			ctx, cancel := context.WithCancel(t.Context())
			end.Store(&cancel)
			left.Store(step)
			if step == 0 {
				cancel()
			}
			err := txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error {
				if err := add(1, 1)(ctx, tx); err != nil {
					return err
				}
				return txn.Run(ctx, b, add(1, 1), txn.Options{Nested: txn.Savepoint})
			}, o)
			left.Store(-1)
			whole := ctx.Err() == nil
			cancel()
			after := b.balance(t, 1)
			switch {
			case err == nil && after == before+2:
				committed++
			case errors.Is(err, context.Canceled) && !errors.Is(err, smrt.ErrCommitUnknown) && after == before:
			default:
				t.Fatalf("step %d: reported %v, balance %d before and %d after", step, err, before, after)
			}
			if whole {
				if step < 4 { // without preparing statements, and with a key, there are that many
					t.Errorf("only %d steps were cancelled", step)
				}
				break
			}
		}
	}
	check.Same(t, "committed at all", committed >= 3, true)
	free(t, b)
}
