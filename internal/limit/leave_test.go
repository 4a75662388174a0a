package limit_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/limit"
)

// leaver is a handle, each method of which is left as leave says.
type leaver struct{ leave func() }

func (l leaver) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	l.leave()
	return pgconn.CommandTag{}, nil
}

func (l leaver) Query(context.Context, string, ...any) (pgx.Rows, error) {
	l.leave()
	return nil, nil
}

func (l leaver) QueryRow(context.Context, string, ...any) pgx.Row {
	l.leave()
	return nil
}

func (l leaver) SendBatch(context.Context, *pgx.Batch) pgx.BatchResults {
	l.leave()
	return nil
}

func (l leaver) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	l.leave()
	return 0, nil
}

// TestCallsThatAreLeft: where code of the program panics or ends its goroutine, what was
// taken and not used comes back, and nothing of the call is kept.
func TestCallsThatAreLeft(t *testing.T) {
	t.Parallel()
	calls := map[string]func(context.Context, *limit.DB){
		"Exec":     func(ctx context.Context, db *limit.DB) { _, _ = db.Exec(ctx, "") },
		"Query":    func(ctx context.Context, db *limit.DB) { _, _ = db.Query(ctx, "") },
		"QueryRow": func(ctx context.Context, db *limit.DB) { _ = db.QueryRow(ctx, "") },
		"SendBatch": func(ctx context.Context, db *limit.DB) {
			var b pgx.Batch
			b.Queue("")
			_ = db.SendBatch(ctx, &b)
		},
		"CopyFrom": func(ctx context.Context, db *limit.DB) { _, _ = db.CopyFrom(ctx, nil, nil, nil) },
	}
	for call, run := range calls {
		for _, where := range []string{"statement", "rate", "event"} {
			for how, leave := range map[string]func(){"panic": func() { panic("left") }, "Goexit": runtime.Goexit} {
				leaveAt := func(place string) {
					if place == where {
						leave()
					}
				}
				var under context.Context
				taken := int64(0)
				first := &limit.Rate{
					Take: func(ctx context.Context, points, _ int64) limit.Taken {
						under, taken = ctx, taken+points
						return limit.Taken{}
					},
					Give: func(_ context.Context, _ limit.Taken, points int64) { taken -= points },
				}
				second := &limit.Rate{
					Take: func(context.Context, int64, int64) limit.Taken {
						leaveAt("rate")
						return limit.Taken{Err: &smrt.RateError{}}
					},
					Give: func(context.Context, limit.Taken, int64) { t.Error("what was not taken came back") },
				}
				mode := limit.Enforce
				if where == "statement" {
					mode = limit.Report // so that it is sent
				}
				s := limit.New(limit.Enforce, [limit.Kinds]int64{limit.Time: int64(time.Hour)}, 0, &limit.Reporter{Tell: func(context.Context, limit.Event) { leaveAt("event") }})
				s = s.Rated(limit.Enforce, first).Rated(mode, second)
				var all sync.WaitGroup
				all.Go(func() {
					defer func() { _ = recover() }()
					run(t.Context(), limit.NewDB(leaver{func() { leaveAt("statement") }}, s))
					t.Errorf("%s returned", call)
				})
				all.Wait()
				what := call + ", " + how + " of the " + where
				check.Same(t, what+": calls under way", limit.Running(s), 0)
				check.Same(t, what+": the context has ended", under.Err() != nil, true)
				used := int64(0)
				if where == "statement" {
					used = map[bool]int64{false: 1, true: limit.Write}[call == "CopyFrom"]
				}
				check.Same(t, what+": points", taken, used)
			}
		}
	}
}
