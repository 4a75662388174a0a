package repo_test

import (
	"context"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestLifeOfARow takes one row through every operation on single rows.
func TestLifeOfARow(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := document{Slug: "a", Rank: 3, Note: new("draft")}
	check.NoError(t, a.documents.Create(ctx, &d))
	if d.ID == 0 || d.Title != "untitled" || d.Doubled != 6 || d.Version != 1 || d.CreatedAt.IsZero() || d.UpdatedAt.IsZero() {
		t.Errorf("not read back: %+v", d)
	}
	got := check.Value(a.documents.Get(ctx, d.ID))(t)
	check.Same(t, "note", *got.Note, "draft")
	check.Same(t, "created", got.CreatedAt.Equal(d.CreatedAt), true)
	check.Same(t, "key", a.documents.Key(got), d.ID)

	got.Title, got.Note, got.Rank = "", nil, 0
	check.NoError(t, a.documents.Update(ctx, got))
	got = check.Value(a.documents.Get(ctx, d.ID))(t)
	if got.Title != "" || got.Note != nil || got.Rank != 0 || got.Doubled != 0 || got.Version != 2 {
		t.Errorf("after an update with zero values: %+v", got)
	}

	check.NoError(t, a.documents.Patch(ctx, d.ID, query.Add(docRank, 4), docNote.Set("final"), docTitle.SetDefault()))
	got = check.Value(a.documents.Get(ctx, d.ID))(t)
	if got.Rank != 4 || *got.Note != "final" || got.Title != "untitled" || got.Slug != "a" {
		t.Errorf("after a patch: %+v", got)
	}

	check.NoError(t, a.documents.HardDelete(ctx, d.ID))
	check.Same(t, "left", check.Value(a.documents.Count(ctx, query.All[document]().WithDeleted()))(t), 0)
}

// TestManyRows does the same with several rows at once.
func TestManyRows(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "a", "b", "c")
	for i := range ds {
		ds[i].Rank = 10
	}
	check.Same(t, "updated", check.Value(a.documents.UpdateMany(ctx, ds))(t), 3)
	check.Same(t, "computed", ds[2].Doubled, 20)
	found := check.Value(a.documents.GetMany(ctx, []int64{ds[2].ID, ds[0].ID}))(t)
	check.Same(t, "first", found[0].Slug, "c")
	check.Same(t, "second", found[1].Slug, "a")
	check.Same(t, "patched", check.Value(a.documents.UpdateWhere(ctx, query.Where(docSlug.In("a", "b")), docRank.Set(1)))(t), 2)
	check.Same(t, "deleted", check.Value(a.documents.DeleteWhere(ctx, query.Where(docRank.Eq(1))))(t), 2)
	check.Same(t, "deleted by key", check.Value(a.documents.DeleteMany(ctx, []int64{ds[2].ID}))(t), 1)
	check.Same(t, "purged", check.Value(a.documents.HardDeleteWhere(ctx, query.All[document]().OnlyDeleted().Unbounded()))(t), 3)
}

// TestReads compares the ways to ask for rows.
func TestReads(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b", "c", "d")
	q := query.Where(docRank.Ge(1)).OrderBy(docRank.Desc())
	check.Same(t, "find", slugs(check.Value(a.documents.Find(ctx, q))(t)), "dcb")
	check.Same(t, "window", slugs(check.Value(a.documents.Find(ctx, q.Limit(1).Offset(1)))(t)), "c")
	check.Same(t, "first", check.Value(a.documents.First(ctx, q))(t).Slug, "d")
	check.Same(t, "count", check.Value(a.documents.Count(ctx, q))(t), 3)
	check.Same(t, "exists", check.Value(a.documents.Exists(ctx, q))(t), true)
	check.Same(t, "none exists", check.Value(a.documents.Exists(ctx, query.Where(docRank.Gt(3))))(t), false)
	streamed := ""
	for d, err := range a.documents.Stream(ctx, q) {
		check.NoError(t, err)
		streamed += d.Slug
	}
	check.Same(t, "stream", streamed, "dcb")
}

// TestCompositeKey proves that keys of two columns work everywhere, with zeros
// in them.
func TestCompositeKey(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	tiles := []tile{{0, 0, "origin"}, {0, 1, "north"}, {1, 0, "east"}}
	check.NoError(t, a.tiles.CreateMany(ctx, tiles))
	check.Same(t, "get", check.Value(a.tiles.Get(ctx, tileKey{0, 0}))(t).Label, "origin")
	found := check.Value(a.tiles.GetMany(ctx, []tileKey{{1, 0}, {5, 5}, {0, 0}}))(t)
	check.Same(t, "first", found[0].Label, "east")
	check.Same(t, "second", found[1], nil)
	check.Same(t, "third", found[2].Label, "origin")
	check.NoError(t, a.tiles.Update(ctx, &tile{0, 1, "up"}))
	check.NoError(t, a.tiles.Patch(ctx, tileKey{0, 0}, query.TextCol(func(p *tile) *string { return &p.Label }).Set("zero")))
	check.Same(t, "patched", check.Value(a.tiles.Get(ctx, tileKey{}))(t).Label, "zero")
	check.Same(t, "deleted", check.Value(a.tiles.DeleteMany(ctx, []tileKey{{0, 1}, {1, 0}}))(t), 2)
	check.NoError(t, a.tiles.Delete(ctx, tileKey{0, 0}))
}

// catalogue is a repository of a program's own: the methods it does not
// declare are the embedded repository's.
type catalogue struct {
	*repo.Repository[document, int64]
	gets int
}

func (c *catalogue) Get(ctx context.Context, id int64) (*document, error) {
	c.gets++
	return c.Repository.Get(ctx, id)
}

func (c *catalogue) ByNote(ctx context.Context, note string) ([]document, error) {
	return c.Find(ctx, query.Where(docNote.Eq(note)))
}

// TestOwnRepository embeds a repository and overrides a method.
func TestOwnRepository(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := document{Slug: "a", Note: new("n")}
	c := &catalogue{Repository: a.documents}
	check.NoError(t, c.Create(ctx, &d))
	check.Value(c.Get(ctx, d.ID))(t)
	check.Same(t, "overridden method ran", c.gets, 1)
	check.Same(t, "own method", slugs(check.Value(c.ByNote(ctx, "n"))(t)), "a")
	if time.Since(d.CreatedAt) > time.Hour {
		t.Errorf("created at %v", d.CreatedAt)
	}
}
