package repo_test

import (
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestUndeclared uses columns and orders that were never declared, and tables
// that are nil.
func TestUndeclared(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a")
	var rank query.Column[document, int32]
	var slug query.TextColumn[document, string]
	var list query.ArrayColumn[document, string]
	var data query.JSONColumn[document, string]
	var order query.Order[document]
	a.sent.Reset()
	for what, q := range map[string]query.Query[document]{
		"Eq": query.Where(rank.Eq(1)), "Ne": query.Where(rank.Ne(1)), "Lt": query.Where(rank.Lt(1)), "Between": query.Where(rank.Between(1, 2)),
		"IsNull": query.Where(rank.IsNull()), "In": query.Where(rank.In(1, 2)), "NotIn": query.Where(rank.NotIn(1, 2)), "Not": query.Where(query.Not(rank.Eq(1))),
		"HasPrefix": query.Where(slug.HasPrefix("a")), "HasPrefix of nothing": query.Where(slug.HasPrefix("")), "Like": query.Where(slug.Like("a%")),
		"Has": query.Where(list.Has("a")), "ContainsAll": query.Where(list.ContainsAll()), "PathEq": query.Where(data.PathEq(1, "a")),
		"Asc": query.All[document]().OrderBy(rank.Asc()), "Order": query.All[document]().OrderBy(order), "NullsLast": query.All[document]().OrderBy(order.NullsLast()),
	} {
		_, err := a.documents.Find(ctx, q)
		check.Error(t, "find by "+what, err, smrt.ErrBadQuery)
		_, err = a.documents.Page(ctx, q, query.Page{Size: 1})
		check.Error(t, "page by "+what, err, smrt.ErrBadQuery)
		_, err = a.documents.PageNumber(ctx, q, 1, 1)
		check.Error(t, "numbered page by "+what, err, smrt.ErrBadQuery)
		_, err = a.documents.First(ctx, q)
		check.Error(t, "first by "+what, err, smrt.ErrBadQuery)
	}
	_, err := a.documents.UpdateWhere(ctx, query.Where(docRank.Eq(0)), rank.Set(1))
	check.Error(t, "update where", err, smrt.ErrBadQuery)
	_, err = repo.Aggregate(ctx, a.documents, query.Sum[int64](rank), query.All[document]())
	check.Error(t, "sum", err, smrt.ErrBadQuery)
	_, err = repo.CountBy(ctx, a.documents, rank, query.All[document]())
	check.Error(t, "count by", err, smrt.ErrBadQuery)
	check.Same(t, "statements besides the counts of numbered pages", a.sent.Len() <= 3, true)

	for what, use := range map[string]func(){
		"a repository of a nil table": func() { repo.New[document, int64](a.pool, nil) },
		"a zero table":                func() { repo.New(a.pool, &query.Table[document, int64]{}) },
		"a default order": func() {
			query.NewTable("documents", func(d *document) *int64 { return &d.ID }, query.DefaultOrder(order))
		},
	} {
		func() {
			defer func() {
				if text, ok := recover().(string); !ok || len(text) < 5 || text[:5] != "smrt:" {
					t.Errorf("%s: panicked with %q", what, text)
				}
			}()
			use()
		}()
	}
}
