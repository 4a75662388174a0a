package unit

import (
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/meta"
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
func rank(ops []*op, keys []crud.ForeignKey) (deferred []string, err error) {
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

// edge says that a row refers to another.
type edge struct {
	from, to int
	key      *crud.ForeignKey // nil: no foreign key of the schema
	ref      bool             // by its key, which is not known yet
}

// ring is rows of tables that refer to each other.
type ring struct {
	rows  []*op
	edges []edge
	next  int // the rank that is free
}

func newRing(g *graph, tables []int, ops []*op, keys []crud.ForeignKey) *ring {
	r := &ring{}
	in := map[*crud.Core]bool{}
	for _, t := range tables {
		in[g.tables[t]] = true
	}
	at := map[*op]int{}
	for _, o := range ops {
		if in[o.core] {
			at[o] = len(r.rows)
			r.rows = append(r.rows, o)
		}
	}
	for i, o := range r.rows {
		for _, ref := range o.refs {
			if to, ok := at[ref.to]; ok {
				r.edges = append(r.edges, edge{i, to, foreignKeyOf(keys, o.core, ref), !ref.to.known()})
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

func foreignKeyOf(keys []crud.ForeignKey, from *crud.Core, ref reference) *crud.ForeignKey {
	for i := range keys {
		if k := &keys[i]; k.From == from && k.To == ref.to.core && slices.Contains(k.Columns, ref.column) {
			return k
		}
	}
	return nil
}

// byValue finds the rows that others refer to by values which the program gave
// them.
func (r *ring) byValue(k *crud.ForeignKey) {
	rows := map[string]int{}
	for i, o := range r.rows {
		if o.core == k.To {
			if key, ok := valuesOf(o, k.Refers); ok {
				rows[key] = i
			}
		}
	}
	for i, o := range r.rows {
		if o.core != k.From {
			continue
		}
		if key, ok := valuesOf(o, k.Columns); ok {
			if to, ok := rows[key]; ok && to != i {
				r.edges = append(r.edges, edge{i, to, k, false})
			}
		}
	}
}

// valuesOf encodes columns of a row. It reports false if one of them is NULL,
// or not known yet.
func valuesOf(o *op, columns []*meta.Column) (string, bool) {
	var b []byte
	for _, col := range columns {
		if slices.ContainsFunc(o.refs, func(r reference) bool { return r.column == col }) ||
			o.core.IsKey(col) && o.core.KeyIsZero(o.entity) {
			return "", false
		}
		if v, err := col.Arg(o.entity); v == nil || err != nil {
			return "", false
		}
		b = crud.AppendKey(b, col, o.entity)
	}
	return string(b), true
}

// hasKey tells whether the key of a row is known before the row is created.
func (o *op) hasKey() bool {
	if len(o.core.Key) == 0 {
		return false
	}
	key := o.core.Key[0].Column
	return !o.core.KeyIsZero(o.entity) && !slices.ContainsFunc(o.refs, func(r reference) bool { return r.column == key })
}

// known tells whether the program knows the key of a row.
func (o *op) known() bool { return o.done || o.hasKey() }

// rank gives the rows ranks from base on, a level at a time: first those that
// refer to none, then those that refer only to these, and so on.
func (r *ring) rank(base int) (deferred []string, err error) {
	left := make([]bool, len(r.rows))
	for i := range left {
		left[i] = true
	}
	r.next = base
	for count := len(r.rows); count > 0; {
		waits := make([]bool, len(r.rows))
		for _, e := range r.edges {
			if left[e.from] && left[e.to] && e.from != e.to {
				waits[e.from] = true
			}
		}
		moved := false
		for i, o := range r.rows {
			if left[i] && !waits[i] {
				o.rank, left[i], moved = r.next, false, true
				count--
			}
		}
		if moved {
			r.next++
			continue
		}
		constraint, err := r.open(left)
		if err != nil {
			return nil, err
		}
		if constraint != "" {
			deferred = append(deferred, constraint)
		}
	}
	return deferred, nil
}

// open takes the edges of one foreign key out of the rings that are left.
func (r *ring) open(left []bool) (deferred string, err error) {
	inRing := slices.Clone(left)
	for again := true; again; { // leave out rows that only hang on a ring
		again = false
		wanted := make([]bool, len(r.rows))
		for _, e := range r.edges {
			if inRing[e.from] && inRing[e.to] {
				wanted[e.to] = true
			}
		}
		for i := range inRing {
			if inRing[i] && !wanted[i] {
				inRing[i], again = false, true
			}
		}
	}
	var chosen *crud.ForeignKey
	for _, e := range r.edges {
		if e.key == nil || !inRing[e.from] || !inRing[e.to] {
			continue
		}
		if e.key.Nullable {
			chosen = e.key
			break
		}
		if e.key.Deferrable && chosen == nil && r.drawable(e.key, inRing) {
			chosen = e.key
		}
	}
	if chosen == nil {
		return "", r.cycle(inRing)
	}
	r.edges = slices.DeleteFunc(r.edges, func(e edge) bool {
		if e.key != chosen || !inRing[e.from] || !inRing[e.to] {
			return false
		}
		from, to := r.rows[e.from], r.rows[e.to]
		switch {
		case chosen.Nullable:
			from.late = append(from.late, chosen.Columns...)
		case e.ref:
			to.drawn = true
		}
		return true
	})
	if chosen.Nullable {
		return "", nil
	}
	return chosen.Constraint, nil
}

// drawable tells whether the keys that edges need can be drawn beforehand.
func (r *ring) drawable(k *crud.ForeignKey, inRing []bool) bool {
	for _, e := range r.edges {
		if e.key == k && e.ref && inRing[e.from] && inRing[e.to] && !(r.rows[e.to].core.KeyByServer && k.To.CanDraw()) {
			return false
		}
	}
	return true
}

// cycle follows the edges until a row comes again.
func (r *ring) cycle(inRing []bool) error {
	at := slices.Index(inRing, true)
	var path []edge
	seen := map[int]int{}
	for {
		if start, ok := seen[at]; ok {
			e := &CycleError{}
			for _, step := range path[start:] {
				e.Tables = append(e.Tables, r.rows[step.from].core.Name)
				name := ""
				if step.key != nil {
					name = step.key.Name
				}
				e.Constraints = append(e.Constraints, name)
			}
			return e
		}
		seen[at] = len(path)
		i := slices.IndexFunc(r.edges, func(e edge) bool { return e.from == at && inRing[e.to] && e.from != e.to })
		if i < 0 {
			return &smrt.QueryError{Reason: "rows refer to each other in a ring"}
		}
		path = append(path, r.edges[i])
		at = r.edges[i].to
	}
}

// unlink orders deletes: rows that refer to others go first. Where tables refer
// to each other in a ring it says what must be let go of before.
func unlink(ops []*op, keys []crud.ForeignKey) (order []*crud.Core, loose []*crud.ForeignKey, deferred []string) {
	removed := map[*crud.ForeignKey]bool{}
	for {
		g := newGraph(ops)
		for i := range keys {
			if k := &keys[i]; !removed[k] && k.From != k.To {
				g.link(k.From, k.To)
			}
		}
		var ring []int
		order = order[:0]
		for _, tables := range g.components() {
			if len(tables) > 1 && ring == nil {
				ring = tables
			}
			for _, t := range tables {
				order = append(order, g.tables[t])
			}
		}
		slices.Reverse(order)
		var k *crud.ForeignKey
		if ring != nil {
			k = opening(keys, removed, func(c *crud.Core) bool { return slices.Contains(ring, slices.Index(g.tables, c)) })
		}
		switch {
		case k == nil: // no ring, or one that the server will object to if rows are in it
			return order, loose, deferred
		case k.Nullable:
			loose = append(loose, k)
		case k.Deferrable && !k.Cascades:
			deferred = append(deferred, k.Constraint)
		}
		removed[k] = true
	}
}

// opening chooses the foreign key at which a ring of deletes is opened.
func opening(keys []crud.ForeignKey, removed map[*crud.ForeignKey]bool, in func(*crud.Core) bool) *crud.ForeignKey {
	var chosen *crud.ForeignKey
	for i := range keys {
		k := &keys[i]
		if removed[k] || k.From == k.To || !in(k.From) || !in(k.To) {
			continue
		}
		if k.Deferrable && !k.Cascades {
			return k
		}
		if k.Nullable && chosen == nil {
			chosen = k
		}
	}
	return chosen
}

// assign gives a column of the copy at p the key of another row that is known.
func assign(col *meta.Column, p unsafe.Pointer, from *op) {
	key := from.core.Key[0].Column
	field, value := fieldOf(col, p), fieldOf(key, from.entity)
	switch {
	case value.Type() == field.Type():
		field.Set(value)
	default: // a pointer to it: the compiler has checked the rest
		fresh := newOf(field.Type().Elem())
		fresh.Elem().Set(value)
		field.Set(fresh)
	}
}
