package readreplica_test

import (
	"context"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// routed chooses a node and ends the read at once: what a router, or its reader,
// adds to one.
func routed(ctx context.Context, db smrt.DB) error {
	r := handle.RouterOf(db)
	t, err := r.Next(ctx, handle.Try{})
	if err != nil {
		return err
	}
	return r.Done(ctx, t)
}

// nothing is a read that does nothing.
func nothing(smrt.DB, int) (final bool, err error) { return false, nil }

// TestRoutingAllocates proves that routing needs no memory.
func TestRoutingAllocates(t *testing.T) {
	c := newCluster(t, 0, 0)
	r := c.open(t, func(cfg *readreplica.Config) { cfg.ProbeInterval, cfg.MaxStale = time.Minute, time.Minute }) // probes allocate
	session := readreplica.WithSession(t.Context())
	check.NoError(t, routed(session, r))
	for what, ctx := range map[string]context.Context{"plain": t.Context(), "primary": readreplica.WithPrimary(t.Context()), "session": session} {
		for on, db := range map[string]smrt.DB{"router": r, "reader": r.Reader()} {
			got := testing.AllocsPerRun(1000, func() { check.NoError(t, routed(ctx, db)) })
			check.Same(t, what+", "+on+": allocations", got, 0)
			got = testing.AllocsPerRun(1000, func() { check.NoError(t, handle.Read(ctx, db, nothing)) })
			check.Same(t, what+", "+on+": allocations of a read", got, 0)
		}
	}
	rows, direct := repo.New(r, counters), repo.New(poolOn(t, c.standbys[0]), counters)
	get := func(rows *repo.Repository[counter, int64]) func() error {
		return func() error {
			_, err := rows.Get(t.Context(), 1)
			return err
		}
	}
	for range 50 { // both standbys have prepared it, for both
		check.NoError(t, get(rows)())
		check.NoError(t, get(direct)())
	}
	check.Same(t, "allocations of a get", check.Allocations(get(rows)), check.Allocations(get(direct)))
}

// TestRoutingTime proves that routing adds at most 150 ns to a read. The fastest
// of many rounds counts, because others share the machine.
func TestRoutingTime(t *testing.T) {
	check.Plain(t) // the race detector is what would be measured
	c := newCluster(t, 0, 0)
	r := c.open(t)
	const runs = 10_000
	best := time.Hour
	for range 50 {
		began := time.Now()
		for range runs {
			if err := routed(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		best = min(best, time.Since(began)/runs)
	}
	t.Logf("%v", best)
	if best > 150*time.Nanosecond {
		t.Errorf("routing takes %v", best)
	}
}

// BenchmarkRouting is what a router adds to a read.
func BenchmarkRouting(b *testing.B) {
	c := newCluster(b, 0, 0)
	r := c.open(b)
	session := readreplica.WithSession(b.Context())
	check.NoError(b, routed(session, r))
	for _, bb := range []struct {
		name string
		ctx  context.Context
	}{{"plain", b.Context()}, {"session", session}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := routed(bb.ctx, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
