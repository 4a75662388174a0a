package unit

import (
	"slices"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/table"
)

// Rows are ordered by rank: a row is created after all rows that it refers to.
// Rows of one rank do not refer to each other, so that one statement can create
// those of one table. The rank of a row is found in up to three steps:
//
//  1. Tables (here). Each foreign key is an edge from one table to another. A
//     table that is in no ring has one rank, above those of the tables that it
//     refers to. That is all for most units: it takes no look at the rows.
//  2. Rows (ring.go), of tables that refer to themselves or to each other in a
//     ring. Each reference between two rows is an edge. A row's rank is the length
//     of the longest path from it: of employees, those without a manager have the
//     first rank, their staff the second, and so on.
//  3. Rings of rows (ring.go). A foreign key is taken out of the graph, and the
//     rows that it no longer orders are completed or checked later. That is
//     repeated until no ring is left.
//
// Deletes are ordered by table only (unlink.go), because one statement can
// delete rows that refer to each other.

// tableGraph is the tables of some writes, and which refers to which.
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

// rank sets the rank of each create of one phase, and which of its columns are
// NULL at first. It returns the constraints that must be checked at the end.
// The error is a *CycleError, for a ring that cannot be opened.
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
