package repo_test

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestSoftDelete looks at a deleted row with every operation.
func TestSoftDelete(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "a", "b")
	id := ds[0].ID
	check.NoError(t, a.documents.Delete(ctx, id))

	row := a.stored(t, id)
	if row.DeletedAt == nil || row.Version != 2 || !row.UpdatedAt.After(ds[0].UpdatedAt) {
		t.Errorf("a delete sets the time of deletion, the version and the time of change: %+v", row)
	}
	_, err := a.documents.Get(ctx, id)
	check.Error(t, "get", err, smrt.ErrNotFound)
	check.Same(t, "get many", check.Value(a.documents.GetMany(ctx, []int64{id}))(t)[0], nil)
	check.Same(t, "find", slugs(check.Value(a.documents.Find(ctx, query.All[document]()))(t)), "b")
	check.Same(t, "count", check.Value(a.documents.Count(ctx, query.All[document]()))(t), 1)
	check.Same(t, "exists", check.Value(a.documents.Exists(ctx, query.Where(docID.Eq(id))))(t), false)
	check.Error(t, "update", a.documents.Update(ctx, row), smrt.ErrNotFound)
	check.Error(t, "patch", a.documents.Patch(ctx, id, docRank.Set(1)), smrt.ErrNotFound)
	check.Error(t, "delete again", a.documents.Delete(ctx, id), smrt.ErrNotFound)
	_, err = a.documents.UpdateMany(ctx, []document{*row})
	check.Error(t, "update many", err, smrt.ErrNotFound)
	check.Same(t, "delete many", check.Value(a.documents.DeleteMany(ctx, []int64{id}))(t), 0)
	check.Same(t, "update where", check.Value(a.documents.UpdateWhere(ctx, query.Where(docID.Eq(id)), docRank.Set(1)))(t), 0)
	page := check.Value(a.documents.Page(ctx, query.All[document](), query.Page{Size: 5}))(t)
	check.Same(t, "page", slugs(page.Items), "b")

	check.Same(t, "with deleted", check.Value(a.documents.Count(ctx, query.All[document]().WithDeleted()))(t), 2)
	check.Same(t, "only deleted", slugs(check.Value(a.documents.Find(ctx, query.All[document]().OnlyDeleted()))(t)), "a")
	check.Same(t, "update of deleted rows", check.Value(a.documents.UpdateWhere(ctx, query.Where(docID.Eq(id)).OnlyDeleted(), docRank.Set(1)))(t), 1)
	check.NoError(t, a.documents.HardDelete(ctx, id))
	check.Same(t, "left", check.Value(a.documents.Count(ctx, query.All[document]().WithDeleted()))(t), 1)
}

// TestUpdateLeavesDeletionAlone proves that writing a whole row neither deletes
// nor restores it.
func TestUpdateLeavesDeletionAlone(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := a.add(t, "a")[0]
	d.DeletedAt = new(time.Now())
	check.NoError(t, a.documents.Update(ctx, &d))
	if row := a.stored(t, d.ID); row.DeletedAt != nil {
		t.Errorf("an update deleted the row: %v", row.DeletedAt)
	}
}

// TestRestore takes a deletion back, and does not where the place is taken.
func TestRestore(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := a.add(t, "a")[0]
	check.Error(t, "restore of a row that is not deleted", a.documents.Restore(ctx, d.ID), smrt.ErrNotFound)
	check.NoError(t, a.documents.Delete(ctx, d.ID))
	check.NoError(t, a.documents.Restore(ctx, d.ID))
	check.Same(t, "restored", check.Value(a.documents.Get(ctx, d.ID))(t).Slug, "a")

	check.NoError(t, a.documents.Delete(ctx, d.ID))
	a.add(t, "a") // the index is partial, so the slug is free
	err := a.documents.Restore(ctx, d.ID)
	var violated *smrt.ConstraintError
	if !errors.Is(err, smrt.ErrConflict) || !errors.As(err, &violated) || violated.Constraint != "documents_slug_key" {
		t.Errorf("restore of a row whose place is taken: %v", err)
	}
	check.Error(t, "without soft delete", a.tiles.Restore(ctx, tileKey{1, 1}), smrt.ErrBadQuery)
	_, err = a.tiles.Find(ctx, query.All[tile]().WithDeleted())
	check.Error(t, "WithDeleted without soft delete", err, smrt.ErrBadQuery)
}

