package unit

import (
	"slices"

	"github.com/smrt-go/smrt/internal/crud"
)

// Rows are ordered by rank: a row is created after all rows that it refers to.
// Mostly the foreign keys between tables say enough, and a table is one rank.
// Only where tables refer to themselves or to each other in a ring are rows
// looked at one by one, and only a ring of rows must be opened: by a column
// that is NULL at first, or by a constraint that is checked at the end.

// graph is tables that refer to each other.
type graph struct {
	tables []*crud.Core
	edges  [][]int // from a table to those that it refers to
}

func newGraph(ops []*op) *graph {
	g := &graph{}
	for _, o := range ops {
		if !slices.Contains(g.tables, o.core) {
			g.tables = append(g.tables, o.core)
		}
	}
	g.edges = make([][]int, len(g.tables))
	return g
}

func (g *graph) link(from, to *crud.Core) {
	f, t := slices.Index(g.tables, from), slices.Index(g.tables, to)
	if f >= 0 && t >= 0 && !slices.Contains(g.edges[f], t) {
		g.edges[f] = append(g.edges[f], t)
	}
}

// components returns the sets of tables that refer to each other in a ring, or
// single tables, those referred to first. It is R. Tarjan's algorithm (1972).
func (g *graph) components() [][]int {
	n := len(g.tables)
	number, low, onStack := make([]int, n), make([]int, n), make([]bool, n)
	var stack []int
	var out [][]int
	next := 0
	var visit func(v int)
	visit = func(v int) {
		next++
		number[v], low[v] = next, next
		stack, onStack[v] = append(stack, v), true
		for _, w := range g.edges[v] {
			switch {
			case number[w] == 0:
				visit(w)
				low[v] = min(low[v], low[w])
			case onStack[w]:
				low[v] = min(low[v], number[w])
			}
		}
		if low[v] != number[v] {
			return
		}
		at := slices.Index(stack, v)
		out = append(out, slices.Clone(stack[at:]))
		for _, w := range stack[at:] {
			onStack[w] = false
		}
		stack = stack[:at]
	}
	for v := range n {
		if number[v] == 0 {
			visit(v)
		}
	}
	return out
}

// rank orders the creates of one phase. It returns the constraints that must
// be checked at the end.
func rank(ops []*op, keys []crud.ForeignKey) (deferred []*crud.ForeignKey, err error) {
	g := newGraph(ops)
	for i := range keys {
		g.link(keys[i].From, keys[i].To)
	}
	for _, o := range ops {
		for _, r := range o.refs {
			if !r.to.done && r.to.phase == o.phase {
				g.link(o.core, r.to.core)
			}
		}
	}
	base := 0
	for _, tables := range g.components() {
		first := tables[0]
		if len(tables) == 1 && !slices.Contains(g.edges[first], first) {
			for _, o := range ops {
				if o.core == g.tables[first] {
					o.rank = base
				}
			}
			base++
			continue
		}
		ring := newRing(g, tables, ops, keys)
		more, err := ring.rank(base)
		if err != nil {
			return nil, err
		}
		deferred = append(deferred, more...)
		base = ring.next
	}
	return deferred, nil
}
