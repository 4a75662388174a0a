package limit_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/limit"
)

// calls are those under one Set, which the limit of each by itself makes stricter.
type calls struct{ shared *limit.Set }

func newCalls() calls { return calls{ofTime(24 * time.Hour)} }

func ofTime(most time.Duration) *limit.Set {
	return limit.New(limit.Enforce, [limit.Kinds]int64{limit.Time: int64(most)}, 0, nil)
}

// begin begins a call whose time is limited.
func (c calls) begin(ctx context.Context, most time.Duration) (*limit.Call, context.Context) {
	call := limit.Enter(&ctx, c.shared.With(ofTime(most)), "get", "t")
	return call, ctx
}

// end ends it.
func end(c *limit.Call) {
	var err error
	c.End(&err)
}

// TestDeadlines: a call ends when its own time is over, whatever others have, and never
// after it has ended by itself.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	calls := newCalls()
	long, longCtx := calls.begin(t.Context(), time.Hour)
	defer end(long)
	over, overCtx := calls.begin(t.Context(), time.Millisecond) // before the one that is waited for
	defer end(over)
	later, laterCtx := calls.begin(t.Context(), 300*time.Millisecond) // not with the one before
	defer end(later)
	for _, ctx := range []context.Context{overCtx, laterCtx} {
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("a call goes on though its time is over")
		}
	}
	check.NoError(t, longCtx.Err())
}

// TestDeadlinesOfMany: of calls side by side each has the end of its own time.
func TestDeadlinesOfMany(t *testing.T) {
	t.Parallel()
	calls, random := newCalls(), check.Random(t)
	seeds := make([]uint64, 8)
	for i := range seeds {
		seeds[i] = random.Uint64()
	}
	var all sync.WaitGroup
	for _, seed := range seeds {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for range 200 {
				stays, staysCtx := calls.begin(t.Context(), time.Hour+time.Duration(random.IntN(1000))*time.Second)
				over, overCtx := calls.begin(t.Context(), time.Duration(random.IntN(300))*time.Microsecond+1)
				if random.IntN(2) == 0 {
					<-overCtx.Done()
				}
				if err := staysCtx.Err(); err != nil {
					t.Errorf("a call of an hour ended: %v", err)
				}
				end(over)
				end(stays)
			}
		})
	}
	all.Wait()
	if n := limit.Running(calls.shared); n > 0 {
		t.Errorf("%d calls are kept after they ended", n)
	}
}
