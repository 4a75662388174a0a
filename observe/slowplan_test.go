package observe_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/repo"
)

// waitFor waits until a log has a text so often.
func waitFor(t testing.TB, log *notes, text string, times int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); strings.Count(log.String(), text) < times; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q is not in the log %d times:\n%s", text, times, log)
		}
	}
}

// TestSlowLogHasPlans on request, which a connection of their own is asked for: not the
// transaction of the call, which is not run again either.
func TestSlowLogHasPlans(t *testing.T) {
	t.Parallel()
	ctx, log := t.Context(), &notes{}
	var opened atomic.Int32
	c := unobserved(t).Config().ConnConfig
	slow := observe.SlowLog{Threshold: 1, PerSecond: 1000, Plans: func(ctx context.Context) (*pgx.Conn, error) {
		opened.Add(1)
		return pgx.ConnectConfig(ctx, c)
	}}
	_, j, p := observedPool(t, observe.Config{Slow: slow, Logger: log.logger()}, 1)
	products := repo.New(p, shop.Products, alone)
	const planned = `msg="plan of a slow statement" name=products.get`
	for end := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), planned) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		_, _ = products.Get(ctx, 4711) // which is not there
	}
	for range 20 {
		_, _ = products.Get(ctx, 4711)
	}
	check.Same(t, "plans of the text", strings.Count(log.String(), planned), 1)
	check.Same(t, "says how", strings.Contains(log.String(), "Scan"), true)
	check.Same(t, "value in the log", strings.Contains(log.String(), "4711"), false)
	for _, e := range j.take() {
		check.Same(t, "sent on the connection of the calls", e.Name.String() == "products.get" || !strings.Contains(e.SQL, "EXPLAIN"), true)
	}
	check.Same(t, "connections were opened", opened.Load() > 0, true)
}

// TestPlansAreLimited: one at a time, of one text once a minute, and for a hundredth of
// the time.
func TestPlansAreLimited(t *testing.T) {
	t.Parallel()
	p, now := observe.Planner(), time.Now()
	check.Same(t, "the first", p.Take(1, now), true)
	check.Same(t, "while it is busy", p.Take(2, now.Add(time.Hour)), false)
	p.Give(now, now.Add(time.Second))
	check.Same(t, "soon", p.Take(2, now.Add(99*time.Second)), false)
	check.Same(t, "later", p.Take(2, now.Add(101*time.Second)), true)
	p.Give(now.Add(101*time.Second), now.Add(101*time.Second))
	check.Same(t, "the same text soon", p.Take(2, now.Add(160*time.Second)), false)
	check.Same(t, "the same text later", p.Take(2, now.Add(162*time.Second)), true)
}

// TestPlansThatFail, or panic, hurt no call.
func TestPlansThatFail(t *testing.T) {
	t.Parallel()
	for what, plans := range map[string]func(context.Context) (*pgx.Conn, error){
		"failed=oops": func(context.Context) (*pgx.Conn, error) { return nil, errOops },
		"panicked":    func(context.Context) (*pgx.Conn, error) { panic("oops") },
	} {
		log := &notes{}
		_, _, p := observedPool(t, observe.Config{Slow: observe.SlowLog{Threshold: 1, PerSecond: 1000, Plans: plans}, Logger: log.logger()}, 1)
		for range 3 {
			var n int
			check.NoError(t, p.QueryRow(t.Context(), "SELECT 42").Scan(&n))
			check.Same(t, "answer", fmt.Sprint(n), "42")
		}
		waitFor(t, log, what, 1)
	}
}
