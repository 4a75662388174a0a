package observe_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
)

func newObserver(t testing.TB, c observe.Config) *observe.Observer {
	t.Helper()
	return check.Value(observe.New(c))(t)
}

// mostOff is by how much a quantile may be off.
const mostOff = 0.0625

func TestQuantiles(t *testing.T) {
	t.Parallel()
	r := check.Random(t)
	ms := func(x float64) time.Duration { return max(time.Duration(x*float64(time.Millisecond)), 1024) }
	for name, next := range map[string]func() time.Duration{
		"constant":     func() time.Duration { return 3 * time.Millisecond },
		"uniform":      func() time.Duration { return ms(1 + 99*r.Float64()) },
		"exponential":  func() time.Duration { return ms(r.ExpFloat64()) },
		"normal":       func() time.Duration { return ms(50 + 5*r.NormFloat64()) },
		"log-normal":   func() time.Duration { return ms(math.Exp(r.NormFloat64())) },
		"two humps":    func() time.Duration { return ms([...]float64{0.1, 40}[r.IntN(2)] * (1 + r.Float64())) },
		"heavy tail":   func() time.Duration { return ms(0.05 / math.Sqrt(1-r.Float64())) },
		"microseconds": func() time.Duration { return 1024 + time.Duration(r.IntN(20_000)) },
		"minutes":      func() time.Duration { return time.Minute + time.Duration(r.Int64N(int64(time.Hour))) },
		"octaves":      func() time.Duration { return 1 << (10 + r.IntN(30)) },
	} {
		times := make([]time.Duration, 20_000)
		for i := range times {
			times[i] = next()
		}
		sorted := slices.Sorted(slices.Values(times))
		for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
			want := sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
			got := observe.Quantile(times, q)
			if off := math.Abs(float64(got-want)) / float64(want); off > mostOff {
				t.Errorf("%s: the %v quantile is %v, want %v: off by %.1f %%", name, q, got, want, 100*off)
			}
		}
	}
}

func TestHistogramAtItsEnds(t *testing.T) {
	t.Parallel()
	check.Same(t, "of nothing", observe.Histogram{}.Quantile(0.5), 0)
	for _, d := range []time.Duration{0, 1, 1023, 1 << 62} {
		check.Same(t, fmt.Sprint("calls of ", d), observe.Quantile([]time.Duration{d}, 0.5) > 0, true)
	}
}

// TestCountsOnlyGrow: however many calls there are, and whatever becomes of their
// texts, the numbers of a name grow.
func TestCountsOnlyGrow(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{MaxShapes: 4})
	texts := []string{"SELECT 1", "SELECT 2"}
	for _, text := range texts {
		for range 2 {
			observe.Record(o, text, time.Second)
		}
		observe.Fill(o, text, time.Second)
	}
	want := uint64(len(texts)) * math.MaxUint32
	expect := func(when string) {
		t.Helper()
		h := o.Snapshot().ByName()[0].Times
		n := uint64(0)
		for upper, calls := range h.All() {
			check.Same(t, "upper bound", upper > time.Second, true)
			n += calls
		}
		check.Same(t, "calls "+when, h.Count(), want)
		check.Same(t, "calls in the buckets "+when, n, want)
	}
	expect("of full buckets")
	for _, text := range texts {
		for range 3 {
			observe.Record(o, text, time.Second)
			want++
			expect("after one more")
		}
	}
	for i := range 300 { // so that they are dropped
		for range 2 {
			observe.Record(o, fmt.Sprint("SELECT -", i), 2*time.Second)
			want++
		}
	}
	expect("when their texts are gone")
	for i := range 300 {
		for range 2 {
			observe.Record(o, fmt.Sprint("SELECT -", i, "a"), 2*time.Second)
			want++
		}
	}
	check.Same(t, "they are gone", slices.ContainsFunc(o.Snapshot().Shapes, func(s observe.Shape) bool { return s.SQL == texts[0] }), false)
	expect("later")
}

// TestNamesOnlyGrow: of more names than have a place those that were met later are
// counted together from their first call on, so that no name loses calls.
func TestNamesOnlyGrow(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{MaxShapes: 4})
	const names, sent = 2100, 3
	last := map[observe.Name]uint64{}
	for i := range names {
		for range sent {
			observe.Record(o, fmt.Sprintf("-- name: Q%d :exec\nSELECT", i), time.Millisecond)
		}
		if i%50 != 49 {
			continue
		}
		now := map[observe.Name]uint64{}
		for _, s := range o.Snapshot().ByName() {
			now[s.Name] = s.Calls
		}
		for name, n := range last {
			if now[name] < n {
				t.Fatalf("%s had %d calls, and has %d", name, n, now[name])
			}
		}
		last = now
	}
	check.Same(t, "names", len(last), 2001)
	check.Same(t, "calls of those that have no place", last[observe.Name{Operation: "other"}], (names-2000)*sent)
}

// TestStatesOnlyGrow: an SQLSTATE that was counted by its name stays so when texts
// with others are added.
func TestStatesOnlyGrow(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{MaxShapes: 4})
	last := map[string]uint64{}
	for i := range 100 {
		for range 2 {
			observe.RecordError(o, fmt.Sprint("SELECT ", i%50), fmt.Sprintf("P1%03d", i%40))
		}
		now := o.Snapshot().ByName()[0].Errors
		for state, n := range last {
			if now[state] < n {
				t.Fatalf("%s was counted %d times, and is %d times", state, n, now[state])
			}
		}
		last = now
	}
	check.Same(t, "SQLSTATEs", len(last), 40)
}

