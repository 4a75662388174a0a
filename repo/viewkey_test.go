package repo_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// ranked is a document with expressions, which have a value.
type ranked struct {
	document
	Worth int64
	Loud  string
}

func rankedOf(r *repo.Repository[document, int64], by int64) *repo.Reader[document, int64, ranked] {
	return repo.View(r, func(v *ranked) *document { return &v.document },
		query.Into(query.SQL[int64]("$1 * $2 + $2", docRank, by), func(v *ranked) *int64 { return &v.Worth }),
		query.Into(query.SQL[string]("(SELECT upper($1) || u.ord FROM (SELECT 1 AS ord, 'x' AS c0) AS u)", docSlug), func(v *ranked) *string { return &v.Loud }))
}

// TestViewsByKey reads by key through readers, as a repository does: the control
// is what the repository itself returns.
func TestViewsByKey(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "a", "b", "c", "d")
	check.NoError(t, a.documents.Delete(ctx, ds[3].ID))
	keys := []int64{ds[2].ID, 99, ds[0].ID, ds[2].ID, ds[3].ID}
	want := check.Value(a.documents.GetMany(ctx, keys))(t)

	t.Run("view", func(t *testing.T) {
		views := rankedOf(a.documents, 3)
		check.Value(views.GetMany(ctx, keys))(t) // asks the catalog
		var got []*ranked
		check.Same(t, "statements", a.statements(func() { got = check.Value(views.GetMany(ctx, keys))(t) }), 1)
		for i, w := range want {
			one, err := views.Get(ctx, keys[i])
			if w == nil {
				check.Error(t, "get of a missing row", err, smrt.ErrNotFound)
				check.Same(t, "a missing row", got[i], nil)
				continue
			}
			right := ranked{*w, int64(w.Rank)*3 + 3, map[string]string{"a": "A1", "b": "B1", "c": "C1"}[w.Slug]}
			check.NoError(t, err)
			check.Equal(t, "get", *one, right)
			check.Equal(t, "get many", *got[i], right)
		}
		check.Same(t, "one key twice", got[0], got[3])
		check.Same(t, "no keys", a.statements(func() { check.Same(t, "rows", len(check.Value(views.GetMany(ctx, nil))(t)), 0) }), 0)
		check.NoError(t, pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
			check.NoError(t, a.documents.With(tx).Patch(ctx, ds[0].ID, docRank.Set(9)))
			check.Same(t, "in a transaction", check.Value(views.With(tx).Get(ctx, ds[0].ID))(t).Worth, 30)
			check.Same(t, "in a transaction", check.Value(views.With(tx).GetMany(ctx, keys))(t)[2].Worth, 30)
			return nil
		}))
	})
	t.Run("some columns", func(t *testing.T) {
		type label struct{ Title string }
		labels := repo.Select[label](a.documents)
		got := check.Value(labels.GetMany(ctx, keys))(t)
		for i, w := range want {
			one, err := labels.Get(ctx, keys[i])
			if w == nil {
				check.Error(t, "get of a missing row", err, smrt.ErrNotFound)
				check.Same(t, "a missing row", got[i], nil)
				continue
			}
			check.NoError(t, err)
			check.Equal(t, "get", *one, label{w.Title})
			check.Equal(t, "get many", *got[i], label{w.Title})
		}
	})
	t.Run("composite key", func(t *testing.T) {
		check.NoError(t, a.tiles.CreateMany(ctx, []tile{{0, 0, "origin"}, {0, 1, "up"}, {1, 0, "right"}}))
		type sign struct{ Label string }
		signs := repo.Select[sign](a.tiles)
		check.Equal(t, "get", *check.Value(signs.Get(ctx, tileKey{1, 0}))(t), sign{"right"})
		got := check.Value(signs.GetMany(ctx, []tileKey{{0, 1}, {5, 5}, {0, 0}}))(t)
		check.Equal(t, "get many", []any{*got[0], got[1] == nil, *got[2]}, []any{sign{"up"}, true, sign{"origin"}})
	})
}

// TestViewsBySpellingsOfKeys reads by keys that only the server knows to be equal.
func TestViewsBySpellingsOfKeys(t *testing.T) {
	a := newSpellings(t)
	for table, keys := range spellings {
		type use struct{ Uses int32 }
		uses := repo.Select[use](repo.New(a.pool, query.NewTable(table, func(v *voucher) *string { return &v.Code })))
		got := check.Value(uses.GetMany(t.Context(), keys))(t)
		for i, want := range []int32{3, 1, 0, 1, 2} {
			if want == 0 {
				check.Same(t, table+" without a row", got[i], nil)
				continue
			}
			check.Same(t, table, got[i].Uses, want)
			check.Same(t, table, check.Value(uses.Get(t.Context(), keys[i]))(t).Uses, want)
		}
	}
}

// TestViewsShareStatements reads by key through views at the same time. What is
// read together is of one view; views that have values share nothing.
func TestViewsShareStatements(t *testing.T) {
	a, ctx := newCrowd(t), t.Context()
	ds := a.add(t, "a", "b", "c")
	type label struct{ Slug string }
	labels := repo.Select[label](a.documents)
	check.Value(labels.GetMany(ctx, []int64{1}))(t) // asks the catalog
	occupy := func() { _, _ = labels.Get(context.Background(), -1) }
	var got [4]*label
	var reads []func()
	for i, id := range []int64{ds[0].ID, ds[1].ID, ds[1].ID, ds[2].ID} {
		reads = append(reads, func() { got[i] = check.Value(labels.Get(ctx, id))(t) })
	}
	check.Same(t, "statements", a.together(t, "documents", occupy, reads...), 1)
	for i, slug := range []string{"a", "b", "b", "c"} {
		check.Equal(t, "label", *got[i], label{slug})
	}
	check.Same(t, "two callers share a row", got[1] == got[2], false)

	var all sync.WaitGroup
	for by := range int64(20) { // each with a value of its own
		views := rankedOf(a.documents, by)
		all.Go(func() {
			for range 20 {
				d := ds[rand.IntN(len(ds))]
				if v, err := views.Get(ctx, d.ID); err != nil || v.Slug != d.Slug || v.Worth != int64(d.Rank)*by+by {
					t.Errorf("got %+v, %v", v, err)
				}
			}
		})
	}
	all.Wait()
}
