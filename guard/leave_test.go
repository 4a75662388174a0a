package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
)

// TestStreamsThatAreLeft: a loop that panics costs the rows that came, and its call ends.
func TestStreamsThatAreLeft(t *testing.T) {
	pool, _ := newShop(t)
	for name, run := range map[string]func(context.Context, service){
		"a stream": func(ctx context.Context, s service) {
			for range s.customers.Stream(ctx, everyCustomer.Limit(20_000)) {
				panic("left")
			}
		},
		"a stream with loads": func(ctx context.Context, s service) {
			for range s.orders.Stream(ctx, query.All[shop.Order]().Limit(20_000), withLines) {
				panic("left")
			}
		},
	} {
		w := &watched{Buckets: guard.NewBuckets(10)}
		var under context.Context
		rate := guard.NewRate(guard.RateConfig{Points: 1_000_000, Per: slow, Store: w, Key: func(ctx context.Context) string {
			under = ctx
			return ""
		}})
		s := newService(guard.On(pool, guard.Limits{Rate: rate, Timeout: time.Hour, Logger: quiet}), guard.Limits{})
		func() {
			defer func() { check.Same(t, name+" panics", recover(), any("left")) }()
			run(t.Context(), s)
		}()
		if used := w.used(); used < 1 || used > 10 {
			t.Errorf("%s cost %d points", name, used)
		}
		check.Error(t, name+": its context", under.Err(), context.Canceled)
	}
}

// TestLimitsThatAsk: what a key or an event is made of may be asked for on the handle that
// is limited, and nothing of that is.
func TestLimitsThatAsk(t *testing.T) {
	pool, _ := newShop(t)
	var s service
	keys, events := 0, 0
	ask := func(ctx context.Context) {
		if keys+events > 10 {
			return // not endless if they are limited
		}
		check.Same(t, "customers", len(check.Value(s.customers.Find(ctx, everyCustomer))(t)), 40)
		check.NoError(t, s.db.QueryRow(guard.With(ctx, guard.Limits{MaxText: 1}), "SELECT 1").Scan(new(int)))
	}
	s = newService(guard.On(pool, guard.Limits{
		MaxLimit: 1, MaxStatements: 1, Logger: quiet,
		Rate: guard.NewRate(guard.RateConfig{Points: 1_000, Per: slow, Key: func(ctx context.Context) string {
			keys++
			ask(ctx)
			return ""
		}}),
		OnEvent: func(ctx context.Context, _ guard.Event) {
			events++
			ask(ctx)
		},
	}), guard.Limits{})
	check.Error(t, "two rows", call(s.customers.Find(guard.With(t.Context(), guard.Limits{}), everyCustomer.Limit(2))), smrt.ErrRowLimit)
	check.NoError(t, call(s.db.Exec(t.Context(), "SELECT 1")))
	check.Same(t, "keys", keys, 2)
	check.Same(t, "events", events, 1)
}
