package repo_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// warm lets a repository look the types of its columns up, so that counts of
// statements do not depend on which test came first.
func (a *archive) warm(t *testing.T) {
	t.Helper()
	a.add(t, "warm")
}

// TestBulkIsOneStatement counts what calls for many rows send.
func TestBulkIsOneStatement(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.warm(t)
	ds := make([]document, 1000)
	for i := range ds {
		ds[i] = document{Slug: fmt.Sprint("s", i), Title: "t", Rank: int32(i)}
	}
	check.Same(t, "create", a.statements(func() { check.NoError(t, a.documents.CreateMany(ctx, ds)) }), 1)
	check.Same(t, "update", a.statements(func() { check.Value(a.documents.UpdateMany(ctx, ds))(t) }), 1)
	check.Same(t, "upsert", a.statements(func() { check.Value(a.documents.UpsertMany(ctx, ds, query.OnConflict(docID)))(t) }), 1)
	keys := make([]int64, len(ds))
	for i := range ds {
		keys[i] = ds[i].ID
	}
	check.Same(t, "get", a.statements(func() { check.Value(a.documents.GetMany(ctx, keys))(t) }), 1)
	check.Same(t, "delete", a.statements(func() { check.Value(a.documents.DeleteMany(ctx, keys))(t) }), 1)
}

// TestKeysComeBackInOrder proves that each entity gets its own row's key, also
// where rows of several shapes are mixed.
func TestKeysComeBackInOrder(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := make([]document, 500)
	for i := range ds {
		ds[i] = document{Slug: fmt.Sprint("s", i), Rank: int32(i)}
		if i%3 == 0 {
			ds[i].Title = "named"
		}
		if i%7 == 0 {
			ds[i].ID = int64(100_000 + i)
		}
	}
	check.NoError(t, a.documents.CreateMany(ctx, ds))
	for _, d := range check.Value(a.documents.Find(ctx, query.All[document]()))(t) {
		if got := ds[d.Rank]; got.ID != d.ID || got.Slug != d.Slug || got.Title != d.Title {
			t.Fatalf("entity %d has key %d and title %q, its row %d and %q", d.Rank, got.ID, got.Title, d.ID, d.Title)
		}
	}
}

// TestBulkIsAtomic proves that one bad row undoes all, however many statements
// the call takes.
func TestBulkIsAtomic(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	vouchers := repo.New(a.pool, voucherTable)
	for _, n := range []int{10, 45_000} {
		rows := make([]voucher, n)
		for i := range rows {
			rows[i] = voucher{Code: fmt.Sprint("code", i)}
		}
		rows[n-1].Uses = -1
		check.Error(t, fmt.Sprint("create ", n), vouchers.CreateMany(ctx, rows), smrt.ErrCheck)
		_, err := vouchers.UpsertMany(ctx, rows, query.OnConflict(voucherCode))
		check.Error(t, fmt.Sprint("upsert ", n), err, smrt.ErrCheck)
		check.Same(t, fmt.Sprint("rows after ", n), check.Value(vouchers.Count(ctx, query.All[voucher]()))(t), 0)

		rows[n-1].Uses = 0
		check.NoError(t, vouchers.CreateMany(ctx, rows))
		for i := range rows {
			rows[i].Uses = 1
		}
		rows[n-1].Uses = -1
		_, err = vouchers.UpdateMany(ctx, rows)
		check.Error(t, fmt.Sprint("update ", n), err, smrt.ErrCheck)
		uses := query.Col(func(k *voucher) *int32 { return &k.Uses })
		check.Same(t, fmt.Sprint("rows changed of ", n), check.Value(vouchers.Count(ctx, query.Where(uses.Ne(0))))(t), 0)
		check.Value(vouchers.HardDeleteWhere(ctx, query.All[voucher]().Unbounded()))(t)
	}
}

// TestLargeBulk proves that there is no limit to the number of rows, and that
// a large call is still one round trip.
func TestLargeBulk(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.warm(t)
	ds := make([]document, 45_000)
	for i := range ds {
		ds[i] = document{Slug: fmt.Sprint("s", i), Title: "t", Rank: int32(i)}
	}
	a.sent.Reset()
	check.NoError(t, a.documents.CreateMany(ctx, ds))
	check.Same(t, "statements", a.sent.Len(), 3)
	check.Same(t, "sent together", a.sent.Sends(), 1)
	check.Same(t, "updated", check.Value(a.documents.UpdateMany(ctx, ds))(t), 45_000)
	last := check.Value(a.documents.Get(ctx, ds[44_999].ID))(t)
	check.Same(t, "the last one's row", last.Rank, 44_999)
	check.Same(t, "the last one's version", ds[44_999].Version, 2)
}

