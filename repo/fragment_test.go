package repo_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestFragmentsAreChecked puts what is more than an expression where an
// expression without arguments belongs.
func TestFragmentsAreChecked(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	onSlug := query.OnConflict(docSlug)
	type view struct {
		document
		Extra int64 `db:"-"`
	}
	extra := func(v *view) *int64 { return &v.Extra }
	for name, c := range map[string]struct {
		conflict query.Conflict[document]
		computed func() query.Expr[document, int64]
	}{
		"comment":     {onSlug.Where("deleted_at IS NULL -- x"), func() query.Expr[document, int64] { return query.SQL[int64]("$1 /* x */", docRank) }},
		"semicolon":   {onSlug.Where("true; SELECT 1"), func() query.Expr[document, int64] { return query.SQL[int64]("$1; SELECT 1", docRank) }},
		"parenthesis": {onSlug.Where("true) OR (true"), func() query.Expr[document, int64] { return query.SQL[int64]("$1) + (1", docRank) }},
		"open quote":  {onSlug.Where("slug = 'a"), func() query.Expr[document, int64] { return query.SQL[int64]("$1 || 'a", docRank) }},
		"argument":    {onSlug.Where("slug = $1"), func() query.Expr[document, int64] { return query.SQL[int64]("$1 + $2", docRank) }},
		"nothing":     {onSlug.Where(" "), func() query.Expr[document, int64] { return query.SQL[int64]("", docRank) }},
	} {
		t.Run(name, func(t *testing.T) {
			sent := a.statements(func() {
				_, err := a.documents.Upsert(ctx, &document{Slug: "a"}, c.conflict)
				check.Error(t, "upsert", err, smrt.ErrBadQuery)
				_, err = a.documents.UpsertMany(ctx, []document{{Slug: "a"}}, c.conflict.DoNothing())
				check.Error(t, "upsert many", err, smrt.ErrBadQuery)
			})
			check.Same(t, "statements", sent, 0)
			defer func() {
				if r := fmt.Sprint(recover()); !strings.HasPrefix(r, "smrt: view ") {
					t.Errorf("computed: %s", r)
				}
			}()
			repo.View(a.documents, func(v *view) *document { return &v.document }, query.Into(c.computed(), extra))
		})
	}
	check.Error(t, "no target", value2(a.documents.Upsert(ctx, &document{Slug: "a"}, query.Conflict[document]{})), smrt.ErrBadQuery)
}

func value2[V any](_ V, err error) error { return err }

// TestConflictsAreValues extends one conflict in several ways.
func TestConflictsAreValues(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "a")
	bySlug := query.OnConflict(docSlug).Where("deleted_at IS NULL")
	_, _ = bySlug.DoNothing(), bySlug.Update(docRank)
	d := document{Slug: "a", Title: "new", Rank: 7}
	outcome := check.Value(a.documents.Upsert(ctx, &d, bySlug))(t)
	check.Same(t, "outcome", outcome, repo.Updated)
	check.Same(t, "title", a.stored(t, ds[0].ID).Title, "new")
}
