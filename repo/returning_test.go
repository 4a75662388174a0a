package repo_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// TestReturning compares the rows that writes by query return with those that are
// stored.
func TestReturning(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b", "c", "d")
	tail := query.Where(docRank.Ge(2))
	updated := check.Value(a.documents.UpdateReturning(ctx, tail, docTitle.Set(""), query.Add(docRank, 10)))(t)
	check.Same(t, "updated", len(updated), 2)
	for _, d := range updated {
		check.Same(t, "a zero value", d.Title, "")
		check.Same(t, "computed", d.Doubled, 2*d.Rank)
		check.Same(t, "version", d.Version, 2)
		check.Same(t, "the time of change", d.UpdatedAt.After(d.CreatedAt), true)
		check.Equal(t, "stored", d, *a.stored(t, d.ID))
	}

	check.Value(a.documents.DeleteWhere(ctx, query.Where(docSlug.Eq("d"))))(t)
	deleted := check.Value(a.documents.DeleteReturning(ctx, query.Where(docRank.Ge(2)).WithDeleted()))(t)
	check.Same(t, "what was deleted before is not deleted again", slugs(deleted), "c")
	check.Equal(t, "softly", deleted[0], *a.stored(t, deleted[0].ID))
	check.Same(t, "with the time", deleted[0].DeletedAt != nil && deleted[0].Version == 3, true)

	check.NoError(t, a.tiles.CreateMany(ctx, []tile{{1, 1, "one"}, {2, 2, "two"}}))
	tileX := query.Col(func(p *tile) *int32 { return &p.X })
	gone := check.Value(a.tiles.DeleteReturning(ctx, query.Where(tileX.Eq(2))))(t)
	check.Equal(t, "deleted for good", gone, []tile{{2, 2, "two"}})
	check.Same(t, "left", check.Value(a.tiles.Count(ctx, query.All[tile]()))(t), 1)
	moved := check.Value(a.tiles.UpdateReturning(ctx, query.All[tile]().Unbounded(), tileX.Set(9)))(t)
	check.Equal(t, "a key that was changed", moved, []tile{{9, 1, "one"}})

	none, err := a.documents.UpdateReturning(ctx, query.Where(docSlug.Eq("x")), docRank.Set(1))
	check.NoError(t, err)
	check.Same(t, "no match is empty and not nil", none != nil && len(none) == 0, true)
	sent := a.statements(func() {
		none, err = a.documents.DeleteReturning(ctx, query.Where(docSlug.In()))
		check.NoError(t, err)
		check.Same(t, "nothing can match", none != nil && len(none) == 0, true)
		_, err = a.documents.DeleteReturning(ctx, query.All[document]())
		check.Error(t, "delete of all", err, smrt.ErrUnboundedWrite)
		_, err = a.documents.UpdateReturning(ctx, query.All[document](), docRank.Set(1))
		check.Error(t, "update of all", err, smrt.ErrUnboundedWrite)
		_, err = a.documents.UpdateReturning(ctx, tail)
		check.Error(t, "no assignment", err, smrt.ErrBadQuery)
		_, err = a.documents.UpdateReturning(ctx, tail, docDoubled.Set(1))
		check.Error(t, "a computed column", err, smrt.ErrBadQuery)
		_, err = repo.New(a.pool, titleView).DeleteReturning(ctx, query.Where(query.Col(func(v *title) *int64 { return &v.ID }).Eq(1)))
		check.Error(t, "a view", err, smrt.ErrReadOnly)
	})
	check.Same(t, "statements", sent, 0)

	messages := repo.New(a.pool, eventTable)
	check.NoError(t, messages.Create(ctx, &event{"a"}))
	check.Equal(t, "a table without a key", check.Value(messages.DeleteReturning(ctx, query.Where(eventText.Eq("a"))))(t), []event{{"a"}})
}

// TestPatchEntity proves that a patch of an entity checks its version, writes only
// what is assigned, and gives the entity the row.
func TestPatchEntity(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := a.add(t, "a", "b")[0]
	other := *a.stored(t, d.ID)
	check.NoError(t, a.documents.Patch(ctx, d.ID, docNote.Set("by another")))

	stale := d
	err := a.documents.PatchEntity(ctx, &d, docTitle.Set("mine"))
	check.Error(t, "stale", err, smrt.ErrStale)
	check.Equal(t, "the entity is left", d, stale)
	check.Same(t, "nothing is written", a.stored(t, d.ID).Title, other.Title)

	d = *a.stored(t, d.ID)
	d.Slug = "not written"
	one := a.statements(func() {
		check.NoError(t, a.documents.PatchEntity(ctx, &d, docTitle.Set("mine"), query.Add(docRank, 3)))
	})
	check.Same(t, "statements", one, 1)
	check.Equal(t, "the entity is the row", d, *a.stored(t, d.ID))
	check.Same(t, "what others wrote", *d.Note+" "+d.Slug+" "+d.Title, "by another a mine")
	check.Same(t, "version", d.Version, 3)
	check.NoError(t, a.documents.PatchEntity(ctx, &d, docNote.SetNull()))

	before := d
	back := errors.New("back")
	err = txn.Run(ctx, a.pool, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, a.documents.With(tx).PatchEntity(ctx, &d, docTitle.Set("never")))
		check.Same(t, "inside", d.Title, "never")
		return back
	})
	check.Error(t, "rolled back", err, back)
	check.Equal(t, "the entity is what it was", d, before)

	check.NoError(t, a.documents.Delete(ctx, d.ID))
	check.Error(t, "deleted", a.documents.PatchEntity(ctx, &d, docTitle.Set("x")), smrt.ErrNotFound)
	check.Error(t, "missing", a.documents.PatchEntity(ctx, &document{ID: 99, Version: 1}, docTitle.Set("x")), smrt.ErrNotFound)
	check.Error(t, "zero key", a.documents.PatchEntity(ctx, &document{}, docTitle.Set("x")), smrt.ErrZeroKey)
	check.Error(t, "nil", a.documents.PatchEntity(ctx, nil, docTitle.Set("x")), smrt.ErrNilEntity)
	check.Error(t, "key", a.documents.PatchEntity(ctx, &before, docID.Set(7)), smrt.ErrBadQuery)
	check.Error(t, "nothing", a.documents.PatchEntity(ctx, &before), smrt.ErrBadQuery)
	check.Error(t, "no key", repo.New(a.pool, eventTable).PatchEntity(ctx, &event{"a"}, eventText.Set("b")), smrt.ErrNoKey)

	p := tile{1, 1, "one"} // of a table without versions
	check.NoError(t, a.tiles.Create(ctx, &p))
	check.NoError(t, a.tiles.PatchEntity(ctx, &p, query.TextCol(func(p *tile) *string { return &p.Label }).Set("two")))
	check.Equal(t, "tile", p, tile{1, 1, "two"})
}
