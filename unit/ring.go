package unit

import (
	"slices"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// A ring of rows is opened at a foreign key, of which there are two kinds:
//
//   - Its column can be NULL. The row is created with NULL there, and an update
//     after the last create of the phase fills the column in. The row must have a
//     key to be found by.
//   - It is DEFERRABLE. It is checked when the unit ends, so that a row can be
//     created before the one that it refers to. If that one's key is made by the
//     server, it is drawn before either of them is created.
//
// The first kind is preferred. The second needs a change of the constraint's
// mode, and keys of a type that can be drawn by itself.
//
// For a team whose captain is one of its players, the edges are player -> team
// and team -> captain. If teams.captain can be NULL the second is taken out:
// the team has rank 0, the player rank 1, and the captain is filled in.

// rowGraph is rows of tables that refer to each other, or of one that refers to
// itself.
type rowGraph struct {
	graph
	rows   []*op
	sorted [][]int // the components, when no rows are in a ring any more
}

// newRowGraph finds the edges between rows of the given tables: references,
// which the program has made, and equal values of a foreign key and of what it
// refers to, which the program has assigned. A row that refers to itself is an
// edge only if its key is not known, because then there is nothing yet that it
// could refer to.
func newRowGraph(g *tableGraph, nodes []int, ops []*op, keys []flush.ForeignKey) *rowGraph {
	r := &rowGraph{}
	in := map[*table.Table]bool{}
	for _, t := range nodes {
		in[g.tables[t]] = true
	}
	at := map[*op]int{}
	for _, o := range ops {
		if in[o.table] {
			at[o] = len(r.rows)
			r.rows = append(r.rows, o)
		}
	}
	r.nodes = len(r.rows)
	for i, o := range r.rows {
		for _, ref := range o.refs {
			if to, ok := at[ref.to]; ok && (to != i || !ref.known()) {
				k := foreignKeyOf(keys, o.table, ref)
				r.edges = append(r.edges, edge{
					from: i, to: to, key: k, ref: !ref.known(),
					opens: o.opens(k) && (ref.known() || slices.Contains(k.Nullable, ref.column)),
				})
			}
		}
	}
	for i := range keys {
		if k := &keys[i]; in[k.From] && in[k.To] && !slices.Contains(k.Columns, nil) && !slices.Contains(k.Refers, nil) {
			r.byValue(k)
		}
	}
	return r
}

// opens reports whether the columns of a foreign key can be NULL at first: the
// row is found again by its key.
func (o *op) opens(k *flush.ForeignKey) bool {
	return k != nil && len(k.Nullable) > 0 && len(o.table.Key) > 0
}

// foreignKeyOf returns the foreign key that a reference belongs to, nil if the
// schema has none for it.
func foreignKeyOf(keys []flush.ForeignKey, from *table.Table, ref reference) *flush.ForeignKey {
	for i := range keys {
		if k := &keys[i]; k.From == from && k.To == ref.to.table && slices.Contains(k.Columns, ref.column) {
			return k
		}
	}
	return nil
}

// byValue finds the rows that others refer to by values which the program gave
// them.
func (r *rowGraph) byValue(k *flush.ForeignKey) {
	rows := map[string]int{}
	for i, o := range r.rows {
		if o.table == k.To {
			if key, ok := valuesOf(o, k.Refers); ok {
				rows[key] = i
			}
		}
	}
	for i, o := range r.rows {
		if o.table != k.From {
			continue
		}
		if key, ok := valuesOf(o, k.Columns); ok {
			if to, ok := rows[key]; ok && to != i {
				r.edges = append(r.edges, edge{from: i, to: to, key: k, opens: o.opens(k)})
			}
		}
	}
}

// valuesOf encodes columns of a row. It reports false if one of them is NULL,
// or not known yet.
func valuesOf(o *op, columns []*meta.Column) (string, bool) {
	var b []byte
	for _, col := range columns {
		if o.refers(col) || o.table.LeftToServer(col, o.entity) {
			return "", false
		}
		if v, err := col.Arg(o.entity); v == nil || err != nil {
			return "", false
		}
		b = table.AppendKey(b, col, o.entity)
	}
	return string(b), true
}

// hasKey reports whether the key of a row is known before the row is created.
func (o *op) hasKey() bool {
	if len(o.table.Key) == 0 {
		return false
	}
	return !o.table.KeyIsZero(o.entity) && !slices.ContainsFunc(o.refs, func(r reference) bool { return o.table.IsKey(r.column) })
}

// refers reports whether a column gets the key of another row.
func (o *op) refers(col *meta.Column) bool {
	return slices.ContainsFunc(o.refs, func(r reference) bool { return r.column == col })
}

// open takes foreign keys out of the graph until no rows are in a ring. It
// returns those that must be checked at the end. Each round takes all edges of
// one foreign key that are in rings and can be opened, so that there are few
// rounds, and rows of one table are mostly written alike.
func (r *rowGraph) open() (deferred []*flush.ForeignKey, err error) {
	for {
		list := r.components()
		in, n := r.rings(list)
		if n == 0 {
			r.sorted = list
			return deferred, nil
		}
		nullable, deferrable := r.choose(in)
		switch {
		case nullable != nil:
			r.postpone(nullable, in)
		case deferrable != nil:
			r.deferring(deferrable, in)
			deferred = append(deferred, deferrable)
		default:
			return nil, r.cycle(in, 1, func(node int) string { return r.rows[node].table.Name })
		}
	}
}

// choose returns the first foreign keys in rings whose columns can be NULL at
// first, and that can be checked at the end.
func (r *rowGraph) choose(in []int) (nullable, deferrable *flush.ForeignKey) {
	for i := range r.edges {
		e := &r.edges[i]
		if e.key == nil || !within(e, in) {
			continue
		}
		if nullable == nil && e.opens {
			nullable = e.key
		}
		if deferrable == nil && e.key.Deferrable && r.reservable(e.key, in) {
			deferrable = e.key
		}
	}
	return nullable, deferrable
}

// postpone leaves the columns of a foreign key NULL at first.
func (r *rowGraph) postpone(k *flush.ForeignKey, in []int) {
	for i := range r.edges {
		e := &r.edges[i]
		if e.key != k || !e.opens || !within(e, in) {
			continue
		}
		e.gone = true
		o := r.rows[e.from]
		for _, col := range k.Nullable {
			if !slices.Contains(o.late, col) {
				o.late = append(o.late, col)
			}
		}
	}
}

// deferring lets rows refer to rows that are not there yet, by keys that are
// reserved.
func (r *rowGraph) deferring(k *flush.ForeignKey, in []int) {
	for i := range r.edges {
		if e := &r.edges[i]; e.key == k && within(e, in) {
			e.gone = true
			r.rows[e.to].reserved = r.rows[e.to].reserved || e.ref
		}
	}
}

// reservable reports whether the keys that edges need can be reserved.
func (r *rowGraph) reservable(k *flush.ForeignKey, in []int) bool {
	for i := range r.edges {
		e := &r.edges[i]
		if e.key == k && e.ref && within(e, in) && !flush.CanReserveKeys(k.To) {
			return false
		}
	}
	return true
}

// rank gives the rows ranks from base on, a level at a time: first those that
// refer to none, then those that refer only to these, and so on. It returns the
// rank that is free.
func (r *rowGraph) rank(base int) (next int) {
	next = base
	for i, level := range r.levels(r.sorted) {
		r.rows[i].rank = base + level
		next = max(next, base+level+1)
	}
	return next
}