// TestUpsertOfDeletedRow proves what an upsert does about rows that are
// deleted softly.
func TestUpsertOfDeletedRow(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := a.add(t, "a")[0]
	check.NoError(t, a.documents.Delete(ctx, d.ID))

	other := document{Slug: "a"}
	outcome := check.Value(a.documents.Upsert(ctx, &other, query.OnConflict(docSlug).Where("deleted_at IS NULL")))(t)
	check.Same(t, "by the partial index", outcome, repo.Inserted)
	check.Same(t, "a row of its own", other.ID != d.ID, true)

	d.Slug = "b"
	outcome = check.Value(a.documents.Upsert(ctx, &d, query.OnConflict(docID)))(t)
	check.Same(t, "by key", outcome, repo.Updated)
	if d.DeletedAt == nil {
		t.Error("the row by key was restored")
	}
	_, err := a.documents.Upsert(ctx, &document{Slug: "a"}, query.OnConflict(docSlug))
	check.Same(t, "a partial index without Where", err != nil, true)
}

// TestStale updates rows that were changed by somebody else.
func TestStale(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := a.add(t, "a", "b")
	mine := ds[0]
	check.NoError(t, a.documents.Update(ctx, &ds[0]))
	err := a.documents.Update(ctx, &mine)
	var stale *smrt.StaleError
	if !errors.Is(err, smrt.ErrStale) || !errors.As(err, &stale) || stale.Have != 1 || errors.Is(err, smrt.ErrNotFound) {
		t.Errorf("update of a stale row: %v", err)
	}
	check.Same(t, "version in hand after the refusal", mine.Version, 1)

	n, err := a.documents.UpdateMany(ctx, []document{mine, ds[1]})
	var incomplete *smrt.IncompleteError
	if !errors.As(err, &incomplete) || !errors.Is(err, smrt.ErrStale) || n != 1 || incomplete.Rows[0] != 0 {
		t.Errorf("update of many with a stale one: %d, %v", n, err)
	}
	check.Error(t, "a row that is gone", a.documents.Update(ctx, &document{ID: 404, Version: 1}), smrt.ErrNotFound)
}

// TestStaleOrGone updates rows while others update or delete them. Each update is the
// first, or is told what the other one has done, and never the other thing.
func TestStaleOrGone(t *testing.T) {
	n := 100
	if check.Long() {
		n = 1000
	}
	a := newArchive(t)
	slugs := make([]string, n)
	for i := range slugs {
		slugs[i] = strconv.Itoa(i)
	}
	ds := a.add(t, slugs...)
	var told [2]atomic.Int64
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			for i := w; i < n; i += 4 {
				want := []error{smrt.ErrStale, smrt.ErrNotFound}
				kind := i / 4 % 2
				var other sync.WaitGroup
				change := func() {
					if theirs := ds[i]; kind == 0 {
						_, err := a.documents.UpdateWhere(t.Context(), query.Where(docID.Eq(theirs.ID)), docRank.Set(1))
						check.NoError(t, err)
					} else {
						check.NoError(t, a.documents.Delete(t.Context(), theirs.ID))
					}
				}
				late := i%3 == 0 // at the same time; else before
				if mine := ds[i]; late {
					other.Go(change)
					err := a.documents.Update(t.Context(), &mine)
					if err != nil && (!errors.Is(err, want[kind]) || errors.Is(err, want[1-kind])) {
						t.Errorf("row %d, at the same time: got %v, want %v or nothing", i, err, want[kind])
					}
				} else {
					change()
					err := a.documents.Update(t.Context(), &mine)
					if !errors.Is(err, want[kind]) || errors.Is(err, want[1-kind]) {
						t.Errorf("row %d: got %v, want %v", i, err, want[kind])
					}
					told[kind].Add(1)
				}
				other.Wait()
			}
		})
	}
	work.Wait()
	if told[0].Load() < int64(n)/4 || told[1].Load() < int64(n)/4 {
		t.Errorf("only %d and %d rows were changed before", told[0].Load(), told[1].Load())
	}
}

