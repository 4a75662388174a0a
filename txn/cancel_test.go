package txn_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
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
	all, runs := int64(1000), 300
	if check.Long() {
		runs = 2000
	}
	for _, o := range []txn.Options{{}, {TrackPosition: true}} {
		c := cancelling{bank: b, random: check.Random(t), longest: 10 * time.Millisecond}
		for c.runs < runs || c.committed < 20 || c.runs-c.committed < 20 {
			if c.run(t, o); c.runs == 50000 {
				t.Fatalf("%d of %d committed: the contexts ended too early or too late to prove anything", c.committed, c.runs)
			}
		}
		check.Same(t, "unknown outcomes", c.unknown, 0)
		all += int64(c.committed)
		check.Same(t, "balance", b.balance(t, 1), all)
		t.Logf("%d of %d committed", c.committed, c.runs)
	}
}

// cancelling runs transactions whose contexts end around COMMIT.
type cancelling struct {
	*bank
	random                   *rand.Rand
	longest                  time.Duration // of contexts; follows what a transaction takes here
	runs, committed, unknown int
}

func (c *cancelling) run(t *testing.T, o txn.Options) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(c.random.Int64N(int64(c.longest))))
	defer cancel()
	err := txn.Run(ctx, c, func(ctx context.Context, tx pgx.Tx) error {
		err := add(1, 1)(ctx, tx)
		if deadline, _ := ctx.Deadline(); err == nil && time.Until(deadline) > 0 && c.random.IntN(2) == 0 {
			time.Sleep(time.Until(deadline) - time.Duration(c.random.Int64N(int64(time.Millisecond))))
		}
		return err
	}, o)
	switch c.runs++; {
	case err == nil:
		c.committed++
	case errors.Is(err, smrt.ErrCommitUnknown):
		c.unknown++
	}
	switch { // a tenth at least is of each kind
	case c.committed*10 < c.runs:
		c.longest = min(c.longest+c.longest/10, 10*time.Second)
	case c.committed*10 > c.runs*9:
		c.longest -= c.longest / 10
	}
}

// TestCancelAtEachStep ends the context before each thing that is sent, and while its answer is on the way: what is
// reported is what happened.
func TestCancelAtEachStep(t *testing.T) {
	t.Run("before", func(t *testing.T) { cancelAtEachStep(t, false) })
	t.Run("after", func(t *testing.T) { cancelAtEachStep(t, true) })
}

func cancelAtEachStep(t *testing.T, after bool) {
	var left atomic.Int64 // sends before the context ends
	var end atomic.Pointer[context.CancelFunc]
	sent := func() {
		if left.Add(-1) != 0 {
			return
		}
		(*end.Load())()
		if after { // whoever watches the context hears of its end before the answer is read
			time.Sleep(20 * time.Millisecond)
		}
	}
	hooks := []func(){sent, func() {}}
	if after {
		slices.Reverse(hooks)
	}
	b := newBank(t, testdb.MaxConns(1), watchWrites(hooks[0], hooks[1]))
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
			now := b.balance(t, 1)
			switch {
			case err == nil && now == before+2:
				committed++
			case errors.Is(err, context.Canceled) && !errors.Is(err, smrt.ErrCommitUnknown) && now == before:
			default:
				t.Fatalf("step %d: reported %v, balance %d before and %d after", step, err, before, now)
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
