package observe_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/repo"
)

func TestUsed(t *testing.T) {
	t.Parallel()
	s := newStore(t, 2)
	check.Same(t, "without a scope", observe.Used(t.Context()), observe.Usage{})
	outer, _ := watch(t, observe.Options{})
	ctx := observe.WithScope(outer, observe.Options{Policy: observe.Ignore})
	s.get(outer, 0)
	s.get(ctx, 0)
	s.get(observe.WithoutCounting(ctx), 1)
	var b pgx.Batch
	b.Queue("SELECT 1")
	b.Queue("SELECT 2")
	check.NoError(t, s.pool.SendBatch(ctx, &b).Close())
	_, err := s.pool.CopyFrom(ctx, pgx.Identifier{"tags"}, []string{"name"}, pgx.CopyFromRows([][]any{{"x"}}))
	check.NoError(t, err)
	_, err = s.pool.Exec(ctx, "SELECT 1/$1::int", 0)
	check.Same(t, "an error", err != nil, true)

	inner, all := observe.Used(ctx), observe.Used(outer)
	check.Same(t, "time of the inner scope", inner.Time > 0 && all.Time >= inner.Time, true)
	inner.Time, all.Time = 0, 0
	check.Same(t, "inner scope", inner, observe.Usage{Calls: 5, Statements: 6, Failed: 1})
	check.Same(t, "scope around it", all, observe.Usage{Calls: 6, Statements: 7, Failed: 1})
}

// TestMaxCalls: the first call above it is a finding, and is sent.
func TestMaxCalls(t *testing.T) {
	t.Parallel()
	s := newStore(t, 20)
	ctx, seen := watch(t, observe.Options{Limit: 100, MaxCalls: 3})
	want := 0
	for i := range 10 {
		if i == 3 {
			seen.none(t, "as many as may be")
		}
		want = line() + 1
		s.get(ctx, i)
	}
	f := seen.one(t)
	check.Same(t, "calls", f.Calls, 4)
	wantSite(t, f.Callers[0], "usage_test.go", want)
	check.Same(t, "text", strings.Contains(f.String(), "too many calls: 4, at most 3"), true)
	check.Equal(t, "findings", observe.Findings(ctx), []observe.Finding{f})
	check.Same(t, "calls in all", observe.Used(ctx).Calls, 10)
}

// TestSharedReadsAreCharged to those who asked, though no statement has a scope.
func TestSharedReadsAreCharged(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1)
	categories := repo.New(s.pool, shop.Categories, repo.Options{Batching: repo.Batching{MaxInFlight: 1, MaxBatch: 100}})
	for range 20 { // until some have met
		ctx, seen := watch(t, observe.Options{Limit: 50})
		readShared(ctx, t, categories, s.shelf[0].CategoryID)
		used := observe.Used(ctx)
		check.Same(t, "calls", used.Calls+used.Shared, 8*10)
		if used.Shared == 0 {
			continue
		}
		f := seen.one(t)
		check.Same(t, "times", observe.Findings(ctx)[0].Repeats, 8*10)
		check.Same(t, "site", strings.Contains(f.Site.Function, "readShared"), true)
		return
	}
	t.Error("no reads have met")
}

func readShared(ctx context.Context, t *testing.T, categories *repo.Repository[shop.Category, int64], id int64) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if _, err := categories.Get(ctx, id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