// TestDuplicateKeys gives calls the same key twice.
func TestDuplicateKeys(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "a", "b")
	twice := []document{ds[1], ds[0], ds[1]}
	sent := a.statements(func() {
		_, err := a.documents.UpdateMany(ctx, twice)
		var duplicate *smrt.DuplicateError
		if !errors.Is(err, smrt.ErrDuplicateInBatch) || !errors.As(err, &duplicate) || duplicate.Rows != [2]int{0, 2} {
			t.Errorf("update: %v", err)
		}
		_, err = a.documents.UpsertMany(ctx, twice, query.OnConflict(docID))
		check.Error(t, "upsert", err, smrt.ErrDuplicateInBatch)
	})
	check.Same(t, "statements", sent, 0)
	err := a.documents.CreateMany(ctx, []document{{ID: 7, Slug: "x"}, {ID: 7, Slug: "y"}})
	check.Error(t, "create leaves it to the constraint", err, smrt.ErrConflict)
}

// TestUpsertOutcomes proves what an upsert says it did.
func TestUpsertOutcomes(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := document{Slug: "a", Rank: 1}
	bySlug := query.OnConflict(docSlug).Where("deleted_at IS NULL")
	check.Same(t, "new", check.Value(a.documents.Upsert(ctx, &d, bySlug))(t), repo.Inserted)
	again := document{Slug: "a", Rank: 2}
	check.Same(t, "existing", check.Value(a.documents.Upsert(ctx, &again, bySlug))(t), repo.Updated)
	if again.ID != d.ID || again.Doubled != 4 || !again.CreatedAt.Equal(d.CreatedAt) {
		t.Errorf("the row was not read back: %+v", again)
	}
	ds := []document{{Slug: "a", Rank: 3}, {Slug: "b", Rank: 3}}
	outcomes := check.Value(a.documents.UpsertMany(ctx, ds, bySlug))(t)
	check.Same(t, "of many", fmt.Sprint(outcomes), "[updated inserted]")
	check.Same(t, "key read back", ds[0].ID, d.ID)

	few := document{Slug: "a", Rank: 9, Note: new("kept out")}
	check.Value(a.documents.Upsert(ctx, &few, bySlug.Update(docRank)))(t)
	if row := a.stored(t, d.ID); row.Rank != 9 || row.Note != nil {
		t.Errorf("only the columns named are updated: %+v", row)
	}
	_, err := a.documents.Upsert(ctx, &few, query.Conflict[document]{})
	check.Error(t, "without a target", err, smrt.ErrBadQuery)
}

// TestDoNothing proves that existing rows are left alone, and told apart.
func TestDoNothing(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := a.add(t, "a")[0]
	c := query.OnConflict(docSlug).Where("deleted_at IS NULL").DoNothing()
	other := document{Slug: "a", Rank: 8}
	check.Same(t, "existing", check.Value(a.documents.Upsert(ctx, &other, c))(t), repo.Unchanged)
	check.Same(t, "the entity is left alone", other.ID, 0)
	check.Same(t, "the row is left alone", a.stored(t, d.ID).Rank, 0)
	ds := []document{{Slug: "b"}, {Slug: "a", Rank: 8}, {Slug: "c"}, {Slug: "c"}}
	outcomes := check.Value(a.documents.UpsertMany(ctx, ds, c))(t)
	check.Same(t, "of many", fmt.Sprint(outcomes), "[inserted unchanged inserted unchanged]")
	check.Same(t, "key of a new row", check.Value(a.documents.Get(ctx, ds[2].ID))(t).Slug, "c")
	check.Same(t, "key of an existing row", ds[1].ID, 0)
}

// TestNilInput proves that a nil is refused and not followed.
func TestNilInput(t *testing.T) {
	a := newArchive(t)
	check.Error(t, "entity", a.documents.Create(t.Context(), nil), smrt.ErrNilEntity)
	check.Error(t, "entity to update", a.documents.Update(t.Context(), nil), smrt.ErrNilEntity)
	_, err := a.documents.Upsert(t.Context(), nil, query.OnConflict(docID))
	check.Error(t, "entity to upsert", err, smrt.ErrNilEntity)
	_, err = a.documents.Get(nil, 1) //nolint:staticcheck // the mistake under test
	check.Error(t, "context", err, smrt.ErrNilContext)
	check.Error(t, "context of a write", a.documents.Create(nil, &document{}), smrt.ErrNilContext) //nolint:staticcheck // likewise
	_, err = a.documents.Find(nil, query.All[document]())                                          //nolint:staticcheck // likewise
	check.Error(t, "context of a query", err, smrt.ErrNilContext)
}

// TestInputIsNotKept proves that a query does not change when the slice it was
// made of does.
func TestInputIsNotKept(t *testing.T) {
	a := newArchive(t)
	ds := a.add(t, "a", "b")
	wanted := []string{"a"}
	q := query.Where(docSlug.In(wanted...))
	wanted[0] = "b"
	got := check.Value(a.documents.Find(t.Context(), q))(t)
	if !slices.EqualFunc(got, ds[:1], func(x, y document) bool { return x.ID == y.ID }) {
		t.Errorf("found %s, want a", slugs(got))
	}
}
