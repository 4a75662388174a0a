package unit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/unit"
)

// model is what the database ought to hold.
type model struct {
	*rand.Rand
	reports []*report
	notes   []*note
	nodes   []*node
	teams   []*team
	players []*player
	added   int
	ran     int // functions
}

// count is a function of random units.
func (m *model) count(context.Context, pgx.Tx) error {
	m.ran++
	return nil
}

// change adds random writes to a unit. What they do to the model is done by
// applied, once they are written: until then nothing is to be touched.
func (m *model) change(u *unit.Unit, wrong bool) (applied func()) {
	var after []func()
	var rk []unit.Key[int64]
	add := func() string { m.added++; return fmt.Sprint(m.added) }
	first := m.addReports(u, &rk, &after, add)
	m.addNotes(u, rk, &after, add)
	if m.IntN(3) == 0 {
		u.Do(m.count)
	}
	part := u
	if m.IntN(2) == 0 {
		part = unit.New()
	}
	m.addNodes(part, &after, add)
	m.addTeams(part, &after, add)
	if m.IntN(3) == 0 {
		part.Do(m.count)
	}
	u.Append(part)
	for i, r := range m.reports {
		switch m.IntN(8) {
		case 0: // the entity's other values are written as well
			r.Rank, r.Note = int32(m.IntN(100)), ptr(add())
			unit.Update(u, reports, r)
		case 1:
			n := int32(m.IntN(100))
			unit.Patch(u, reports, r.ID, reportRank.Set(n), reportNote.SetNull())
			unit.Patch(u, reports, r.ID, query.Add(reportRank, 1))
			after = append(after, func() { r.Rank, r.Doubled, r.Note, r.Version = n+1, 2*n+2, nil, r.Version+2 })
		case 2:
			if i%2 == 0 {
				unit.Delete(u, reports, r.ID)
			} else {
				unit.Remove(u, reports, r)
			}
			after = append(after, func() { m.reports = slices.DeleteFunc(m.reports, func(o *report) bool { return o == r }) })
		}
	}
	for _, n := range m.notes {
		switch m.IntN(8) {
		case 0:
			n.Body = add()
			unit.Update(u, notes, n, unit.Refer(noteReport, first))
		case 1:
			unit.Delete(u, notes, n.ID)
			after = append(after, func() { m.notes = slices.DeleteFunc(m.notes, func(o *note) bool { return o == n }) })
		}
	}
	m.changeSets(u, &after, add)
	if wrong {
		switch m.IntN(3) {
		case 0:
			unit.Delete(u, notes, 1_000_000)
		case 1:
			unit.Create(u, vouchers, &voucher{Code: add(), Uses: -1})
		case 2:
			unit.Update(u, reports, &report{ID: 1_000_000, Slug: "nobody"})
		}
	}
	return func() {
		for _, f := range after {
			f()
		}
	}
}

// changeSets adds writes of sets of rows, of which some are new, and a row that comes
// too late for them.
func (m *model) changeSets(u *unit.Unit, after *[]func(), add func() string) {
	if m.IntN(2) == 0 {
		return
	}
	digit := fmt.Sprint(m.IntN(10))
	unit.UpdateWhere(u, nodes, query.Where(nodeLabel.HasSuffix(digit)), nodeLabel.SetExpr("label || '!'"))
	unit.DeleteWhere(u, notes, query.Where(noteBody.HasPrefix(digit)))
	late := &node{Label: add() + digit}
	unit.Create(u, nodes, late)
	*after = append(*after, func() {
		for _, n := range m.nodes {
			if strings.HasSuffix(n.Label, digit) {
				n.Label += "!"
			}
		}
		m.nodes = append(m.nodes, late)
		m.notes = slices.DeleteFunc(m.notes, func(n *note) bool { return strings.HasPrefix(n.Body, digit) })
	})
}

func (m *model) addReports(u *unit.Unit, rk *[]unit.Key[int64], after *[]func(), add func() string) unit.Key[int64] {
	for range 1 + m.IntN(5) {
		r := &report{Slug: add(), Rank: int32(m.IntN(3))}
		*rk = append(*rk, unit.Create(u, reports, r))
		*after = append(*after, func() { m.reports = append(m.reports, r) })
	}
	return (*rk)[0]
}

func (m *model) addNotes(u *unit.Unit, rk []unit.Key[int64], after *[]func(), add func() string) {
	for range m.IntN(20) {
		n := &note{Body: add()}
		unit.Create(u, notes, n, unit.Refer(noteReport, rk[m.IntN(len(rk))]))
		*after = append(*after, func() { m.notes = append(m.notes, n) })
	}
}

func (m *model) addNodes(u *unit.Unit, after *[]func(), add func() string) {
	var nk []unit.Key[int32]
	for range m.IntN(20) {
		n := &node{Label: add()}
		var refs []unit.Reference[node]
		switch {
		case len(nk) > 0 && m.IntN(4) > 0:
			refs = append(refs, unit.Refer(nodeParent, nk[m.IntN(len(nk))]))
		case len(m.nodes) > 0 && m.IntN(2) == 0: // by hand, of a row that is there
			n.Parent = ptr(m.nodes[m.IntN(len(m.nodes))].ID)
		}
		nk = append(nk, unit.Create(u, nodes, n, refs...))
		*after = append(*after, func() { m.nodes = append(m.nodes, n) })
	}
}

