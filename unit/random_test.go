package unit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/unit"
)

// TestRandomUnits compares random units with what the database holds after them:
// rows of five tables that refer to rows of the same unit, of a unit before, or
// to each other in rings, with shapes that differ and in any order, and changes
// and deletes of rows from before.
func TestRandomUnits(t *testing.T) {
	l := newLeague(t)
	const seed = 20
	random := rand.New(rand.NewPCG(seed, 1))
	var rs []*report
	var ns []*note
	var nds []*node
	var ts []*team
	var ps []*player
	for round := range 30 {
		u := unit.New()
		var rk []unit.Key[int64]
		var nk []unit.Key[int32]
		var gone []*note
		for range 1 + random.IntN(5) {
			r := &report{Slug: fmt.Sprint(round, "-", len(rs)), Rank: int32(random.IntN(3))}
			rs, rk = append(rs, r), append(rk, unit.Create(u, reports, r))
		}
		for range random.IntN(20) {
			n := &note{Body: fmt.Sprint(round, len(ns))}
			if random.IntN(3) == 0 && rs[0].ID != 0 {
				n.Report = rs[0].ID
				unit.Create(u, notes, n)
			} else {
				unit.Create(u, notes, n, unit.Refer(noteReport, rk[random.IntN(len(rk))]))
			}
			ns = append(ns, n)
		}
		for range random.IntN(20) {
			n := &node{Label: fmt.Sprint(round, len(nds))}
			var refs []unit.Reference[node]
			if len(nk) > 0 && random.IntN(4) > 0 {
				refs = append(refs, unit.Refer(nodeParent, nk[random.IntN(len(nk))]))
			}
			nds, nk = append(nds, n), append(nk, unit.Create(u, nodes, n, refs...))
		}
		for range random.IntN(3) {
			c, p := &team{Name: "t"}, &player{Name: "p"}
			pk := unit.Create(u, players, p, unit.Refer(playerTeam, unit.Create(u, teams, c)))
			if random.IntN(2) == 0 {
				unit.Link(u, c, unit.Refer(captain, pk))
			}
			ts, ps = append(ts, c), append(ps, p)
		}
		for _, r := range rs {
			if r.ID != 0 && random.IntN(4) == 0 {
				r.Rank = int32(random.IntN(100))
				unit.Update(u, reports, r)
			}
		}
		kept := ns[:0:0]
		for _, n := range ns {
			if n.ID != 0 && random.IntN(8) == 0 {
				unit.Delete(u, notes, n.ID)
				gone = append(gone, n)
			} else {
				kept = append(kept, n)
			}
		}
		ns = kept
		sum, err := u.Flush(t.Context(), l)
		if err != nil {
			t.Fatalf("seed %d, round %d: %v", seed, round, err)
		}
		if len(gone) > 0 && sum.Rows() < len(gone) {
			t.Errorf("round %d: %v", round, sum)
		}
	}
	for _, r := range rs {
		check.Equal(t, "report", one[string](t, l, "SELECT concat_ws(' ', slug, rank, doubled, version) FROM reports WHERE id = $1", r.ID),
			fmt.Sprintf("%s %d %d %d", r.Slug, r.Rank, r.Doubled, r.Version))
	}
	for _, n := range ns {
		check.Equal(t, "note", one[string](t, l, "SELECT body || report FROM notes WHERE id = $1", n.ID), fmt.Sprint(n.Body, n.Report))
	}
	for _, n := range nds {
		var parent int32
		if n.Parent != nil {
			parent = *n.Parent
		}
		check.Equal(t, "node", one[string](t, l, "SELECT label || coalesce(parent, 0) FROM nodes WHERE id = $1", n.ID), fmt.Sprint(n.Label, parent))
	}
	for i, c := range ts {
		var by int64
		if c.Captain != nil {
			by = *c.Captain
		}
		check.Equal(t, "team", one[int64](t, l, "SELECT coalesce(captain, 0) FROM teams WHERE id = $1", c.ID), by)
		check.Equal(t, "player", one[int64](t, l, "SELECT team FROM players WHERE id = $1", ps[i].ID), ps[i].Team)
		check.Equal(t, "team of the player", ps[i].Team, c.ID)
	}
	check.Equal(t, "notes", one[int64](t, l, "SELECT count(*) FROM notes"), int64(len(ns)))
}
