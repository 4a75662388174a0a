package guard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestLimits makes each call with a limit that it goes beyond by one, and with the one
// that it reaches, declared in each of the three places.
func TestLimits(t *testing.T) {
	pool, sent := newShopOfLines(t)
	for _, c := range calls() {
		for _, place := range []string{"handle", "repository", "context"} {
			if place == "repository" && c.byHand {
				continue
			}
			t.Run(c.name+" by "+place, func(t *testing.T) {
				run := func(ctx context.Context, m guard.Mode, n int) (log, error) {
					var events log
					l := guard.Limits{Mode: m, Logger: quiet, OnEvent: events.add}
					c.set(&l, n)
					s := newService(guard.On(pool, guard.Limits{}), guard.Limits{})
					switch place {
					case "handle":
						s = newService(guard.On(pool, l), guard.Limits{})
					case "repository":
						s = newService(pool, l)
					case "context":
						ctx = guard.With(ctx, l)
					}
					sent.Reset()
					err := c.call(ctx, s)
					return events, err
				}
				events, err := run(t.Context(), guard.Enforce, c.n-1)
				refused(t, c, events, err)
				if c.sent >= 0 && sent.Len() != c.sent {
					t.Errorf("%d statements were sent: %q", sent.Len(), sent.Statements())
				}
				for what, m := range map[string]guard.Mode{"reached": guard.Enforce, "off": guard.Off} {
					events, err = run(t.Context(), m, c.n-int(m/2))
					check.NoError(t, err)
					check.Same(t, what+": events", len(events), 0)
				}
				events, err = run(t.Context(), guard.Report, c.n-1)
				check.NoError(t, err)
				check.Same(t, "reports", fmt.Sprint(outcomes(events)), "[reported]")
				events, err = run(guard.Allow(t.Context(), c.allow(c.n), "a test"), guard.Enforce, c.n-1)
				check.NoError(t, err)
				check.Same(t, "allowed", fmt.Sprint(outcomes(events)), "[allowed]")
				check.Same(t, "reason", len(events) > 0 && events[0].Reason == "a test", true)
				_, err = run(guard.Allow(t.Context(), c.allow(c.n-1), "too little"), guard.Enforce, c.n-1)
				check.Error(t, "allowed less", err, c.want)
				_, err = run(guard.Allow(t.Context(), c.allow(c.n), ""), guard.Enforce, c.n-1)
				check.Error(t, "allowed without a reason", err, c.want)
			})
		}
	}
}

// newShopOfLines returns a shop whose first orders have as many lines as the calls of
// tests expect.
func newShopOfLines(t *testing.T) (*pgxpool.Pool, *testdb.Counter) {
	pool, sent := newShop(t)
	const lines = "DELETE FROM order_items WHERE order_id <= 5; INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents) " +
		"SELECT 1 + i / 2, 1 + i % 2, 1 + i, 1, 1 FROM generate_series(0, 5) i; "
	if _, err := pool.Exec(t.Context(), lines); err != nil {
		t.Fatal(err)
	}
	return pool, sent
}

func outcomes(events log) (out []guard.Outcome) {
	for _, e := range events {
		out = append(out, e.Outcome)
	}
	return out
}

// refused expects the error of a call that asks for one more than it may.
func refused(t *testing.T, c limited, events log, err error) {
	t.Helper()
	check.Error(t, "refused", err, c.want, smrt.ErrLimit)
	var e *smrt.LimitError
	if !errors.As(err, &e) {
		t.Fatalf("not a LimitError: %v", err)
	}
	check.Same(t, "most", e.Max, int64(c.n-1))
	check.Same(t, "actual", e.Actual == int64(c.n), true)
	if text := err.Error(); !strings.Contains(text, "guard.Allow") || !strings.Contains(text, fmt.Sprint(c.n-1)) || !strings.Contains(text, e.Limit) {
		t.Errorf("the error does not say what to do: %s", text)
	}
	if len(events) != 1 || events[0].Outcome != guard.Refused {
		t.Errorf("events: %v", outcomes(events))
	}
}
