package unit

import (
	"slices"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/table"
)

// Rows are ordered by rank: a row is created after all rows that it refers to.
// Mostly the foreign keys between tables say enough, and a table is one rank.
// Only where tables refer to themselves or to each other in a ring are rows
// looked at one by one, and only a ring of rows must be opened: by a column
// that is NULL at first, or by a constraint that is checked at the end.

// tableGraph is tables that refer to each other.
type tableGraph struct {
	graph
	tables []*table.Table
}

func newTableGraph(ops []*op) *tableGraph {
	g := &tableGraph{}
	for _, o := range ops {
		if !slices.Contains(g.tables, o.table) {
			g.tables = append(g.tables, o.table)
		}
	}
	g.nodes = len(g.tables)
	return g
}

// link adds what a foreign key says, or a reference that has none.
func (g *tableGraph) link(from, to *table.Table, key *flush.ForeignKey) {
	f, t := slices.Index(g.tables, from), slices.Index(g.tables, to)
	if f >= 0 && t >= 0 {
		g.edges = append(g.edges, edge{from: f, to: t, key: key})
	}
}

// linkRefs adds the references between rows of one phase, each pair of tables
// once.
func (g *tableGraph) linkRefs(ops []*op) {
	for _, o := range ops {
		for _, r := range o.refs {
			if r.to.done || r.to.phase != o.phase {
				continue
			}
			f, t := slices.Index(g.tables, o.table), slices.Index(g.tables, r.to.table)
			if !slices.ContainsFunc(g.edges, func(e edge) bool { return e.from == f && e.to == t }) {
				g.edges = append(g.edges, edge{from: f, to: t})
			}
		}
	}
}

// rank orders the creates of one phase. It returns the constraints that must
// be checked at the end.
func rank(ops []*op, keys []flush.ForeignKey) (deferred []*flush.ForeignKey, err error) {
	g := newTableGraph(ops)
	for i := range keys {
		g.link(keys[i].From, keys[i].To, &keys[i])
	}
	g.linkRefs(ops)
	list := g.components()
	in, _ := g.rings(list)
	base := 0
	for _, nodes := range list {
		if first := nodes[0]; in[first] == 0 {
			for _, o := range ops {
				if o.table == g.tables[first] {
					o.rank = base
				}
			}
			base++
			continue
		}
		rows := newRowGraph(g, nodes, ops, keys)
		more, err := rows.open()
		if err != nil {
			return nil, err
		}
		deferred = append(deferred, more...)
		base = rows.rank(base)
	}
	return deferred, nil
}
