package guard_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// TestLimitsAtTheirEnds: the largest number is as much as anybody likes, as a limit and as
// an allowance. Allowances of nothing and less allow nothing, and lower no limit.
func TestLimitsAtTheirEnds(t *testing.T) {
	pool, _ := newShopOfLines(t)
	for _, c := range calls() {
		run := func(ctx context.Context, n int) error {
			l := guard.Limits{Logger: quiet}
			c.set(&l, n)
			return c.call(ctx, newService(guard.On(pool, l), guard.Limits{}))
		}
		l := guard.Limits{}
		c.set(&l, -1)
		check.Error(t, c.name+": a limit below zero", l.Check(), smrt.ErrBadOptions)
		for what, err := range map[string]error{
			"a limit":        run(t.Context(), math.MaxInt),
			"no limit":       run(guard.Allow(t.Context(), c.allow(-1), "a test"), 0),
			"an allowance":   run(guard.Allow(t.Context(), c.allow(math.MaxInt), "a test"), c.n-1),
			"of nothing":     run(guard.Allow(t.Context(), c.allow(0), "a test"), c.n),
			"less than that": run(guard.Allow(t.Context(), c.allow(-1), "a test"), c.n),
		} {
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, what, err)
			}
		}
		for _, n := range []int{0, -1, math.MinInt} {
			check.Error(t, c.name+": an allowance of nothing", run(guard.Allow(t.Context(), c.allow(n), "a test"), c.n-1), c.want)
		}
	}
}

// ends are numbers at which sums and products leave their range.
var ends = []int{0, 1, 20, 1_000, math.MaxInt32, math.MaxInt >> 23, math.MaxInt/10 + 1, math.MaxInt/5 + 1, math.MaxInt / 16, math.MaxInt - 1, math.MaxInt}

// TestPricesGrow: no price is below zero, and what asks for more of one thing is never
// cheaper, whatever numbers a client has made up.
func TestPricesGrow(t *testing.T) {
	pool, sent := newShop(t)
	random := check.Random(t)
	number := func() int {
		if random.IntN(3) == 0 {
			return random.Int() >> random.IntN(63)
		}
		return ends[random.IntN(len(ends))]
	}
	price := func(limit, offset, of int) (points int64) {
		s := newService(guard.On(pool, guard.Limits{MaxComplexity: 1, Logger: quiet, OnEvent: func(_ context.Context, e guard.Event) {
			points = e.Error.Actual
		}}), guard.Limits{})
		lines := preload.Many(shop.OrderLines.Limit(of), func(o *orderView) *[]lineView { return &o.Lines })
		q := query.Where(shop.OrderCustomer.Ne(0)).Limit(limit).Offset(offset)
		check.Error(t, "a search with loads", call(s.orders.Find(t.Context(), q, lines)), smrt.ErrComplexityLimit)
		return points
	}
	sent.Reset()
	for range 500 {
		asked := [3]int{max(number(), 1), number(), max(number(), 1)}
		more := asked
		i := random.IntN(3)
		more[i] = max(more[i], number())
		less, points := price(asked[0], asked[1], asked[2]), price(more[0], more[1], more[2])
		if less < 10 || points < less {
			t.Fatalf("limit, offset and lines of %v cost %d points, %v cost %d", asked, less, more, points)
		}
	}
	check.Same(t, "statements", sent.Len(), 0)
}

// TestBucketsAtTheirEnds: whatever numbers a store is called with, a bucket has no more
// than its burst, nobody gets points by taking them, and a wait is never below zero.
func TestBucketsAtTheirEnds(t *testing.T) {
	random := check.Random(t)
	number := func() int64 {
		return int64(ends[random.IntN(len(ends))]) * (random.Int64N(2)*2 - 1)
	}
	for range 2_000 {
		buckets := guard.NewBuckets(1_000)
		b := guard.Bucket{Rate: "a", Interval: time.Duration(max(number(), 0)), Burst: max(number(), 1)}
		for range 10 {
			had := buckets.Take(t.Context(), b, 0, 0).Available
			points, debt := number(), number()
			if random.IntN(4) == 0 {
				buckets.Give(t.Context(), b, points)
				continue
			}
			s := buckets.Take(t.Context(), b, points, debt)
			if s.RetryAfter < 0 || s.Available > b.Burst || debt == math.MaxInt64 && had >= 0 && !s.Taken {
				t.Fatalf("%+v with %d points, %d were taken with a debt of %d: %+v", b, had, points, debt, s)
			}
			if left := buckets.Take(t.Context(), b, 0, 0).Available; points < 0 && b.Interval > time.Hour && left > had {
				t.Fatalf("%+v had %d points, and has %d after %d were taken", b, had, left, points)
			}
		}
	}
}
