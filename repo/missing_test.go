package repo_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
)

// TestMissingRow asks every operation on one row for a row that is not there.
func TestMissingRow(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	got, err := a.documents.Get(ctx, 404)
	if got != nil || !errors.Is(err, smrt.ErrNotFound) || !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("get: %v, %v", got, err)
	}
	check.Error(t, "update", a.documents.Update(ctx, &document{ID: 404, Slug: "a", Version: 1}), smrt.ErrNotFound)
	check.Error(t, "patch", a.documents.Patch(ctx, 404, docRank.Set(1)), smrt.ErrNotFound)
	check.Error(t, "delete", a.documents.Delete(ctx, 404), smrt.ErrNotFound)
	check.Error(t, "hard delete", a.documents.HardDelete(ctx, 404), smrt.ErrNotFound)
	check.Error(t, "restore", a.documents.Restore(ctx, 404), smrt.ErrNotFound)
	check.Error(t, "update without a version", a.tiles.Update(ctx, &tile{4, 4, "x"}), smrt.ErrNotFound)
	first, err := a.documents.First(ctx, query.All[document]())
	check.Error(t, "first", err, smrt.ErrNotFound)
	check.Same(t, "first", first, nil)
	one, err := a.documents.One(ctx, query.All[document]())
	check.Error(t, "one", err, smrt.ErrNotFound)
	check.Same(t, "one", one, nil)
	found := check.Value(a.documents.Find(ctx, query.All[document]()))(t)
	if found == nil || len(found) != 0 {
		t.Errorf("find: %#v, want an empty slice that is not nil", found)
	}
}

// TestMissingRowsOfMany gives calls for many rows some keys that are not there.
func TestMissingRowsOfMany(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "a", "b")
	check.Same(t, "deleted", check.Value(a.documents.DeleteMany(ctx, []int64{ds[0].ID, 404}))(t), 1)
	n, err := a.documents.UpdateMany(ctx, []document{{ID: 404, Version: 1}, ds[1], {ID: 405, Version: 1}})
	var incomplete *smrt.IncompleteError
	if !errors.As(err, &incomplete) || !errors.Is(err, smrt.ErrNotFound) || n != 1 {
		t.Fatalf("update: %d, %v", n, err)
	}
	if len(incomplete.Rows) != 2 || incomplete.Rows[0] != 0 || incomplete.Rows[1] != 2 {
		t.Errorf("rows left out: %v, want 0 and 2", incomplete.Rows)
	}
	check.Same(t, "the others are written", a.stored(t, ds[1].ID).Version, 2)
}

// TestGetManyAlignsWithKeys looks at the result entry by entry.
func TestGetManyAlignsWithKeys(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "a", "b")
	var got []*document
	n := a.statements(func() {
		got = check.Value(a.documents.GetMany(ctx, []int64{ds[1].ID, 404, ds[0].ID, ds[1].ID}))(t)
	})
	check.Same(t, "statements", n, 1)
	check.Same(t, "entries", len(got), 4)
	check.Same(t, "first", got[0].Slug, "b")
	check.Same(t, "missing", got[1], nil)
	check.Same(t, "third", got[2].Slug, "a")
	check.Same(t, "key given twice", got[3], got[0])
}

// TestEmptyInput proves that calls without rows send nothing.
func TestEmptyInput(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	n := a.statements(func() {
		check.NoError(t, a.documents.CreateMany(ctx, nil))
		check.Same(t, "update", check.Value(a.documents.UpdateMany(ctx, nil))(t), 0)
		check.Same(t, "delete", check.Value(a.documents.DeleteMany(ctx, nil))(t), 0)
		check.Same(t, "upsert", len(check.Value(a.documents.UpsertMany(ctx, nil, query.OnConflict(docID)))(t)), 0)
		check.Same(t, "get", len(check.Value(a.documents.GetMany(ctx, nil))(t)), 0)
	})
	check.Same(t, "statements", n, 0)
}

// TestPredicateThatMatchesNothing proves that a query no row can match is
// answered without the server.
func TestPredicateThatMatchesNothing(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a")
	q := query.Where(docID.In(), docRank.Gt(0))
	n := a.statements(func() {
		check.Same(t, "find", len(check.Value(a.documents.Find(ctx, q))(t)), 0)
		check.Same(t, "count", check.Value(a.documents.Count(ctx, q))(t), 0)
		check.Same(t, "exists", check.Value(a.documents.Exists(ctx, q))(t), false)
		check.Same(t, "update", check.Value(a.documents.UpdateWhere(ctx, q, docRank.Set(1)))(t), 0)
		check.Same(t, "delete", check.Value(a.documents.DeleteWhere(ctx, q))(t), 0)
	})
	check.Same(t, "statements", n, 0)
	check.Same(t, "not in nothing", check.Value(a.documents.Count(ctx, query.Where(docID.NotIn())))(t), 1)
}

