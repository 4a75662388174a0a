package repo_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/repo"
)

// newConcurrentBench is newBench with a pool of the given size.
func newConcurrentBench(tb testing.TB, conns int32, opts ...testdb.Option) *bench {
	tb.Helper()
	ctx := context.Background()
	pool := testdb.Pool(tb, testdb.Schema{}, append(opts, testdb.MaxConns(conns))...)
	for _, sql := range []string{measurementsSQL, "VACUUM ANALYZE measurements"} {
		if _, err := pool.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			tb.Fatal(err)
		}
	}
	return &bench{ctx: ctx, pool: pool, repo: repo.New(pool, measurements)}
}

// crowd runs n gets from several goroutines at a time and returns how long one
// takes, over all of them.
func crowd(tb testing.TB, goroutines, n int, get func(context.Context, int64) (*measurement, error)) time.Duration {
	tb.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	start := time.Now()
	for range goroutines {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				id := rand.Int64N(20000) + 1
				if m, err := get(context.Background(), id); err != nil || m.ID != id {
					tb.Errorf("get %d: %v, %v", id, m, err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start) / time.Duration(n)
}

// BenchmarkConcurrentGet compares Get with the same written by hand, on one
// pool of sixteen connections. The two take turns, a slice of the work each;
// x-pgx is the ratio of their median times, gain its inverse.
func BenchmarkConcurrentGet(b *testing.B) {
	s := newConcurrentBench(b, 16)
	ours := func(ctx context.Context, id int64) (*measurement, error) { return s.repo.Get(ctx, id) }
	hand := func(ctx context.Context, id int64) (*measurement, error) { return handGet(ctx, s.pool, id) }
	for _, goroutines := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			const turns = 100
			compareCrowds(b, goroutines, max(b.N/turns, 40*goroutines), ours, hand)
		})
	}
}

func compareCrowds(b *testing.B, goroutines, n int, sides ...func(context.Context, int64) (*measurement, error)) {
	times := make([][]time.Duration, len(sides))
	for _, side := range sides {
		crowd(b, goroutines, n, side) // connections opened, statements prepared
	}
	b.ResetTimer()
	for done := 0; done < b.N; done += n {
		for k := range sides {
			i := (done/n + k) % len(sides) // none is always the first
			times[i] = append(times[i], crowd(b, goroutines, n, sides[i]))
		}
	}
	b.StopTimer()
	ours, hand := check.Median(times[0]), check.Median(times[1])
	b.ReportMetric(ours, "ns/op")
	b.ReportMetric(hand, "pgx-ns/op")
	b.ReportMetric(ours/hand, "x-pgx")
	b.ReportMetric(hand/ours, "gain")
}