// TestVersionCounts proves which writes move the version.
func TestVersionCounts(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := a.add(t, "a")[0]
	check.Same(t, "created", d.Version, 1)
	check.NoError(t, a.documents.Update(ctx, &d))
	check.Same(t, "updated, read back", d.Version, 2)
	check.NoError(t, a.documents.Patch(ctx, d.ID, query.Add(docRank, 1)))
	check.NoError(t, a.documents.Patch(ctx, d.ID, query.Add(docRank, 1)))
	check.Same(t, "patched without a check", a.stored(t, d.ID).Version, 4)
	check.Value(a.documents.UpdateWhere(ctx, query.Where(docID.Eq(d.ID)), docRank.Set(0)))(t)
	check.Same(t, "updated by a predicate", a.stored(t, d.ID).Version, 5)
	check.Value(a.documents.Upsert(ctx, &d, query.OnConflict(docID)))(t)
	check.Same(t, "upserted without a check, read back", d.Version, 6)
	check.Same(t, "a check by hand that fails", check.Value(a.documents.UpdateWhere(ctx,
		query.Where(docID.Eq(d.ID), docVersion.Eq(5)), docRank.Set(1)))(t), 0)
}

// TestTimes proves who sets the times of a row.
func TestTimes(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	past := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	d := document{Slug: "a", CreatedAt: past, UpdatedAt: past}
	check.NoError(t, a.documents.Create(ctx, &d))
	check.Same(t, "a given time of creation", a.stored(t, d.ID).CreatedAt.Equal(past), true)
	check.Same(t, "a given time of change is replaced, and read back", d.UpdatedAt.After(past), true)

	changed := d.UpdatedAt
	d.CreatedAt, d.UpdatedAt = time.Now(), past
	check.NoError(t, a.documents.Update(ctx, &d))
	row := a.stored(t, d.ID)
	check.Same(t, "an update leaves the time of creation, and reads it back", row.CreatedAt.Equal(past) && d.CreatedAt.Equal(past), true)
	check.Same(t, "an update moves the time of change", row.UpdatedAt.After(changed) && row.UpdatedAt.Equal(d.UpdatedAt), true)
	many := []document{{ID: d.ID, Slug: "a", Version: d.Version}}
	check.Value(a.documents.UpdateMany(ctx, many))(t)
	check.Same(t, "so does one of many", many[0].CreatedAt.Equal(past), true)
	row = a.stored(t, d.ID)
	check.NoError(t, a.documents.Patch(ctx, d.ID, docRank.Set(1)))
	check.Same(t, "a patch moves the time of change", a.stored(t, d.ID).UpdatedAt.After(row.UpdatedAt), true)

	fresh := a.add(t, "b")[0]
	check.Same(t, "the database's clock", time.Since(fresh.CreatedAt).Abs() < time.Hour, true)
}

// TestTimesWithoutZone sets times in columns without a zone: a default, an
// insert, an update and a deletion write the same clock.
func TestTimesWithoutZone(t *testing.T) {
	type note struct {
		ID              int64
		Made, Set, Seen time.Time
		Gone            *time.Time
	}
	notes := query.NewTable("notes", func(n *note) *int64 { return &n.ID }, query.SoftDelete(func(n *note) **time.Time { return &n.Gone }),
		query.CreatedAt(func(n *note) *time.Time { return &n.Set }), query.UpdatedAt(func(n *note) *time.Time { return &n.Seen }),
		query.Default(query.Col(func(n *note) *time.Time { return &n.Made })))
	id := query.Col(func(n *note) *int64 { return &n.ID })
	pool := testdb.Pool(t, testdb.SQL("notes", `CREATE TABLE notes (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
		made timestamp NOT NULL DEFAULT now(), set timestamp NOT NULL, seen timestamp NOT NULL, gone timestamp)`),
		func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["timezone"] = "Asia/Tokyo" })
	r, ctx := repo.New(pool, notes), t.Context()
	shown := func(what string, at time.Time) {
		t.Helper()
		check.Same(t, what+": the clock in Tokyo", time.Until(at.Add(-9*time.Hour)).Abs() < time.Hour, true)
	}
	n := note{}
	check.NoError(t, r.Create(ctx, &n))
	shown("default", n.Made)
	shown("creation", n.Set)
	shown("change", n.Seen)
	check.NoError(t, r.Update(ctx, &n))
	shown("update", n.Seen)
	gone := check.Value(r.DeleteReturning(ctx, query.Where(id.Eq(n.ID))))(t)
	shown("deletion", *gone[0].Gone)
}

