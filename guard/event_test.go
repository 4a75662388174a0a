package guard_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/repo"
)

// TestEvents: those are told whose limit it was, and the log is not filled by requests.
func TestEvents(t *testing.T) {
	pool, _ := newShop(t)
	var text strings.Builder
	lines := slog.New(slog.NewTextHandler(&text, nil))
	told := map[string]int{}
	limits := func(name string, l guard.Limits) guard.Limits {
		l.Logger, l.OnEvent = lines, func(context.Context, guard.Event) { told[name]++ }
		return l
	}
	db := guard.On(guard.On(pool, limits("wide", guard.Limits{MaxLimit: 30})), limits("other", guard.Limits{MaxText: 1, MaxDepth: 1}))
	customers := repo.New(db, shop.Customers, repo.Options{Limits: limits("repository", guard.Limits{MaxLimit: 10})})
	for range 30 {
		ctx := guard.With(t.Context(), limits("request", guard.Limits{MaxLimit: 5}))
		check.Error(t, "20 rows", call(customers.Find(ctx, everyCustomer.Limit(20))), smrt.ErrRowLimit)
	}
	check.Equal(t, "told", told, map[string]int{"repository": 30, "request": 30})
	// The seconds of the log may end while this runs: there are less than a line for each.
	if n := strings.Count(text.String(), "\n"); n < 2 || n > 50 {
		t.Errorf("%d lines of 60 events", n)
	}
}

// TestEventsOfRates: what is told of a rate has its name, and not whose it is.
func TestEventsOfRates(t *testing.T) {
	pool, _ := newShop(t)
	var text strings.Builder
	var events, others log
	rate, _ := newRate(1)
	db := guard.On(guard.On(pool, guard.Limits{Rate: rate, Logger: slog.New(slog.NewTextHandler(&text, nil)), OnEvent: events.add}), guard.Limits{MaxLimit: 1, Logger: quiet, OnEvent: others.add})
	ctx := as(t.Context(), "ann")
	check.NoError(t, call(db.Exec(ctx, "SELECT 1")))
	check.NoError(t, call(db.Exec(guard.Allow(ctx, guard.Debt(1), "a test"), "SELECT 1")))
	check.Error(t, "a third", call(db.Exec(ctx, "SELECT 1")), smrt.ErrRateLimit)
	check.Equal(t, "outcomes", outcomes(events), []guard.Outcome{guard.Allowed, guard.Refused})
	check.Same(t, "of others", len(others), 0)
	for i, e := range events {
		var of *smrt.RateError
		check.Same(t, "a RateError", errors.As(e.Error, &of), true)
		check.Same(t, "available", of.Available, int64(-i))
		check.Same(t, "most", e.Error.Max, 0)
	}
	for _, want := range []string{"limit=Rate rate=users available=0 cost=1 reason=\"a test\"", "limit=Rate rate=users available=-1 cost=1"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in the log: %s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "ann") {
		t.Error(text.String())
	}
}