// TestPatchWithoutAssignments proves that a patch of nothing is a mistake.
func TestPatchWithoutAssignments(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := a.add(t, "a")[0]
	check.Error(t, "patch", a.documents.Patch(ctx, d.ID), smrt.ErrBadQuery)
	_, err := a.documents.UpdateWhere(ctx, query.Where(docID.Eq(d.ID)))
	check.Error(t, "update", err, smrt.ErrBadQuery)
}

// TestUnboundedWrites proves that every row is touched only when that is said.
func TestUnboundedWrites(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b")
	for what, q := range map[string]query.Query[document]{
		"all": query.All[document](), "empty and": query.Where(query.And[document]()),
		"not in nothing": query.Where(docID.NotIn()), "empty prefix": query.Where(docSlug.HasPrefix("")),
	} {
		_, err := a.documents.UpdateWhere(ctx, q, docRank.Set(9))
		check.Error(t, "update "+what, err, smrt.ErrUnboundedWrite)
		_, err = a.documents.DeleteWhere(ctx, q)
		check.Error(t, "delete "+what, err, smrt.ErrUnboundedWrite)
		_, err = a.documents.HardDeleteWhere(ctx, q)
		check.Error(t, "hard delete "+what, err, smrt.ErrUnboundedWrite)
	}
	check.Same(t, "unbounded", check.Value(a.documents.UpdateWhere(ctx, query.All[document]().Unbounded(), docRank.Set(9)))(t), 2)
}

// TestFirstWithoutOrder proves that the first row is the one with the least
// key, whatever order the rows were written in.
func TestFirstWithoutOrder(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	check.NoError(t, a.documents.CreateMany(ctx, []document{{ID: 30, Slug: "c"}, {ID: 10, Slug: "a"}, {ID: 20, Slug: "b"}}))
	check.Same(t, "first", check.Value(a.documents.First(ctx, query.All[document]()))(t).Slug, "a")
	check.Same(t, "first in order", check.Value(a.documents.First(ctx, query.All[document]().OrderBy(docID.Desc())))(t).Slug, "c")
}

// TestOneOfSeveral proves that One refuses to choose.
func TestOneOfSeveral(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b")
	_, err := a.documents.One(ctx, query.All[document]())
	check.Error(t, "one of two", err, smrt.ErrTooManyRows)
	check.Error(t, "one of two", err, pgx.ErrTooManyRows)
	check.Same(t, "one of one", check.Value(a.documents.One(ctx, query.Where(docSlug.Eq("b"))))(t).Slug, "b")
}

// TestCountWithLimit proves that a limit and an offset apply before counting.
func TestCountWithLimit(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b", "c")
	check.Same(t, "limit", check.Value(a.documents.Count(ctx, query.All[document]().Limit(2)))(t), 2)
	check.Same(t, "offset", check.Value(a.documents.Count(ctx, query.All[document]().Offset(2)))(t), 1)
	check.Same(t, "limit 0", check.Value(a.documents.Count(ctx, query.All[document]().Limit(0)))(t), 0)
}

// TestNull compares predicates over a column that can be NULL with what a Go
// programmer expects of == and !=.
func TestNull(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	check.NoError(t, a.documents.CreateMany(ctx, []document{{Slug: "a", Note: new("x")}, {Slug: "b", Note: new("y")}, {Slug: "c"}}))
	x := new("x")
	for what, c := range map[string]struct {
		p    query.Predicate[document]
		want string
	}{
		"eq":               {docNote.Eq("x"), "a"},
		"eq nil":           {docNotePtr.Eq(nil), "c"},
		"ne":               {docNote.Ne("x"), "bc"},
		"ne nil":           {docNotePtr.Ne(nil), "ab"},
		"in":               {docNote.In("x", "y"), "ab"},
		"in with nil":      {docNotePtr.In(x, nil), "ac"},
		"not in":           {docNote.NotIn("x"), "bc"},
		"not in with nil":  {docNotePtr.NotIn(x, nil), "b"},
		"less":             {docNote.Lt("z"), "ab"},
		"not less":         {query.Not(docNote.Lt("y")), "bc"},
		"not of a raw sql": {query.Not(query.Raw[document]("note = $1", "x")), "bc"},
		"is null":          {docNote.IsNull(), "c"},
		"is not null":      {docNote.IsNotNull(), "ab"},
	} {
		got := slugs(check.Value(a.documents.Find(ctx, query.Where(c.p).OrderBy(docSlug.Asc())))(t))
		check.Same(t, what, got, c.want)
		rest := check.Value(a.documents.Count(ctx, query.Where(query.Not(c.p))))(t)
		check.Same(t, "rows that do not match "+what, rest, int64(3-len(c.want)))
	}
}
