package repo_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestPagesWhileRowsChange proves that rows that come and go between two pages
// neither repeat nor hide others.
func TestPagesWhileRowsChange(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "b", "d", "f", "h")
	q := query.All[document]().OrderBy(docSlug.Asc())
	page := check.Value(a.documents.Page(ctx, q, query.Page{Size: 2}))(t)
	check.Same(t, "first page", slugs(page.Items), "bd")
	check.NoError(t, a.documents.Delete(ctx, ds[1].ID)) // the row the cursor was made of
	a.add(t, "a", "e")
	second := check.Value(a.documents.Page(ctx, q, query.Page{Size: 2, After: page.Next}))(t)
	check.Same(t, "second page", slugs(second.Items), "ef")
	back := check.Value(a.documents.Page(ctx, q, query.Page{Size: 2, Before: second.Prev}))(t)
	check.Same(t, "page before", slugs(back.Items), "ab")
}

// TestPageRefuses proves what a page cannot be.
func TestPageRefuses(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b")
	q := query.All[document]()
	next := check.Value(a.documents.Page(ctx, q, query.Page{Size: 1}))(t).Next
	for what, c := range map[string]struct {
		q    query.Query[document]
		page query.Page
		want error
	}{
		"size 0":           {q, query.Page{}, smrt.ErrBadPage},
		"size":             {q, query.Page{Size: repo.MaxPageSize + 1}, smrt.ErrBadPage},
		"limit":            {q.Limit(1), query.Page{Size: 1}, smrt.ErrBadQuery},
		"offset":           {q.Offset(1), query.Page{Size: 1}, smrt.ErrBadQuery},
		"both":             {q, query.Page{Size: 1, After: next, Before: next}, smrt.ErrBadQuery},
		"no cursor at all": {q, query.Page{Size: 1, After: "x"}, smrt.ErrBadCursor},
	} {
		_, err := a.documents.Page(ctx, c.q, c.page)
		check.Error(t, what, err, c.want)
	}
	_, err := a.documents.PageNumber(ctx, q, 0, 10)
	check.Error(t, "page number 0", err, smrt.ErrBadPage)
	last := check.Value(a.documents.PageNumber(ctx, q, 9, 10))(t)
	check.Same(t, "behind the last", len(last.Items), 0)
	type name struct{ Slug string }
	_, err = repo.Select[name](a.documents).Page(ctx, q, query.Page{Size: 1})
	check.Error(t, "of a selection", err, smrt.ErrBadQuery)
}

// TestErrorsHoldNoValues makes operations fail with a secret in hand and looks
// for it in what they say.
func TestErrorsHoldNoValues(t *testing.T) {
	const secret = "hunter2"
	a, ctx := newArchive(t), t.Context()
	a.add(t, secret)
	vouchers := repo.New(a.pool, voucherTable)
	ds := []document{{Slug: "x"}, {Slug: secret}}
	_, badOffset := a.documents.Find(ctx, query.Where(query.Raw[document]("title = ($1::text::int)::text", secret)))
	_, badType := a.documents.Find(ctx, query.Where(query.Raw[document]("rank = $1", secret)))
	_, tooMany := a.documents.One(ctx, query.Where(docSlug.Ne(secret)))
	for what, err := range map[string]error{
		"unique":      a.documents.Create(ctx, &document{Slug: secret}),
		"unique bulk": a.documents.CreateMany(ctx, ds),
		"check":       vouchers.Create(ctx, &voucher{Code: secret, Uses: -1}),
		"check patch": vouchers.CreateMany(ctx, []voucher{{Code: secret, Uses: -1}}),
		"nul byte":    a.documents.Create(ctx, &document{Slug: secret + "\x00"}),
		"conversion":  badOffset,
		"type":        badType,
		"missing":     tooMany,
		"missing key": vouchers.Delete(ctx, secret),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats the value: %v", what, err)
		}
	}
}

// TestErrorsNameThePlace proves that an error says which operation failed on
// which table.
func TestErrorsNameThePlace(t *testing.T) {
	a := newArchive(t)
	_, err := a.documents.Get(t.Context(), 1)
	check.Same(t, "text", err.Error(), "get documents: not found")
}

// TestModes runs one query in each of pgx's modes, and proves that the one that
// is never used is refused.
func TestModes(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b")
	q := query.Where(docSlug.In("a", "b"), docRank.Ge(0)).OrderBy(docSlug.Asc())
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec,
	} {
		check.Same(t, mode.String(), slugs(check.Value(a.documents.Find(ctx, q.ExecMode(mode)))(t)), "ab")
	}
	_, err := a.documents.Find(ctx, q.ExecMode(pgx.QueryExecModeSimpleProtocol))
	check.Error(t, "simple protocol", err, smrt.ErrBadQuery)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeExec} {
		t.Run(mode.String(), func(t *testing.T) {
			b := newArchive(t, testdb.ExecMode(mode))
			ds := b.add(t, "a", "b")
			check.Same(t, "updated", check.Value(b.documents.UpdateMany(ctx, ds))(t), 2)
			check.Same(t, "read", check.Value(b.documents.Get(ctx, ds[1].ID))(t).Title, "Title of b")
		})
	}
}

// TestPlanCache proves that values do not make shapes, and that the cache is
// bounded.
func TestPlanCache(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	table := query.NewTable("documents", func(d *document) *int64 { return &d.ID }, query.PlanCacheSize[document](2))
	r := repo.New(a.pool, table)
	for i := range 10 {
		check.Value(r.Find(ctx, query.Where(docRank.Gt(int32(i)), docID.In(make([]int64, i+1)...))))(t)
	}
	s := table.CacheStats()
	if s.Size != 1 || s.Misses != 1 || s.Hits != 9 || s.Capacity != 2 {
		t.Errorf("one shape with ten values: %+v", s)
	}
	check.Value(r.Find(ctx, query.Where(docRank.Lt(1))))(t)
	check.Value(r.Find(ctx, query.Where(docRank.Le(1))))(t)
	if s = table.CacheStats(); s.Size != 2 || s.Evictions != 1 {
		t.Errorf("three shapes: %+v", s)
	}
}

// TestTableChanges adds a column to a table in use, which a statement that
// lists its columns does not notice.
func TestTableChanges(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := a.add(t, "a")[0]
	check.Value(a.documents.Get(ctx, d.ID))(t)
	_, err := a.pool.Exec(ctx, "ALTER TABLE documents ADD COLUMN added text DEFAULT 'x'")
	check.NoError(t, err)
	check.Same(t, "read", check.Value(a.documents.Get(ctx, d.ID))(t).Slug, "a")
	check.NoError(t, a.documents.Update(ctx, &d))
}