// TestSumsStayRight: whatever has no room, no call is lost.
func TestSumsStayRight(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{MaxShapes: 10})
	var wg sync.WaitGroup
	const workers, each = 4, 5000
	for range workers {
		r := rand.New(rand.NewPCG(check.Seed(t), 1))
		wg.Go(func() {
			for range each {
				observe.Record(o, fmt.Sprint("SELECT ", r.IntN(300)), time.Duration(r.IntN(1000))*time.Microsecond)
			}
		})
	}
	wg.Wait()
	s := o.Snapshot()
	check.Same(t, "calls", s.Total().Calls, workers*each)
	timed := uint64(0)
	for _, list := range [][]observe.Shape{s.Shapes, s.Others} {
		for i := range list {
			check.Same(t, "calls in a histogram", list[i].Times.Count(), list[i].Calls)
			timed += list[i].Times.Count()
		}
	}
	check.Same(t, "calls in histograms", timed, workers*each)
	byName := s.ByName()
	check.Same(t, "names", len(byName), 1)
	check.Same(t, "calls by name", byName[0].Calls, workers*each)
	check.Same(t, "calls in the histogram of the name", byName[0].Times.Count(), workers*each)
	if n := len(s.Shapes); n > 10+64 {
		t.Errorf("%d shapes are kept", n)
	}
}

// TestMemoryOfShapes: 100,000 texts that a program makes anew take no more than
// 4 MB, and the sum of their calls stays exact.
func TestMemoryOfShapes(t *testing.T) {
	check.Plain(t)
	calls, texts := 200_000, 20_000
	if check.Long() {
		calls, texts = 10_000_000, 100_000
	}
	const most = 4 << 20
	r := check.Random(t)
	before := heap()
	o := newObserver(t, observe.Config{})
	columns := strings.Repeat("column, ", 12)
	for range calls {
		// Half of the calls send a text twice, so that it gets a histogram.
		text := fmt.Sprintf("SELECT %sid FROM products WHERE id = %d", columns, r.IntN(texts))
		observe.Record(o, text, time.Millisecond)
		if r.IntN(2) == 0 {
			observe.Record(o, text, time.Millisecond)
			calls++
		}
	}
	took := heap() - before
	t.Logf("%d calls of %d texts keep %d KB", calls, texts, took>>10)
	if took > most {
		t.Errorf("%d calls of %d texts keep %d KB, want at most %d", calls, texts, took>>10, most>>10)
	}
	check.Same(t, "calls", o.Snapshot().Total().Calls, uint64(calls))
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSlowTextsStay: those that take the most time keep their shape, and what was
// slow long ago does not for ever.
func TestSlowTextsStay(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{MaxShapes: 16})
	twice := func(text string, d time.Duration) {
		for range 2 {
			observe.Record(o, text, d)
		}
	}
	has := func(text string) bool {
		return slices.ContainsFunc(o.Snapshot().Shapes, func(s observe.Shape) bool { return s.SQL == text })
	}
	twice("SELECT slow", time.Second)
	for i := range 40 {
		twice(fmt.Sprint("SELECT ", i), time.Millisecond)
	}
	check.Same(t, "the slow one is kept", has("SELECT slow"), true)
	check.Same(t, "it is the first", o.Snapshot().Top(1)[0].SQL, "SELECT slow")
	for i := range 1000 {
		twice(fmt.Sprint("SELECT -", i), 10*time.Millisecond)
	}
	check.Same(t, "it is kept for ever", has("SELECT slow"), false)
	check.Same(t, "calls", o.Snapshot().Total().Calls, 2*(1+40+1000))
}

func TestLongTextsAreOthers(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{})
	long := "SELECT '" + strings.Repeat("x", 33<<10) + "'"
	for range 3 {
		observe.Record(o, long, time.Millisecond)
	}
	s := o.Snapshot()
	check.Same(t, "shapes", len(s.Shapes), 0)
	check.Same(t, "calls of others", s.Others[0].Calls, 3)
}

func TestReset(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{})
	for range 3 {
		observe.Record(o, "SELECT 1", time.Millisecond)
	}
	before := o.Snapshot()
	o.Reset()
	check.Same(t, "calls after Reset", o.Snapshot().Total().Calls, 0)
	check.Same(t, "calls of the snapshot from before", before.Total().Calls, 3)
	observe.Record(o, "SELECT 1", time.Millisecond)
	check.Same(t, "calls after one more", o.Snapshot().Total().Calls, 1)
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	for option, c := range map[string]observe.Config{
		"MaxShapes":      {MaxShapes: -1},
		"Hooks":          {Hooks: []observe.Hook{nil}},
		"Slow.Threshold": {Slow: observe.SlowLog{Threshold: -2}},
		"Slow.PerSecond": {Slow: observe.SlowLog{PerSecond: -1}},
	} {
		_, err := observe.New(c)
		bad, ok := err.(*smrt.OptionsError) //nolint:errorlint // it is returned as it is
		if !ok || bad.Option != option {
			t.Errorf("%s: got error %v", option, err)
		}
	}
}
