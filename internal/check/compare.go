package check

import (
	"math"
	"slices"
	"testing"
	"time"
)

// Twin is the same operation written by hand.
type Twin struct {
	Name string
	Run  func() error
}

// warm is how often each side runs before it is measured: statements are then
// prepared, and past the server's five custom plans.
const warm = 8

// Compare runs ours and its twins in turn, forwards and backwards, because what runs
// behind a scan of a large table finds the processor's caches empty. It reports our median time and
// allocations, the twins' allocations, and x-<twin>: the ratio of the median
// times, below 1 where ours is faster.
func Compare(b *testing.B, ours func() error, twins ...Twin) {
	b.Helper()
	sides := append([]Twin{{"ours", ours}}, twins...)
	for range warm {
		for _, s := range sides {
			if err := s.Run(); err != nil {
				b.Fatal(s.Name, ": ", err)
			}
		}
	}
	times := make([][]time.Duration, len(sides))
	for i := range sides {
		times[i] = make([]time.Duration, 0, b.N)
	}
	b.ResetTimer()
	for n := range b.N {
		for k := range sides {
			i := (n + k) % len(sides) // none is always the first, nor behind the same one
			if n%2 == 1 {
				i = (n + len(sides) - k) % len(sides)
			}
			start := time.Now()
			err := sides[i].Run()
			times[i] = append(times[i], time.Since(start))
			if err != nil {
				b.Fatal(sides[i].Name, ": ", err)
			}
		}
	}
	b.StopTimer()
	our := Median(times[0])
	b.ReportMetric(our, "ns/op")
	b.ReportMetric(Allocations(ours), "our-allocs/op")
	for i, s := range sides[1:] {
		b.ReportMetric(our/Median(times[i+1]), "x-"+s.Name)
		b.ReportMetric(Allocations(s.Run), s.Name+"-allocs/op")
	}
}

// Allocations is how many allocations a run makes.
func Allocations(run func() error) float64 {
	least := math.Inf(1)
	for range 3 { // what runs in the background can only add to it
		least = min(least, testing.AllocsPerRun(AllocationRuns, func() { _ = run() }))
	}
	return least
}

// AllocationRuns is how often [Allocations] runs what it measures.
const AllocationRuns = 20

// Median is the middle of durations, in nanoseconds. It sorts them.
func Median(ds []time.Duration) float64 {
	slices.Sort(ds)
	return float64(ds[len(ds)/2])
}