// TestDefaults proves which zero values are left to the database.
func TestDefaults(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	ds := []document{{Slug: "a"}, {Slug: "b", Title: "Named"}, {Slug: "c"}}
	check.NoError(t, a.documents.CreateMany(ctx, ds))
	check.Same(t, "a declared default applies and is read back", ds[0].Title, "untitled")
	check.Same(t, "a value wins", ds[1].Title, "Named")
	check.Same(t, "rows of both kinds keep their places", ds[2].Slug+ds[2].Title, "cuntitled")
	check.Same(t, "a default that is not declared does not apply", a.stored(t, ds[0].ID).Rank, 0)
	ds[0].Title = ""
	check.NoError(t, a.documents.Update(ctx, &ds[0]))
	check.Same(t, "an update writes the zero value", a.stored(t, ds[0].ID).Title, "")
}

// TestComputedColumns proves that computed columns are read and never written.
func TestComputedColumns(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := document{Slug: "a", Rank: 4, Doubled: 999}
	check.NoError(t, a.documents.Create(ctx, &d))
	check.Same(t, "after create", d.Doubled, 8)
	d.Rank, d.Doubled = 5, 999
	check.NoError(t, a.documents.Update(ctx, &d))
	check.Same(t, "after update", d.Doubled, 10)
	check.Error(t, "patch", a.documents.Patch(ctx, d.ID, docDoubled.Set(1)), smrt.ErrBadQuery)
	_, err := a.documents.Upsert(ctx, &d, query.OnConflict(docID).Update(docDoubled))
	check.Error(t, "upsert", err, smrt.ErrBadQuery)
}

// TestKeysByDatabase creates rows whose keys the database assigns.
func TestKeysByDatabase(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	d := document{Slug: "a"}
	check.NoError(t, a.documents.Create(ctx, &d))
	check.Same(t, "integer", d.ID > 0, true)
	given := document{ID: 1000, Slug: "b"}
	check.NoError(t, a.documents.Create(ctx, &given))
	check.Same(t, "a given key is kept", check.Value(a.documents.Get(ctx, 1000))(t).Slug, "b")

	tickets := repo.New(a.pool, ticketTable)
	ks := []ticket{{Label: "one"}, {Label: "two"}}
	check.NoError(t, tickets.CreateMany(ctx, ks))
	check.Same(t, "uuid", ks[0].ID.Valid && ks[0].ID != ks[1].ID, true)
	check.Same(t, "uuid finds its row", check.Value(tickets.Get(ctx, ks[1].ID))(t).Label, "two")
	own := ticket{ID: pgtype.UUID{Bytes: [16]byte{1}, Valid: true}, Label: "own"}
	check.NoError(t, tickets.Create(ctx, &own))
	check.Same(t, "a given uuid is kept", own.ID.Bytes[0], 1)
}

// TestKeysByClient creates rows whose keys the program assigns.
func TestKeysByClient(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	vouchers := repo.New(a.pool, voucherTable)
	check.NoError(t, vouchers.Create(ctx, &voucher{Code: "x"}))
	check.Error(t, "zero key", vouchers.Create(ctx, &voucher{}), smrt.ErrZeroKey)
	err := vouchers.CreateMany(ctx, []voucher{{Code: "y"}, {}})
	var bad *smrt.ValueError
	if !errors.Is(err, smrt.ErrZeroKey) || !errors.As(err, &bad) || bad.Row != 1 || bad.Column != "code" {
		t.Errorf("zero key among many: %v", err)
	}
	check.Same(t, "nothing was created", check.Value(vouchers.Count(ctx, query.All[voucher]()))(t), 1)
	check.Error(t, "update of an entity that was never created", a.documents.Update(ctx, &document{Slug: "a"}), smrt.ErrZeroKey)
	integers := query.NewTable("documents", func(d *document) *int64 { return &d.ID }, query.KeyByClient[document]())
	check.Error(t, "integer", repo.New(a.pool, integers).Create(ctx, &document{Slug: "a"}), smrt.ErrZeroKey)
}

