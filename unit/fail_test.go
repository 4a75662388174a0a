package unit_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/unit"
)

// stored creates reports with the given slugs.
func stored(t *testing.T, db smrt.DB, slugs ...string) []report {
	t.Helper()
	rs := make([]report, len(slugs))
	for i, s := range slugs {
		rs[i].Slug = s
	}
	u := unit.New()
	unit.CreateMany(u, reports, rs)
	_, err := u.Flush(t.Context(), db)
	check.NoError(t, err)
	return rs
}

// TestFailures proves for every way in which one row can fail that nothing is
// written, that the row is named, that entities and unit are as before, and
// that the connection can be used again.
func TestFailures(t *testing.T) {
	for what, c := range map[string]struct {
		add   func(u *unit.Unit, rs []report) // fails at the write with index at
		at    int
		op    string
		table string
		wants []error
	}{
		"stale": {func(u *unit.Unit, rs []report) {
			for i := range rs {
				rs[i].Rank = 50
				unit.Update(u, reports, &rs[i])
			}
		}, 3, "update", "reports", []error{smrt.ErrStale}},
		"missing": {func(u *unit.Unit, rs []report) {
			rs[1].ID = 4711
			for i := range 3 {
				unit.Update(u, reports, &rs[i])
			}
		}, 2, "update", "reports", []error{smrt.ErrNotFound}},
		"deleted softly": {func(u *unit.Unit, rs []report) { unit.Update(u, reports, &rs[2]) }, 1, "update", "reports", []error{smrt.ErrNotFound}},
		"stale remove":   {func(u *unit.Unit, rs []report) { unit.Remove(u, reports, &rs[3]) }, 1, "delete", "reports", []error{smrt.ErrStale}},
		"missing delete": {func(u *unit.Unit, rs []report) {
			unit.Delete(u, reports, rs[0].ID)
			unit.Delete(u, reports, 4711)
		}, 2, "delete", "reports", []error{smrt.ErrNotFound}},
		"missing patch": {func(u *unit.Unit, rs []report) {
			unit.Patch(u, reports, rs[0].ID, reportRank.Set(1))
			unit.Patch(u, reports, 4711, reportRank.Set(2))
		}, 2, "patch", "reports", []error{smrt.ErrNotFound}},
		"missing raw patch": {func(u *unit.Unit, rs []report) {
			unit.Patch(u, reports, 4711, reportRank.SetExpr("rank + 1"))
		}, 1, "patch", "reports", []error{smrt.ErrNotFound}},
		"check": {func(u *unit.Unit, _ []report) {
			vs := make([]voucher, 100)
			for i := range vs {
				vs[i].Code = fmt.Sprint("code ", i)
			}
			vs[70].Uses = -1
			unit.CreateMany(u, vouchers, vs)
		}, 71, "create", "vouchers", []error{smrt.ErrCheck}},
		"check of a dependent row": {func(u *unit.Unit, _ []report) {
			r := unit.Create(u, reports, &report{Slug: "parent"})
			ns := make([]note, 200)
			for i := range ns {
				ns[i].Body = "fine"
			}
			ns[199].Body = ""
			unit.CreateMany(u, notes, ns, unit.Refer(noteReport, r))
		}, 201, "create", "notes", []error{smrt.ErrCheck}},
		"check of an update": {func(u *unit.Unit, rs []report) {
			rs[0].Rank, rs[1].Rank = 1, -1
			unit.Update(u, reports, &rs[0])
			unit.Update(u, reports, &rs[1])
		}, 2, "update", "reports", []error{smrt.ErrCheck}},
		"duplicate": {func(u *unit.Unit, _ []report) {
			unit.CreateMany(u, reports, []report{{Slug: "a"}, {Slug: "b"}, {Slug: "a"}})
		}, 3, "create", "reports", []error{smrt.ErrConflict}},
		"duplicate of a stored row": {func(u *unit.Unit, rs []report) {
			unit.CreateMany(u, reports, []report{{Slug: "a"}, {Slug: rs[0].Slug}, {Slug: "b"}})
		}, 2, "create", "reports", []error{smrt.ErrConflict}},
		"foreign key": {func(u *unit.Unit, rs []report) {
			unit.CreateMany(u, notes, []note{{Body: "x", Report: rs[0].ID}, {Body: "y", Report: 4711}})
		}, 2, "create", "notes", []error{smrt.ErrForeignKey}},
		"same key twice": {func(u *unit.Unit, rs []report) {
			other := rs[0]
			unit.Update(u, reports, &rs[0])
			unit.Update(u, reports, &other)
		}, 2, "update", "reports", []error{smrt.ErrDuplicateInBatch}},
		"never created": {func(u *unit.Unit, _ []report) { unit.Update(u, reports, &report{}) }, 1, "update", "reports", []error{smrt.ErrZeroKey}},
		"no key given":  {func(u *unit.Unit, _ []report) { unit.Create(u, vouchers, &voucher{}) }, 1, "create", "vouchers", []error{smrt.ErrZeroKey}},
		"nil entity":    {func(u *unit.Unit, _ []report) { unit.Create[voucher](u, vouchers, nil) }, 1, "create", "vouchers", []error{smrt.ErrNilEntity}},
		"bad text": {func(u *unit.Unit, _ []report) {
			unit.CreateMany(u, reports, []report{{Slug: "a"}, {Slug: "b\x00"}})
		}, 2, "create", "reports", []error{smrt.ErrInvalidText}},
		"view":           {func(u *unit.Unit, _ []report) { unit.Create(u, slugView, &slug{}) }, 1, "create", "slugs", []error{smrt.ErrReadOnly}},
		"no key":         {func(u *unit.Unit, _ []report) { unit.Update(u, events, &event{}) }, 1, "update", "events", []error{smrt.ErrNoKey}},
		"empty patch":    {func(u *unit.Unit, rs []report) { unit.Patch(u, reports, rs[0].ID) }, 1, "patch", "reports", []error{smrt.ErrBadQuery}},
		"computed patch": {func(u *unit.Unit, rs []report) { unit.Patch(u, reports, rs[0].ID, doubled.Set(1)) }, 1, "patch", "reports", []error{smrt.ErrBadQuery}},
		"created twice": {func(u *unit.Unit, _ []report) {
			v := voucher{Code: "x"}
			unit.Create(u, vouchers, &v)
			unit.Create(u, vouchers, &v)
		}, 2, "create", "vouchers", []error{smrt.ErrBadQuery}},
	} {
		t.Run(what, func(t *testing.T) {
			l := newLeague(t, testdb.MaxConns(1))
			rs := stored(t, l, "r0", "r1", "r2", "r3")
			exec(t, l, "UPDATE reports SET deleted_at = now() WHERE slug = 'r2'")
			exec(t, l, "UPDATE reports SET version = 7 WHERE slug = 'r3'")
			if what == "stale" {
				exec(t, l, "UPDATE reports SET deleted_at = NULL; ")
				exec(t, l, "UPDATE reports SET version = version - 1 WHERE slug = 'r2'")
				exec(t, l, "UPDATE reports SET version = version + 1 WHERE slug = 'r2'")
			}
			extra := voucher{Code: "extra"}
			u := unit.New()
			unit.Create(u, vouchers, &extra)
			c.add(u, rs)
			at := c.at
			if what == "stale" {
				at = 4
			}
			before := append([]report(nil), rs...)
			n := u.Len()
			state := func() string {
				return text(t, l, "slug || rank || version || coalesce(note, '')", "reports") + text(t, l, "code", "vouchers") + text(t, l, "body", "notes")
			}
			was := state()
			_, err := u.Flush(t.Context(), l)
			check.Error(t, "error", err, c.wants...)
			var row *unit.RowError
			if !errors.As(err, &row) {
				t.Fatalf("no row in %v", err)
			}
			check.Equal(t, "row", fmt.Sprint(row.Op, " ", row.Table, " ", row.Index), fmt.Sprint(c.op, " ", c.table, " ", at))
			check.Equal(t, "left in the unit", u.Len(), n)
			check.Equal(t, "entities", rs, before)
			check.Equal(t, "state", state(), was)
			var stale *smrt.StaleError
			if errors.Is(err, smrt.ErrStale) && (!errors.As(err, &stale) || stale.Have != 1 || row.Entity != any(&rs[3]) || row.Key != rs[3].ID) {
				t.Errorf("stale: %+v %+v", stale, row)
			}

			err = pgx.BeginFunc(t.Context(), l, func(tx pgx.Tx) error {
				_, err := u.Flush(t.Context(), tx)
				return err
			})
			check.Error(t, "joined", err, c.wants...)
			if !errors.As(err, &row) {
				t.Fatalf("no row in %v", err)
			}
			check.Equal(t, "row", fmt.Sprint(row.Op, " ", row.Table, " ", row.Index), fmt.Sprint(c.op, " ", c.table, " ", at))
			check.Equal(t, "state", state(), was)
			check.Equal(t, "entities", rs, before)
		})
	}
}

// TestMend proves that a unit can be flushed again when what it failed for has
// been mended.
func TestMend(t *testing.T) {
	l := newLeague(t)
	r := report{Slug: "r"}
	n := note{}
	u := unit.New()
	unit.Create(u, notes, &n, unit.Refer(noteReport, unit.Create(u, reports, &r)))
	_, err := u.Flush(t.Context(), l)
	check.Error(t, "empty body", err, smrt.ErrCheck)
	if !reflect.DeepEqual(r, report{Slug: "r"}) || n != (note{}) {
		t.Errorf("touched: %+v %+v", r, n)
	}
	n.Body = "text"
	_, err = u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "note", n, note{ID: n.ID, Report: r.ID, Body: "text"})
}
