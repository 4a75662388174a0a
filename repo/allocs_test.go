package repo_test

import (
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
)

// newCountedBench is a bench whose allocations can be counted.
func newCountedBench(t *testing.T) *bench {
	t.Helper()
	check.Plain(t) // the race detector allocates by itself
	if mode := testdb.ExecModeName(); mode != "cache_statement" {
		t.Skipf("mode %s: pgx describes statements or encodes texts anew for each call, which hides what is counted here", mode)
	}
	return newBench(t)
}

// count is the number of allocations of a run, once everything is warm.
func count(t *testing.T, run func() error) float64 {
	t.Helper()
	for range 8 {
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	return check.Allocations(run)
}

func TestGetAllocatesLittle(t *testing.T) {
	s := newCountedBench(t)
	const limit = 7
	if n := count(t, s.get()); n > limit {
		t.Errorf("Get allocates %v times, more than %d; by hand: %v", n, limit, count(t, s.getByHand()))
	}
}

func TestReadingManyRowsAllocatesATenth(t *testing.T) {
	s := newCountedBench(t)
	ours, hand := count(t, s.read1000()), count(t, s.read1000ByHand())
	if ours > hand/10 {
		t.Errorf("reading 1,000 rows allocates %v times, by hand %v", ours, hand)
	}
}

// TestRepeatedQueryCostsLittle compares a query built at run time with constant
// SQL whose rows are scanned the same way: both find nothing, so that rows cost
// neither anything.
func TestRepeatedQueryCostsLittle(t *testing.T) {
	s := newCountedBench(t)
	ours, hand := s.find(0), s.findByHand(0)
	const limit = 6
	if n, m := count(t, ours), count(t, hand); n > m+limit {
		t.Errorf("a repeated query allocates %v times, constant SQL %v: more than %d apart", n, m, limit)
	}
	const runs = 400
	times := [2][]time.Duration{}
	for range runs {
		for i, run := range []func() error{ours, hand} {
			start := time.Now()
			if err := run(); err != nil {
				t.Fatal(err)
			}
			times[i] = append(times[i], time.Since(start))
		}
	}
	// About 1 us is expected; the bound leaves room for a busy machine and yet
	// catches squirrel on every call, which costs 7 us on an idle one.
	a, b := check.Median(times[0]), check.Median(times[1])
	t.Logf("a repeated query takes %.1f us, constant SQL %.1f us", a/1000, b/1000)
	if a > b*1.25+5000 {
		t.Errorf("a repeated query takes %.1f us, constant SQL %.1f us", a/1000, b/1000)
	}
}

// TestBulkWritesAllocateLittle bounds the allocations for 1,000 rows. They do
// not depend on the number of rows, and the types of arrays are found out once
// for each column: asking pgx again would add 60 to 80.
func TestBulkWritesAllocateLittle(t *testing.T) {
	s := newCountedBench(t)
	created, known := newMeasurements(1000), existing(1000)
	onKey := query.OnConflict[measurement](measurementID)
	for what, c := range map[string]struct {
		limit float64
		run   func() error
	}{
		"create": {62, func() error {
			for i := range created {
				created[i].ID = 0
			}
			return s.repo.CreateMany(s.ctx, created)
		}},
		"upsert": {78, func() error { _, err := s.repo.UpsertMany(s.ctx, known, onKey); return err }},
		"update": {58, func() error { _, err := s.repo.UpdateMany(s.ctx, known); return err }},
	} {
		n := count(t, c.run)
		t.Logf("%s: %v allocations", what, n)
		if n > c.limit {
			t.Errorf("to %s 1,000 rows allocates %v times, more than %v", what, n, c.limit)
		}
	}
}