// TestReadOnly proves that a view takes no writes, and reads like a table.
func TestReadOnly(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	a.add(t, "a", "b")
	titles := repo.New(a.pool, titleView)
	id := query.Col(func(v *title) *int64 { return &v.ID })
	check.Same(t, "count", check.Value(titles.Count(ctx, query.Where(id.Gt(0))))(t), 2)
	check.Same(t, "find", len(check.Value(titles.Find(ctx, query.All[title]().OrderBy(id.Asc())))(t)), 2)
	v := title{ID: 1}
	sent := a.statements(func() {
		check.Error(t, "create", titles.Create(ctx, &v), smrt.ErrReadOnly)
		check.Error(t, "create many", titles.CreateMany(ctx, []title{v}), smrt.ErrReadOnly)
		check.Error(t, "update", titles.Update(ctx, &v), smrt.ErrReadOnly)
		check.Error(t, "patch", titles.Patch(ctx, query.NoKey{}, id.Set(1)), smrt.ErrReadOnly)
		check.Error(t, "delete", titles.Delete(ctx, query.NoKey{}), smrt.ErrReadOnly)
		check.Error(t, "restore", titles.Restore(ctx, query.NoKey{}), smrt.ErrReadOnly)
		_, err := titles.UpdateMany(ctx, []title{v})
		check.Error(t, "update many", err, smrt.ErrReadOnly)
		_, err = titles.DeleteMany(ctx, []query.NoKey{{}})
		check.Error(t, "delete many", err, smrt.ErrReadOnly)
		_, err = titles.UpdateWhere(ctx, query.Where(id.Eq(1)), id.Set(2))
		check.Error(t, "update where", err, smrt.ErrReadOnly)
		_, err = titles.DeleteWhere(ctx, query.Where(id.Eq(1)))
		check.Error(t, "delete where", err, smrt.ErrReadOnly)
		_, err = titles.Upsert(ctx, &v, query.OnConflict(id))
		check.Error(t, "upsert", err, smrt.ErrReadOnly)
		_, err = titles.Get(ctx, query.NoKey{})
		check.Error(t, "get", err, smrt.ErrNoKey)
		views := repo.View(titles, func(v *struct{ Title title }) *title { return &v.Title })
		_, err = views.Get(ctx, query.NoKey{})
		check.Error(t, "get of a reader", err, smrt.ErrNoKey)
		_, err = views.GetMany(ctx, []query.NoKey{{}})
		check.Error(t, "get many of a reader", err, smrt.ErrNoKey)
		_, err = titles.Page(ctx, query.All[title](), query.Page{Size: 1})
		check.Error(t, "page", err, smrt.ErrNoKey)
	})
	check.Same(t, "statements", sent, 0)
}

// TestKeyless proves what a table without a key can do.
func TestKeyless(t *testing.T) {
	a, ctx := newArchive(t), t.Context()
	events := repo.New(a.pool, eventTable)
	check.NoError(t, events.Create(ctx, &event{"a"}))
	check.NoError(t, events.CreateMany(ctx, []event{{"b"}, {"c"}}))
	check.Same(t, "find", len(check.Value(events.Find(ctx, query.All[event]()))(t)), 3)
	check.Same(t, "delete by predicate", check.Value(events.DeleteWhere(ctx, query.Where(eventText.Eq("b"))))(t), 1)
	_, err := events.Get(ctx, query.NoKey{})
	check.Error(t, "get", err, smrt.ErrNoKey)
	check.Error(t, "update", events.Update(ctx, &event{"a"}), smrt.ErrNoKey)
	check.Error(t, "delete", events.Delete(ctx, query.NoKey{}), smrt.ErrNoKey)
	_, err = events.Page(ctx, query.All[event](), query.Page{Size: 1})
	check.Error(t, "page", err, smrt.ErrNoKey)
}
