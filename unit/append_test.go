package unit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/unit"
)

// TestAppend joins units, whose writes refer to each other, and proves that they
// are flushed as those of one, and that the other unit is empty.
func TestAppend(t *testing.T) {
	l := newLeague(t)
	old := stored(t, l, "old", "gone")
	u, other := unit.New(), unit.New()
	first := unit.Create(u, reports, &report{Slug: "first"})
	old[0].Slug = "renamed"
	unit.Update(u, reports, &old[0])

	second := unit.Create(other, reports, &report{Slug: "second"})
	unit.Create(other, notes, &note{Body: "on second"}, unit.Refer(noteReport, second))
	unit.Update(other, reports, &old[0])
	other.Then()
	unit.Delete(other, reports, old[1].ID)
	u.Append(other)
	check.Same(t, "moved", other.String(), "nothing")
	check.Same(t, "joined", u.String(), "create reports, update reports, create reports, create notes, then delete reports")
	unit.Create(u, notes, &note{Body: "on first"}, unit.Refer(noteReport, first))
	unit.Create(u, notes, &note{Body: "on both"}, unit.Refer(noteReport, second))

	l.sent.Reset()
	check.Value(u.Flush(t.Context(), l))(t)
	check.Same(t, "commits", strings.Count(shapes(l.sent.Statements()), "commit"), 1)
	check.Equal(t, "reports", text(t, l, "slug", "reports WHERE deleted_at IS NULL"), "first renamed second")
	check.Equal(t, "notes", text(t, l, "n.body || '=' || r.slug", "notes n JOIN reports r ON r.id = n.report"), "on both=second on first=first on second=second")

	u.Append(nil)
	u.Append(u)
	u.Append(unit.New())
	check.Same(t, "nothing", u.Len(), 0)
	unit.Create(other, notes, &note{Body: "later"}, unit.Refer(noteReport, first)) // u made it
	u.Append(other)
	check.Value(u.Flush(t.Context(), l))(t)
}

// TestAppendRefused proves that what no unit may hold is refused of two units
// that are joined, by the number of the write.
func TestAppendRefused(t *testing.T) {
	l := newLeague(t)
	v := stored(t, l, "old")[0]
	for name, c := range map[string]struct {
		with func(u, other *unit.Unit)
		want error
		at   int
	}{
		"created and removed": {func(u, other *unit.Unit) {
			w := &report{Slug: "twice"}
			unit.Create(u, reports, w)
			unit.Remove(other, reports, w)
		}, smrt.ErrBadQuery, 1},
		"created twice": {func(u, other *unit.Unit) {
			w := &report{Slug: "twice"}
			unit.Create(u, reports, w)
			unit.Create(other, reports, w)
		}, smrt.ErrBadQuery, 1},
		"two writes of a row": {func(u, other *unit.Unit) {
			unit.Update(u, reports, &v)
			unit.Delete(other, reports, v.ID)
		}, smrt.ErrDuplicateInBatch, 1},
		"refused before": {func(u, other *unit.Unit) {
			unit.Update(u, reports, &v)
			unit.Create(other, reports, &report{Slug: "fine"})
			unit.Create[report](other, reports, nil)
		}, smrt.ErrNilEntity, 2},
		"a key of a unit that was left out": {func(u, _ *unit.Unit) {
			key := unit.Create(unit.New(), reports, &report{Slug: "elsewhere"})
			unit.Create(u, notes, &note{Body: "b"}, unit.Refer(noteReport, key))
		}, smrt.ErrBadQuery, 0},
	} {
		u, other := unit.New(), unit.New()
		c.with(u, other)
		u.Append(other)
		_, err := u.Flush(t.Context(), l)
		check.Error(t, name, err, c.want)
		var row *unit.RowError
		if !errors.As(err, &row) || row.Index != c.at {
			t.Errorf("%s: %v is not about write %d", name, err, c.at)
		}
	}
	check.Equal(t, "reports", text(t, l, "slug", "reports"), "old")
}
