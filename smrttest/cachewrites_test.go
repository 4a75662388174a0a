package smrttest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/smrttest"
	"github.com/smrt-go/smrt/unit"
)

type kept struct {
	ID   int64
	Name string
}

// TestCacheWrites expects a statement by hand on a table of a cache to fail the test, unless the cache was told of it.
func TestCacheWrites(t *testing.T) {
	keeps := query.NewTable("items", func(i *kept) *int64 { return &i.ID }, query.KeyByClient[kept]())
	name := query.TextCol(func(i *kept) *string { return &i.Name })
	const by = "update items set name = 'by hand'"
	exec := func(ctx context.Context, pool *pgxpool.Pool, sql string) { _, _ = pool.Exec(ctx, sql) }
	for what, c := range map[string]struct {
		call func(context.Context, *pgxpool.Pool)
		left string
	}{
		"by hand":                    {func(ctx context.Context, pool *pgxpool.Pool) { exec(ctx, pool, by) }, by},
		"a comment that nobody read": {func(ctx context.Context, pool *pgxpool.Pool) { exec(ctx, pool, by+" -- smrt:writes items") }, by},
		"in a batch": {func(ctx context.Context, pool *pgxpool.Pool) {
			var b pgx.Batch
			b.Queue("truncate items")
			check.NoError(t, pool.SendBatch(ctx, &b).Close())
		}, "truncate items"},
		"beside one that is told": {func(ctx context.Context, pool *pgxpool.Pool) {
			exec(ctx, pool, "delete from items")
			check.Value(cache.On(pool).Exec(ctx, by+" -- smrt:writes items"))(t)
		}, "delete from items"},
		"beside a repository": {func(ctx context.Context, pool *pgxpool.Pool) {
			exec(ctx, pool, by)
			check.NoError(t, repo.New(pool, keeps).Create(ctx, &kept{ID: 2}))
		}, by},
		"told after it": {func(ctx context.Context, pool *pgxpool.Pool) { exec(ctx, pool, by); cache.Wrote(ctx, pool, keeps) }, ""},
		"another table": {func(ctx context.Context, pool *pgxpool.Pool) {
			exec(ctx, pool, "create table others as select 1")
			exec(ctx, pool, "delete from others")
		}, ""},
		"one that is refused": {func(ctx context.Context, pool *pgxpool.Pool) { exec(ctx, pool, "update items set nothing = 1") }, ""},
		"the library": {func(ctx context.Context, pool *pgxpool.Pool) {
			check.NoError(t, repo.New(pool, keeps).Create(ctx, &kept{ID: 2}))
			check.Value(repo.New(pool, keeps).UpdateWhere(ctx, query.Where(name.Eq("first")), name.Set("second")))(t)
			u := unit.New()
			unit.Create(u, keeps, &kept{ID: 3})
			unit.Delete(u, keeps, 2)
			check.Value(u.Flush(ctx, pool))(t)
		}, ""},
	} {
		r := &recorder{}
		pool := smrttest.Pool(r, items, smrttest.CacheWrites(r))
		rows := check.Value(cache.New(cache.Config{}, cache.Of(keeps)))(t)
		check.NoError(t, rows.Attach(t.Context(), pool))
		c.call(t.Context(), pool)
		r.end()
		rows.Close()
		if c.left == "" && len(r.errors)+len(r.fatals) > 0 || c.left != "" && (len(r.errors) != 1 || !strings.Contains(r.errors[0], c.left) || !strings.Contains(r.errors[0], "items")) {
			t.Errorf("%s: got %q %q, want %q", what, r.errors, r.fatals, c.left)
		}
	}
}
