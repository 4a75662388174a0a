package batch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/batch"
	"github.com/smrt-go/smrt/internal/handle"
)

type nameKey struct{}

// TestGatesOfCallers makes calls of several callers at a time: those of one may
// meet, under that caller's values and in no transaction, and nothing is kept of
// callers who have gone.
func TestGatesOfCallers(t *testing.T) {
	var mu sync.Mutex
	met := 0
	gates := batch.NewGates(batch.Config{MaxInFlight: 1, MaxSize: 100, OneCaller: true, Run: func(ctx context.Context, calls []*batch.Call) {
		mu.Lock()
		defer mu.Unlock()
		met += len(calls)
		if handle.ScopeOf(ctx) != nil || !handle.IsUncounted(ctx) {
			t.Error("a batch is in the transaction of a caller, or counted as its own")
		}
		for _, c := range calls {
			if c.Payload != ctx.Value(nameKey{}) {
				t.Errorf("a call of %v was made as %v", c.Payload, ctx.Value(nameKey{}))
			}
		}
	}})
	var all sync.WaitGroup
	for i := range 64 {
		name := i % 4
		ctx := handle.WithScope(context.WithValue(t.Context(), nameKey{}, name), &handle.Scope{})
		all.Go(func() {
			for range 50 {
				g := gates.Of(name)
				turn := g.Enter()
				if !turn {
					turn, _ = g.Join(ctx, &batch.Call{Size: 1, Payload: name})
				}
				if turn {
					time.Sleep(time.Microsecond) // the call
					g.Leave()
				}
				g.Done()
			}
		})
	}
	all.Wait()
	if met == 0 {
		t.Error("no calls met")
	}
	if n := gates.Len(); n != 0 {
		t.Errorf("%d callers are kept", n)
	}
}
