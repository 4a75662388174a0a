package pool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// watched are the times that a watcher was told.
type watched struct {
	mu                   sync.Mutex
	waited, opened, lent []time.Duration
}

func (w *watched) times() pool.Times {
	into := func(list *[]time.Duration) func(time.Duration) {
		return func(took time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			*list = append(*list, took)
		}
	}
	return pool.Times{Waited: into(&w.waited), Opened: into(&w.opened), Lent: into(&w.lent)}
}

// A watcher is told of each connection how long it was waited for and lent, and how long
// opening it took, until it is stopped.
func TestWatch(t *testing.T) {
	t.Parallel()
	const pause = 20 * time.Millisecond
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, MinConns: -1, AcquireTimeout: testdb.Patience(10 * time.Second), Lazy: true})
	var w watched
	stop := p.Watch(w.times())
	stopOther := p.Watch(pool.Times{})
	defer stopOther()

	held := check.Value(p.Acquire(ctx))(t)
	defer held.Release() // if the test fails: Close waits for it
	done := make(chan error, 1)
	go func() { done <- exec(ctx, p, "SELECT 1") }()
	untilWaiting(t, p, 1)
	time.Sleep(pause)
	held.Release()
	check.NoError(t, <-done)
	tx := check.Value(p.Begin(ctx))(t)
	check.NoError(t, tx.Rollback(ctx))
	below := check.Value(p.Pgx().Acquire(ctx))(t) // which is nobody's business
	below.Release()
	stop()
	stop()
	check.NoError(t, exec(ctx, p, "SELECT 1"))

	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waited) != 3 || w.waited[1] < pause || w.waited[2] != 0 {
		t.Errorf("waited %v: three connections were lent, of which the second was waited for", w.waited)
	}
	if len(w.lent) != 3 || w.lent[0] < pause || w.lent[1] <= 0 {
		t.Errorf("lent %v: of three the first was lent for %v and more", w.lent, pause)
	}
	s := p.Stats()
	if len(w.opened) < 1 || w.opened[0] <= 0 || s.OpenTime < w.opened[0] || s.Opened < int64(len(w.opened)) {
		t.Errorf("opened %v, and %d in %v", w.opened, s.Opened, s.OpenTime)
	}
}

// untilWaiting waits until so many calls wait.
func untilWaiting(t *testing.T, p *pool.Pool, n int64) {
	t.Helper()
	for deadline := time.Now().Add(testdb.Patience(10 * time.Second)); p.Stats().Waiting != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d calls wait, want %d", p.Stats().Waiting, n)
		}
	}
}

// Calls that wait are counted, and none is left however they end.
func TestWaitingIsCounted(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(context.Context, *pgx.Conn) bool{
		"plain": nil, "with a hook": func(context.Context, *pgx.Conn) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const timeout = 100 * time.Millisecond
			p := open(t, pool.Config{URL: url(t), MaxConns: 1, MinConns: -1, AcquireTimeout: timeout, Configure: func(c *pgxpool.Config) {
				c.MinIdleConns = 1
				c.BeforeAcquire = hook //nolint:staticcheck // a deprecated hook is a hook
			}})
			check.Same(t, "MinIdle", p.Stats().MinIdle, 1)
			held := check.Value(p.Acquire(t.Context()))(t)
			defer held.Release()
			ended, end := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() { check.Error(t, "late", exec(t.Context(), p, "SELECT 1"), smrt.ErrPoolExhausted) })
			all.Go(func() {
				if exec(ended, p, "SELECT 1") == nil {
					t.Error("a call has got the connection of another")
				}
			})
			untilWaitingOrOver(t, p)
			end()
			all.Wait()
			check.Same(t, "calls that wait", p.Stats().Waiting, 0)
			held.Release()
			check.NoError(t, exec(t.Context(), p, "SELECT 1"))
		})
	}
}

// untilWaitingOrOver waits until a call waits. On a slow machine its time may be over before it is seen.
func untilWaitingOrOver(t *testing.T, p *pool.Pool) {
	t.Helper()
	for p.Stats().Waiting == 0 && p.Stats().Exhausted == 0 {
		time.Sleep(time.Millisecond)
	}
}
