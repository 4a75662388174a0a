package unit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/unit"
)

// TestKinds proves that every kind of write arrives, and that entities get what
// the database decided.
func TestKinds(t *testing.T) {
	l := newLeague(t)
	exec(t, l, `INSERT INTO vouchers VALUES ('a', 1), ('b', 2), ('c', 3);`)
	old := report{Slug: "old"}
	u := unit.New()
	unit.Create(u, reports, &old)
	_, err := u.Flush(t.Context(), l)
	check.NoError(t, err)

	r := report{Slug: "new", Note: ptr("n")}
	first := unit.Create(u, reports, &r)
	ns := []note{{Body: "x"}, {Body: "y"}, {Body: "z"}}
	unit.CreateMany(u, notes, ns, unit.Refer(noteReport, first))
	old.Rank = 9
	unit.Update(u, reports, &old)
	unit.Patch(u, vouchers, "a", uses.Set(7))
	unit.Patch(u, vouchers, "b", query.Add(uses, 7))
	unit.Delete(u, vouchers, "c")
	check.Equal(t, "writes", u.Len(), 8)
	sum, err := u.Flush(t.Context(), l)
	check.NoError(t, err)

	check.Equal(t, "summary", sum.String(), "reports: 1 created, 1 updated; notes: 3 created; vouchers: 2 patched, 1 deleted")
	check.Equal(t, "rows", sum.Rows(), 8)
	check.Equal(t, "left", u.Len(), 0)
	if r.ID == 0 || r.Rank != 5 || r.Doubled != 10 || r.Version != 1 || r.CreatedAt.IsZero() || !r.UpdatedAt.Equal(r.CreatedAt) {
		t.Errorf("created: %+v", r)
	}
	for i, n := range ns {
		if n.ID == 0 || n.Report != r.ID || i > 0 && n.ID <= ns[i-1].ID {
			t.Errorf("note %d: %+v", i, n)
		}
	}
	if old.Version != 2 || old.Doubled != 18 || !old.UpdatedAt.After(old.CreatedAt) {
		t.Errorf("updated: %+v", old)
	}
	check.Equal(t, "vouchers", text(t, l, "code || uses", "vouchers"), "a7 b9")
	check.Equal(t, "notes", text(t, l, "body || report", "notes"), fmt.Sprintf("x%d y%[1]d z%[1]d", r.ID))
	check.Equal(t, "rank", one[int32](t, l, "SELECT rank FROM reports WHERE slug = 'old'"), 9)
}

// TestOneRoundTrip proves that a unit whose rows depend on each other is one
// round trip, with BEGIN and COMMIT.
func TestOneRoundTrip(t *testing.T) {
	l := newLeague(t)
	flush := func() {
		t.Helper()
		u := unit.New()
		first := unit.Create(u, reports, &report{Slug: fmt.Sprint(time.Now().UnixNano())})
		unit.CreateMany(u, notes, []note{{Body: "x"}, {Body: "y"}}, unit.Refer(noteReport, first))
		_, err := u.Flush(t.Context(), l)
		check.NoError(t, err)
	}
	flush()
	l.sent.Reset()
	flush()
	check.Equal(t, "round trips", l.sent.Sends(), 1)
	check.Equal(t, "statements", shapes(l.sent.Statements()), "begin, insert reports, insert notes, commit")
}

// TestEmpty proves that an empty unit sends nothing.
func TestEmpty(t *testing.T) {
	l := newLeague(t)
	u := unit.New()
	unit.Create(u, reports, &report{Slug: "x"})
	u.Discard()
	sum, err := u.Flush(t.Context(), l)
	check.NoError(t, err)
	check.Equal(t, "summary", sum, unit.Summary{})
	check.Equal(t, "sent", l.sent.Sends(), 0)
}
