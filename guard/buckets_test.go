package guard_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/kept"
)

// TestBuckets takes and gives at random, and compares with a sum, which nothing comes
// back to.
func TestBuckets(t *testing.T) {
	random := check.Random(t)
	const burst = 100
	buckets := guard.NewBuckets(1_000)
	has := map[string]int64{}
	for range 20_000 {
		key := fmt.Sprint(random.IntN(30))
		b := guard.Bucket{Rate: "a", Key: key, Interval: slow / burst, Burst: burst}
		if _, ok := has[key]; !ok {
			has[key] = burst
		}
		if points := random.Int64N(40); random.IntN(2) == 0 {
			debt := max(random.Int64N(40)-20, 0)
			s := buckets.Take(t.Context(), b, points, debt)
			check.Same(t, "taken", s.Taken, has[key]-points >= -debt)
			check.Same(t, "available", s.Available, has[key])
			if s.Taken {
				has[key] -= points
			} else if wait := time.Duration(points-has[key]-debt) * b.Interval; s.RetryAfter > wait || s.RetryAfter < wait-time.Hour {
				t.Errorf("retry after %v, not %v", s.RetryAfter, wait)
			}
		} else {
			points -= 20
			buckets.Give(t.Context(), b, points)
			has[key] = min(has[key]+points, burst)
		}
		if t.Failed() {
			return
		}
	}
}

// TestBucketsFill: points come back with time, and no more than there is room for. What
// is refused may be taken when it is said to.
func TestBucketsFill(t *testing.T) {
	buckets := guard.NewBuckets(1_000)
	b := guard.Bucket{Rate: "a", Interval: time.Millisecond, Burst: 10}
	began, taken := time.Now(), int64(0)
	for refused := 0; refused < 20; {
		s := buckets.Take(t.Context(), b, 3, 0)
		if s.Taken {
			taken += 3
			continue
		}
		refused++
		time.Sleep(s.RetryAfter)
		if s = buckets.Take(t.Context(), b, 3, 0); !s.Taken {
			t.Fatalf("refused after the time that it said: %+v", s)
		}
		taken += 3
	}
	if most := 10 + time.Since(began).Milliseconds() + 1; taken > most {
		t.Errorf("%d points were taken of %d", taken, most)
	}
	time.Sleep(20 * time.Millisecond)
	check.Same(t, "available", buckets.Take(t.Context(), b, 0, 0).Available, 10)
	never := buckets.Take(t.Context(), b, 11, 0)
	check.Equal(t, "more than there is room for", never, guard.State{Available: 10})
}

// TestBucketsAreBounded: so many keys have a bucket and no more, and full ones have none.
func TestBucketsAreBounded(t *testing.T) {
	const most = 160
	entries := func() int {
		for _, r := range kept.All() {
			if r.Name == "buckets" {
				return r.Entries
			}
		}
		return 0
	}
	runtime.GC() // those of other tests
	buckets := guard.NewBuckets(most)
	other := entries()
	for i := range 20 * most {
		buckets.Take(t.Context(), guard.Bucket{Rate: "a", Key: fmt.Sprint(i), Interval: slow, Burst: 2}, 1, 0)
	}
	if n := entries() - other; n > most || n < most/2 {
		t.Errorf("%d buckets are kept, at most %d may be", n, most)
	}
	buckets = guard.NewBuckets(100 * most)
	for i := range 20 * most { // of which each is full again at once
		buckets.Take(t.Context(), guard.Bucket{Rate: "a", Key: fmt.Sprint(i), Interval: 1, Burst: 2}, 1, 0)
	}
	time.Sleep(time.Millisecond)
	kept.Shrink(0)
	b := guard.Bucket{Rate: "a", Key: "b", Interval: slow, Burst: 2}
	buckets.Take(t.Context(), b, 2, 0)
	kept.Shrink(0)
	check.Same(t, "a bucket that is not full", buckets.Take(t.Context(), b, 0, 0).Available, 0)
	runtime.KeepAlive(buckets)

	asked := guard.NewBuckets(most)
	was := entries()
	for i := range 20 * most {
		asked.Take(t.Context(), guard.Bucket{Key: fmt.Sprint(i)}, 0, 0)
	}
	check.Same(t, "buckets that were looked at", entries(), was)
	runtime.KeepAlive(asked)
}

// TestRateDeclarations: rates that cannot be are refused where they are declared.
func TestRateDeclarations(t *testing.T) {
	for _, c := range []guard.RateConfig{
		{}, {Points: -1}, {Points: 1, Per: -1}, {Points: 1, Per: 100_000 * time.Hour}, {Points: 2_000_000}, {Points: 1, Burst: -1}, {Points: 1, Burst: 1 << 40},
	} {
		func() {
			defer func() {
				err, _ := recover().(error)
				check.Error(t, fmt.Sprintf("%+v", c), err, smrt.ErrBadOptions)
			}()
			guard.NewRate(c)
		}()
	}
}
