package unit

import (
	"slices"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/table"
)

// Rows that refer to others are deleted first. The server checks a foreign key
// at the end of each statement, so rows of one table can refer to each other if
// one statement deletes them all. In two cases no order will do: tables refer
// to each other in a ring, or the rows of a table that refers to itself take
// several statements. Then a foreign key is taken out of the way: it is checked
// at the end, or its column is set to NULL before. Deferring is preferred here,
// because it writes no row twice.
//
// If neither can be done, the deletes are sent all the same: the rows that are
// deleted need not be in a ring, though their tables are. If the server
// objects, the error names the ring.

// unlinking is in which order the rows of tables can be deleted, and what must
// be done before and after.
type unlinking struct {
	tables   []*table.Table
	nullify  []*flush.ForeignKey // to be set to NULL before
	deferred []*flush.ForeignKey // to be checked at the end
	closed   []*CycleError       // rings without either; if rows are in one the server will object
}

// unlink orders the deletes gone, all of rows that really go: a row that is
// only marked as deleted keeps what it refers to.
func unlink(gone []*op, keys []flush.ForeignKey) unlinking {
	var u unlinking
	g := newTableGraph(gone)
	for i := range keys {
		switch k := &keys[i]; {
		case k.From != k.To:
			g.link(k.From, k.To, k)
		case several(gone, k.From): // one statement deletes rows that refer to each other
			u.open(k)
		}
	}
	for {
		list := g.components()
		in, n := g.rings(list)
		if n == 0 {
			for _, nodes := range slices.Backward(list) {
				u.tables = append(u.tables, g.tables[nodes[0]])
			}
			return u
		}
		u.openRing(g, in, 1)
	}
}

// openRing takes one foreign key out of a ring of tables, or all if none of
// them can be taken out of the way.
func (u *unlinking) openRing(g *tableGraph, in []int, ring int) {
	inside := func(e *edge) bool { return within(e, in) && in[e.from] == ring }
	for i := range g.edges {
		if e := &g.edges[i]; inside(e) && u.open(e.key) {
			e.gone = true
			return
		}
	}
	u.closed = append(u.closed, g.cycle(in, ring, func(node int) string { return g.tables[node].Name }))
	for i := range g.edges {
		if e := &g.edges[i]; inside(e) {
			e.gone = true
		}
	}
}

// open takes a foreign key out of the way, and reports whether that can be
// done. One that cascades acts at the end of the statement, deferred or not,
// and could delete or change rows before the unit does.
func (u *unlinking) open(k *flush.ForeignKey) bool {
	switch {
	case k.Deferrable && !k.Cascades:
		u.deferred = append(u.deferred, k)
	case len(k.Nullable) > 0:
		u.nullify = append(u.nullify, k)
	default:
		return false
	}
	return true
}

// several reports whether the rows of a table are deleted by several
// statements.
func several(gone []*op, t *table.Table) bool {
	rows := ofTable(gone, t)
	return len(rows) > table.MaxChunk || len(removals(rows)) > 1
}
