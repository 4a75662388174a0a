package loader_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/loader"
)

// counters is a table of numbers that only grow.
func counters(tb testing.TB, n int, opts ...testdb.Option) *pgxpool.Pool {
	tb.Helper()
	pool := testdb.Pool(tb, testdb.Empty, opts...)
	sql := fmt.Sprintf(`CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL);
		INSERT INTO counters SELECT i, 0 FROM generate_series(1, %d) i; ANALYZE counters`, n)
	if _, err := pool.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		tb.Fatal(err)
	}
	return pool
}

type counter struct{ ID, N int32 }

// readCounters is a batch function.
func readCounters(pool *pgxpool.Pool) loader.Func[int32, int32] {
	return func(ctx context.Context, ids []int32) (map[int32]int32, error) {
		rows, err := pool.Query(ctx, "SELECT id, n FROM counters WHERE id = ANY($1)", ids)
		if err != nil {
			return nil, err
		}
		found := make(map[int32]int32, len(ids))
		var c counter
		_, err = pgx.ForEachRow(rows, []any{&c.ID, &c.N}, func() error {
			found[c.ID] = c.N
			return nil
		})
		return found, err
	}
}

// TestLoadSeesWhatWasWrittenBefore: whoever has written and then loads sees at
// least that, whatever else is under way.
func TestLoadSeesWhatWasWrittenBefore(t *testing.T) {
	t.Parallel()
	const writers, rounds = 32, 60
	pool := counters(t, writers, testdb.MaxConns(4))
	var loads, calls atomic.Int64
	read := readCounters(pool)
	l := loader.New(func(ctx context.Context, ids []int32) (map[int32]int32, error) {
		calls.Add(1)
		return read(ctx, ids)
	}, loader.Options{MaxInFlight: 1})

	var newest [writers + 1]atomic.Int32 // committed at least
	var all sync.WaitGroup
	for id := int32(1); id <= writers; id++ {
		all.Go(func() {
			for n := int32(1); n <= rounds; n++ {
				if _, err := pool.Exec(t.Context(), "UPDATE counters SET n = $2 WHERE id = $1", id, n); err != nil {
					t.Error(err)
					return
				}
				newest[id].Store(n)
				for _, of := range []int32{id, rand.Int32N(writers) + 1, rand.Int32N(writers) + 1} {
					least := newest[of].Load()
					got, err := l.Load(t.Context(), of)
					loads.Add(1)
					if err != nil || got < least {
						t.Errorf("counter %d is %d, %v, after %d was written", of, got, err, least)
						return
					}
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d loads, %d calls", loads.Load(), calls.Load())
	if calls.Load() > loads.Load()*2/3 {
		t.Errorf("%d calls for %d loads: hardly anything was shared", calls.Load(), loads.Load())
	}
}

// TestCancelledLoadsLeaveNoConnectionBehind: the callers return at once, and
// their call soon after them.
func TestCancelledLoadsLeaveNoConnectionBehind(t *testing.T) {
	t.Parallel()
	pool := counters(t, 10, testdb.MaxConns(2))
	read := readCounters(pool)
	started := make(chan struct{}, 10)
	l := loader.New(func(ctx context.Context, ids []int32) (map[int32]int32, error) {
		started <- struct{}{}
		if _, err := pool.Exec(ctx, "SELECT pg_sleep(30)"); err != nil {
			return nil, err
		}
		return read(ctx, ids)
	}, loader.Options{MaxInFlight: 1})
	first, cancelFirst := context.WithCancel(t.Context())
	rest, cancelRest := context.WithCancel(t.Context())
	var all sync.WaitGroup
	fail := func(ctx context.Context, id int32) {
		if _, err := l.Load(ctx, id); err == nil {
			t.Error("no error")
		}
	}
	all.Go(func() { fail(first, 1) })
	<-started
	for id := int32(2); id < 9; id++ {
		all.Go(func() { fail(rest, id) })
	}
	cancelFirst()
	<-started // the batch, or one of those who come later
	cancelRest()
	all.Wait()
	for deadline := time.Now().Add(testdb.Patience(20 * time.Second)); pool.Stat().AcquiredConns() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are still in use", pool.Stat().AcquiredConns())
		}
	}
}

// BenchmarkLoad compares a loader with a call for each load, at several numbers
// of goroutines.
func BenchmarkLoad(b *testing.B) {
	const rows = 20_000
	pool := counters(b, rows, testdb.MaxConns(16))
	read := readCounters(pool)
	for _, goroutines := range []int{1, 16, 64, 256} {
		for _, inFlight := range []int{0, 1, 2, 3, 4} {
			name := fmt.Sprintf("goroutines=%d/alone", goroutines)
			load := func(ctx context.Context, id int32) error {
				_, err := read(ctx, []int32{id})
				return err
			}
			if inFlight > 0 {
				name = fmt.Sprintf("goroutines=%d/inflight=%d", goroutines, inFlight)
				l := loader.New(read, loader.Options{MaxInFlight: inFlight})
				load = func(ctx context.Context, id int32) error {
					_, err := l.Load(ctx, id)
					return err
				}
			}
			b.Run(name, func(b *testing.B) {
				var left atomic.Int64
				left.Store(int64(b.N))
				var all sync.WaitGroup
				for range goroutines {
					all.Go(func() {
						for left.Add(-1) >= 0 {
							if err := load(context.Background(), rand.Int32N(rows)+1); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
			})
		}
	}
}