func (m *model) addTeams(u *unit.Unit, after *[]func(), add func() string) {
	for range m.IntN(3) {
		c, p := &team{Name: add()}, &player{Name: add()}
		pk := unit.Create(u, players, p, unit.Refer(playerTeam, unit.Create(u, teams, c)))
		if m.IntN(2) == 0 {
			unit.Link(u, c, unit.Refer(captain, pk))
		}
		*after = append(*after, func() { m.teams, m.players = append(m.teams, c), append(m.players, p) })
	}
	for i, c := range m.teams {
		if m.IntN(6) == 0 {
			unit.Delete(u, teams, c.ID)
			unit.Delete(u, players, m.players[i].ID)
			*after = append(*after, func() {
				at := slices.Index(m.teams, c)
				m.teams, m.players = slices.Delete(m.teams, at, at+1), slices.Delete(m.players, at, at+1)
			})
		}
	}
}

// compare looks whether the database holds what the model does, and nothing else.
func (m *model) compare(t *testing.T, db smrt.DB) {
	t.Helper()
	var want []string
	for _, r := range m.reports {
		note := "-"
		if r.Note != nil {
			note = *r.Note
		}
		want = append(want, fmt.Sprint("report ", r.ID, " ", r.Slug, " ", r.Rank, " ", r.Doubled, " ", note, " ", r.Version))
	}
	for _, n := range m.notes {
		want = append(want, fmt.Sprint("note ", n.ID, " ", n.Report, " ", n.Body))
	}
	zero := func(p *int32) int32 {
		if p == nil {
			return 0
		}
		return *p
	}
	for _, n := range m.nodes {
		want = append(want, fmt.Sprint("node ", n.ID, " ", zero(n.Parent), " ", n.Label))
	}
	for i, c := range m.teams {
		var by int64
		if c.Captain != nil {
			by = *c.Captain
		}
		want = append(want, fmt.Sprint("team ", c.ID, " ", by, " ", c.Name), fmt.Sprint("player ", m.players[i].ID, " ", c.ID, " ", m.players[i].Name))
	}
	rows, err := db.Query(t.Context(), `
		SELECT concat_ws(' ', 'report', id, slug, rank, doubled, coalesce(note, '-'), version) FROM reports WHERE deleted_at IS NULL
		UNION ALL SELECT concat_ws(' ', 'note', id, report, body) FROM notes
		UNION ALL SELECT concat_ws(' ', 'node', id, coalesce(parent, 0), label) FROM nodes
		UNION ALL SELECT concat_ws(' ', 'team', id, coalesce(captain, 0), name) FROM teams
		UNION ALL SELECT concat_ws(' ', 'player', id, team, name) FROM players
		UNION ALL SELECT concat_ws(' ', 'voucher', code) FROM vouchers`)
	check.NoError(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	check.NoError(t, err)
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%d rows, want %d; the first that differs: %v, want %v", len(got), len(want), got[i:min(i+1, len(got))], want[i:min(i+1, len(want))])
		}
	}
}

// TestRandomUnits compares what random units leave in the database, and read
// back, with a model: rows of five tables that refer to rows of the same unit, of
// a unit before, or to each other in rings, in shapes that differ; updates, with
// new references, patches and deletes of rows from before. A third of the units
// fail, and then everything must be as it was.
func TestRandomUnits(t *testing.T) {
	l := newLeague(t)
	const seed = 20
	m := &model{Rand: rand.New(rand.NewPCG(seed, 1))}
	failed := 0
	for round := range 90 {
		u := unit.New()
		wrong := m.IntN(3) == 0
		before := m.values()
		applied := m.change(u, wrong)
		pending := m.values()
		_, err := u.Flush(t.Context(), l)
		var row *unit.RowError
		switch {
		case wrong && errors.As(err, &row):
			failed++
			check.Equal(t, "row", row.Index, u.Len()-1)
			check.Equal(t, "entities", m.values(), pending)
			m.restore(before)
		case err != nil || wrong:
			t.Fatalf("seed %d, round %d: %v", seed, round, err)
		default:
			applied()
		}
		if m.compare(t, l); t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
	if failed == 0 || m.ran == 0 {
		t.Error("no unit failed, or none had a function: that was not proven")
	}
}

// values are copies of the entities that random units change in memory.
type values struct {
	reports []report
	notes   []note
}

func (m *model) values() (v values) {
	for _, r := range m.reports {
		v.reports = append(v.reports, *r)
	}
	for _, n := range m.notes {
		v.notes = append(v.notes, *n)
	}
	return v
}

func (m *model) restore(v values) {
	for i := range m.reports {
		*m.reports[i] = v.reports[i]
	}
	for i := range m.notes {
		*m.notes[i] = v.notes[i]
	}
}
