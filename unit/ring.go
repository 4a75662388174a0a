package unit

import (
	"slices"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/meta"
)

// edge says that a row refers to another.
type edge struct {
	from, to int
	key      *crud.ForeignKey // nil: no foreign key of the schema
	ref      bool             // by its key, which is not known yet
	opens    bool             // it can be NULL at first
}

// ring is rows of tables that refer to each other, or of one that refers to
// itself.
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
			if to, ok := at[ref.to]; ok && (to != i || !o.known()) {
				k := foreignKeyOf(keys, o.core, ref)
				r.edges = append(r.edges, edge{
					from: i, to: to, key: k, ref: !ref.to.known(),
					opens: o.opens(k) && (ref.to.known() || slices.Contains(k.Loose, ref.column)),
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

// opens tells whether the columns of a foreign key can be NULL at first: the row
// is found again by its key.
func (o *op) opens(k *crud.ForeignKey) bool {
	return k != nil && len(k.Loose) > 0 && len(o.core.Key) > 0
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
	return !o.core.KeyIsZero(o.entity) && !slices.ContainsFunc(o.refs, func(r reference) bool { return o.core.IsKey(r.column) })
}

// known tells whether the program knows the key of a row.
func (o *op) known() bool { return o.done || o.hasKey() }

// rank gives the rows ranks from base on, a level at a time: first those that
// refer to none, then those that refer only to these, and so on.
func (r *ring) rank(base int) (deferred []*crud.ForeignKey, err error) {
	r.next = base
	left, waits := make([]bool, len(r.rows)), make([]int, len(r.rows))
	to := make([][]int32, len(r.rows)) // the edges to each row
	for i, e := range r.edges {
		waits[e.from]++
		to[e.to] = append(to[e.to], int32(i))
	}
	var ready, following []int
	for i := range r.rows {
		if left[i] = true; waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	gone := make([]bool, len(r.edges))
	take := func(i int) {
		gone[i] = true
		if from := r.edges[i].from; waits[from] == 1 {
			waits[from] = 0
			following = append(following, from)
		} else {
			waits[from]--
		}
	}
	for count := len(r.rows); count > 0; {
		for _, i := range ready {
			left[i] = false
			r.rows[i].rank = r.next
			for _, e := range to[i] {
				if !gone[e] {
					take(int(e))
				}
			}
		}
		if count -= len(ready); len(ready) > 0 {
			r.next++
		} else {
			k, err := r.open(left, gone, take)
			if err != nil {
				return nil, err
			}
			if k != nil {
				deferred = append(deferred, k)
			}
		}
		ready, following = following, ready[:0]
	}
	return deferred, nil
}

// open takes the edges of one foreign key out of the rings that are left. It
// returns the foreign key if it must be checked at the end.
func (r *ring) open(left, gone []bool, take func(int)) (*crud.ForeignKey, error) {
	in := r.inRings(left, gone)
	var nullable, deferrable *crud.ForeignKey
	for i, e := range r.edges {
		if gone[i] || e.key == nil || !in[e.from] || !in[e.to] {
			continue
		}
		if nullable == nil && e.opens {
			nullable = e.key
		}
		if deferrable == nil && e.key.Deferrable && r.drawable(e.key, in) {
			deferrable = e.key
		}
	}
	if nullable == nil && deferrable == nil {
		return nil, r.cycle(in, gone)
	}
	for i, e := range r.edges {
		if gone[i] || !in[e.from] || !in[e.to] {
			continue
		}
		switch {
		case nullable != nil && e.key == nullable && e.opens:
			r.rows[e.from].postpone(nullable.Loose)
			take(i)
		case nullable == nil && e.key == deferrable:
			r.rows[e.to].drawn = r.rows[e.to].drawn || e.ref
			take(i)
		}
	}
	if nullable != nil {
		return nil, nil
	}
	return deferrable, nil
}

// postpone leaves columns NULL at first.
func (o *op) postpone(columns []*meta.Column) {
	for _, col := range columns {
		if !slices.Contains(o.late, col) {
			o.late = append(o.late, col)
		}
	}
}

// inRings are the rows that are left, but for those that only hang on a ring.
func (r *ring) inRings(left, gone []bool) []bool {
	in, wanted := slices.Clone(left), make([]int, len(r.rows))
	from := make([][]int, len(r.rows)) // where the edges of each row lead
	for i, e := range r.edges {
		if !gone[i] && in[e.from] && in[e.to] {
			wanted[e.to]++
			from[e.from] = append(from[e.from], e.to)
		}
	}
	var loose []int
	for i := range in {
		if in[i] && wanted[i] == 0 {
			loose = append(loose, i)
		}
	}
	for len(loose) > 0 {
		i := loose[len(loose)-1]
		loose = loose[:len(loose)-1]
		in[i] = false
		for _, to := range from[i] {
			if wanted[to]--; wanted[to] == 0 {
				loose = append(loose, to)
			}
		}
	}
	return in
}

// drawable tells whether the keys that edges need can be drawn beforehand.
func (r *ring) drawable(k *crud.ForeignKey, in []bool) bool {
	for _, e := range r.edges {
		if e.key == k && e.ref && in[e.from] && in[e.to] && !(r.rows[e.to].core.KeyByServer && k.To.CanDraw()) {
			return false
		}
	}
	return true
}

// cycle follows the edges until a row comes again.
func (r *ring) cycle(in, gone []bool) error {
	at := slices.Index(in, true)
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
		i := -1
		for j, e := range r.edges {
			if !gone[j] && e.from == at && in[e.to] {
				i = j
				break
			}
		}
		path = append(path, r.edges[i])
		at = r.edges[i].to
	}
}
