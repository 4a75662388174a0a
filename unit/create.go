package unit

import (
	"encoding/binary"
	"reflect"
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// group is rows that one statement creates.
type group struct {
	core  *table.Table
	rank  int
	shape []byte
	refs  []flush.Ref
	ops   []*op
	name  string // of the setting that keeps their keys, if others need them
}

// creates makes the inserts of a phase.
func (d *draft) creates(ops []*op) error {
	if len(ops) == 0 {
		return nil
	}
	deferred, err := rank(ops, d.keys)
	if err != nil {
		return err
	}
	d.deferring(deferred)
	if err := d.draw(ops); err != nil {
		return err
	}
	ordered := slices.Clone(ops)
	slices.SortStableFunc(ordered, func(a, b *op) int { return a.rank - b.rank })
	groups, err := d.groups(ordered)
	if err != nil {
		return err
	}
	if err := d.inserts(groups); err != nil {
		return err
	}
	return d.lates(ops)
}

// draw gets the keys of rows that are needed before the rows are created.
func (d *draft) draw(ops []*op) error {
	var tables []*table.Table
	counts, names := map[*table.Table]int{}, map[*table.Table]string{}
	for _, o := range ops {
		if !o.drawn {
			continue
		}
		if counts[o.core] == 0 {
			tables = append(tables, o.core)
			names[o.core] = d.name()
		}
		counts[o.core]++
		o.draw, o.slot = names[o.core], counts[o.core]
	}
	for _, core := range tables {
		w, err := flush.DrawWrite(d.ctx, d.db, core, counts[core], names[core])
		if err != nil {
			return err
		}
		d.steps = append(d.steps, step{write: w})
	}
	return nil
}

// target is where the key of another row is found: the position in a setting.
func (d *draft) target(o *op) (name string, at int) {
	if o.drawn {
		return o.draw, o.slot
	}
	if o.group.name == "" {
		o.group.name = d.name()
	}
	return o.group.name, o.at + 1
}

// groups merges rows that one statement can create: of one rank, one table and
// one shape, whose references lead to the same rows.
func (d *draft) groups(ops []*op) ([]*group, error) {
	var list []*group
	open := map[string]*group{}
	limits := map[*group]int{}
	var columns []*meta.Column
	for _, o := range ops {
		columns = columns[:0]
		for _, r := range o.refs {
			if !r.to.known() && !slices.Contains(o.late, r.column) {
				columns = append(columns, r.column)
			}
		}
		if o.drawn {
			columns = append(columns, o.core.Key[0].Column)
		}
		b := binary.AppendUvarint(d.buffer[:0], uint64(o.rank))
		b = binary.AppendUvarint(b, uint64(uintptr(unsafe.Pointer(o.core))))
		from := len(b)
		b, err := flush.CreateShape(o.core, b, o.filled(), columns, o.late)
		if err != nil {
			return nil, o.failed(err)
		}
		to := len(b)
		for _, r := range o.refs {
			if slices.Contains(columns, r.column) && r.column != nil {
				name, _ := d.target(r.to)
				b = append(append(b, name...), 0)
			}
		}
		d.buffer = b
		g := open[string(b)]
		if g == nil {
			g = &group{core: o.core, rank: o.rank, shape: slices.Clone(b[from:to])}
			for _, col := range columns {
				g.refs = append(g.refs, d.ref(o, col))
			}
			if limits[g], err = flush.MaxRows(d.ctx, d.db, o.core, g.shape); err != nil {
				return nil, o.failed(err)
			}
			open[string(b)] = g
			list = append(list, g)
		}
		for i, col := range columns {
			g.refs[i].At = append(g.refs[i].At, int32(d.position(o, col)))
		}
		o.group, o.at = g, len(g.ops)
		if g.ops = append(g.ops, o); len(g.ops) >= limits[g] {
			delete(open, string(b))
		}
	}
	return list, nil
}

// filled is the entity with the keys of other rows that are known, as far as
// they matter to how it is written: a key that is given is not zero.
func (o *op) filled() unsafe.Pointer {
	if len(o.refs) == 0 {
		return o.entity
	}
	known := false
	for _, r := range o.refs {
		known = known || r.to.known()
	}
	if !known {
		return o.entity
	}
	c := o.core.Copies(1)
	o.copyTo(c.At(0))
	return c.At(0)
}

// copyTo copies the entity, with the keys of other rows that are known.
func (o *op) copyTo(p unsafe.Pointer) {
	if o.entity == nil {
		o.core.SetKey(p, o.key)
		return
	}
	o.core.CopyEntity(p, o.entity)
	for _, r := range o.refs {
		if r.to.known() {
			assign(r.column, p, r.to)
		}
	}
}

// referred is the row whose key a column gets.
func (o *op) referred(col *meta.Column) *op {
	for _, r := range o.refs {
		if r.column == col {
			return r.to
		}
	}
	return o // its own, drawn before
}

func (d *draft) ref(o *op, col *meta.Column) flush.Ref {
	to := o.referred(col)
	name, _ := d.target(to)
	return flush.Ref{Column: col, Of: to.core, Setting: name}
}

// refsOf is ref with the places of all rows.
func (d *draft) refsOf(ops []*op, col *meta.Column) flush.Ref {
	ref := d.ref(ops[0], col)
	for _, o := range ops {
		ref.At = append(ref.At, int32(d.position(o, col)))
	}
	return ref
}

func (d *draft) position(o *op, col *meta.Column) int {
	_, at := d.target(o.referred(col))
	return at
}

// inserts makes the statements of groups. It is done when it is known which
// keys others need.
func (d *draft) inserts(groups []*group) error {
	for _, g := range groups {
		for _, o := range g.ops {
			if (o.kept || len(o.late) > 0) && !o.known() && len(o.core.Key) == 1 { // completed later, found by its key
				d.target(o)
			}
			for _, r := range o.refs {
				if slices.Contains(o.late, r.column) && !r.to.known() {
					d.target(r.to)
				}
			}
		}
	}
	for _, g := range groups {
		w, err := flush.CreateWrite(d.ctx, d.db, g.core, copies(g.core, g.ops), g.shape, g.refs, g.name)
		if err != nil {
			return d.placed(err, g.ops)
		}
		d.steps = append(d.steps, step{write: w, ops: g.ops, kind: creates, part: d.partOf(g)})
	}
	return nil
}

func (d *draft) partOf(g *group) func(int, int) (*flush.Write, error) {
	return func(from, to int) (*flush.Write, error) {
		refs := slices.Clone(g.refs)
		for i := range refs {
			refs[i].At = refs[i].At[from:to]
		}
		return flush.CreateWrite(d.ctx, d.db, g.core, copies(g.core, g.ops[from:to]), g.shape, refs, "")
	}
}

// lates completes the rows that had columns left NULL.
func (d *draft) lates(ops []*op) error {
	open := map[string][]*op{}
	var order []string
	for _, o := range ops {
		if len(o.late) == 0 {
			continue
		}
		b := binary.AppendUvarint(nil, uint64(uintptr(unsafe.Pointer(o.core))))
		for _, col := range o.late {
			b = binary.AppendUvarint(b, uint64(col.Index))
		}
		if !o.hasKey() {
			name, _ := d.target(o)
			b = append(append(b, name...), 0)
		}
		for _, r := range o.refs {
			if o.lateRef(r) {
				name, _ := d.target(r.to)
				b = append(append(b, name...), 0)
			}
		}
		if open[string(b)] == nil {
			order = append(order, string(b))
		}
		open[string(b)] = append(open[string(b)], o)
	}
	for _, key := range order {
		if err := d.late(open[key]); err != nil {
			return err
		}
	}
	return nil
}

// lateRef tells whether a reference is a part of completing a row: what it gets,
// or what it is found by.
func (o *op) lateRef(r reference) bool {
	return !r.to.known() && (slices.Contains(o.late, r.column) || len(o.core.Key) > 1 && o.core.IsKey(r.column))
}

func (d *draft) late(ops []*op) error {
	first := ops[0]
	var refs []flush.Ref
	for _, r := range first.refs {
		if first.lateRef(r) {
			refs = append(refs, d.refsOf(ops, r.column))
		}
	}
	var own *flush.Ref
	if !first.hasKey() && len(first.core.Key) == 1 {
		name, _ := d.target(first)
		own = &flush.Ref{Column: first.core.Key[0].Column, Of: first.core, Setting: name}
		for _, o := range ops {
			_, at := d.target(o)
			own.At = append(own.At, int32(at))
		}
	}
	w, err := flush.LateWrite(d.ctx, d.db, first.core, copies(first.core, ops), first.late, refs, own)
	if err != nil {
		return d.placed(err, ops)
	}
	d.steps = append(d.steps, step{write: w, ops: ops, kind: creates})
	return nil
}

// assign gives a column of the copy at p the key of another row that is known.
func assign(col *meta.Column, p unsafe.Pointer, from *op) {
	key := from.core.Key[0].Column
	field, value := fieldOf(col, p), fieldOf(key, from.entity)
	switch {
	case value.Type() == field.Type():
		field.Set(value)
	default: // a pointer to it: the compiler has checked the rest
		fresh := reflect.New(field.Type().Elem())
		fresh.Elem().Set(value)
		field.Set(fresh)
	}
}
