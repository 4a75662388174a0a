package unit

import (
	"encoding/binary"
	"reflect"
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/meta"
)

// Rows are created by few statements: one for all rows of a table that have the
// same rank and are written alike. Two orders, one with a discount and one
// without, are two statements if the column has a default, because one of them
// leaves it to the server. Their items are one statement only if both orders
// leave their keys in the same setting. So grouping goes by rank, and the rows
// that were grouped first decide where the keys are for those that follow.
//
// Where a key comes from, for the row itself (hasKey, leavesKey) and for those
// that refer to it (known, source):
//
//	the program assigned it       it is a value like any other
//	an earlier flush made it      the entity has it
//	the server makes it           the setting of the statement that creates the row
//	it is reserved, in a ring     the setting of the statement that drew it
//
// Of a composite key that holds for each of its parts. A part may also be the key
// of a third row, which is where it comes from then (origin).

// group is rows that one statement creates.
type group struct {
	step  flush.Step // without rows
	ops   []*op
	limit int // how many rows the statement can have
}

// creates plans the inserts of a phase: first what must be before all rows, the
// mode of constraints and keys that are drawn, then the rows by rank, and at
// last what completes them.
func (p *planner) creates(ops []*op) error {
	if len(ops) == 0 {
		return nil
	}
	deferred, err := rank(ops, p.keys)
	if err != nil {
		return err
	}
	p.deferring(deferred)
	p.reserve(ops)
	ordered := slices.Clone(ops)
	slices.SortStableFunc(ordered, func(a, b *op) int { return a.rank - b.rank })
	groups, err := p.groups(ordered)
	if err != nil {
		return err
	}
	for _, g := range groups {
		p.write(g.step, g.ops)
	}
	p.backfills(ops)
	return nil
}

// reserve plans to draw the keys of rows that are needed before the rows are
// created.
func (p *planner) reserve(ops []*op) {
	var steps []flush.Step
	for _, o := range ops {
		if !o.reserved {
			continue
		}
		i := slices.IndexFunc(steps, func(s flush.Step) bool { return s.Table == o.table })
		if i < 0 {
			i = len(steps)
			steps = append(steps, flush.Step{Kind: flush.ReserveKeys, Table: o.table, Catalog: p.catalogOf(o.table), Setting: p.setting()})
		}
		steps[i].Count++
		o.setting, o.at = steps[i].Setting, int32(steps[i].Count)
	}
	for _, s := range steps {
		p.prepares(s)
	}
}

// groups merges rows that one statement can create: of one rank, one table and
// one shape, whose references lead to the same settings. It also decides where
// the keys of the rows will be.
func (p *planner) groups(ops []*op) ([]*group, error) {
	var list []*group
	open := map[string]*group{}
	var refs []*meta.Column
	for _, o := range ops {
		refs = o.appendRefs(refs[:0])
		b := binary.AppendUvarint(p.buffer[:0], uint64(o.rank))
		b = binary.AppendUvarint(b, uint64(uintptr(unsafe.Pointer(o.table))))
		from := len(b)
		b, err := flush.AppendShape(b, o.table, o.filled(), refs, o.late)
		if err != nil {
			return nil, o.failed(err)
		}
		to := len(b)
		for _, col := range refs {
			b = append(append(b, o.source(col).setting()...), 0)
		}
		p.buffer = b
		g := open[string(b)]
		if g == nil {
			g = &group{step: p.describe(flush.Step{Kind: flush.Insert, Shape: slices.Clone(b[from:to])}, []*op{o}, refs)}
			g.limit = g.step.MaxRows()
			open[string(b)] = g
			list = append(list, g)
		}
		g.ops = append(g.ops, o)
		if o.leavesKey() {
			if g.step.Setting == "" {
				g.step.Setting = p.setting()
			}
			o.setting, o.at = g.step.Setting, int32(len(g.ops))
		}
		if len(g.ops) == g.limit {
			delete(open, string(b))
		}
	}
	return list, nil
}

// leavesKey reports whether the key of a row goes to a setting when the row is
// created: other rows need it, or the row is found by it when it is completed.
func (o *op) leavesKey() bool {
	return (o.needed || len(o.late) > 0) && !o.reserved && !o.done && slices.ContainsFunc(o.table.Key, func(k meta.KeyPart) bool { return o.makes(k.Column) })
}

// makes reports whether the server makes a part of the key of a row that is not
// created yet. A key of one column is left in a setting by its own row also if it
// is that of another; of a composite one, the other row has left it.
func (o *op) makes(part *meta.Column) bool {
	if len(o.table.Key) == 1 {
		return !o.hasKey()
	}
	return o.table.LeftToServer(part, o.entity) && !o.refers(part)
}

// appendRefs appends the columns of an insert that get keys which the server
// has yet to make.
func (o *op) appendRefs(columns []*meta.Column) []*meta.Column {
	for _, r := range o.refs {
		if !r.known() && !slices.Contains(o.late, r.column) {
			columns = append(columns, r.column)
		}
	}
	if o.reserved {
		columns = append(columns, o.table.MadeKey())
	}
	return columns
}

// filled returns the entity with the keys of other rows that are known, as far
// as they matter to how it is written: a key that is given is not zero.
func (o *op) filled() unsafe.Pointer {
	if !slices.ContainsFunc(o.refs, reference.known) && !o.owner.Bound() {
		return o.entity
	}
	c := o.table.Copies(1)
	o.copyTo(c.At(0))
	return c.At(0)
}

// copyTo copies the entity, with the keys of other rows that are known, and with the
// tenant.
func (o *op) copyTo(p unsafe.Pointer) {
	defer o.table.Give(o.owner, p)
	if o.entity == nil {
		o.table.SetKey(p, o.key)
		return
	}
	o.table.CopyEntity(p, o.entity)
	for _, r := range o.refs {
		if r.known() {
			r.assign(p)
		}
	}
}

// backfills plans to complete the rows that had columns left NULL. Rows are
// together that are found and completed in the same way.
func (p *planner) backfills(ops []*op) {
	open := map[string][]*op{}
	var order []string
	for _, o := range ops {
		if len(o.late) == 0 {
			continue
		}
		b := binary.AppendUvarint(p.buffer[:0], uint64(uintptr(unsafe.Pointer(o.table))))
		for _, col := range o.late {
			b = binary.AppendUvarint(b, uint64(col.Index))
		}
		b = append(b, '/')
		for _, col := range o.backfillRefs() {
			b = binary.AppendUvarint(b, uint64(col.Index))
			b = append(append(b, o.source(col).setting()...), 0)
		}
		p.buffer = b
		if open[string(b)] == nil {
			order = append(order, string(b))
		}
		open[string(b)] = append(open[string(b)], o)
	}
	for _, key := range order {
		rows := open[key]
		p.writes(flush.Step{Kind: flush.Backfill, Columns: rows[0].late}, rows, rows[0].backfillRefs())
	}
}

// backfillRefs returns the columns that get keys from settings when a row is
// completed: what was left NULL, and what the row is found by.
func (o *op) backfillRefs() (columns []*meta.Column) {
	composite := len(o.table.Key) > 1
	for _, r := range o.refs {
		if !r.known() && (slices.Contains(o.late, r.column) || composite && o.table.IsKey(r.column)) {
			columns = append(columns, r.column)
		}
	}
	for _, k := range o.table.Key {
		if o.makes(k.Column) {
			columns = append(columns, k.Column)
		}
	}
	return columns
}

// assign gives the column of the entity at p the key of another row that is
// known.
func (r reference) assign(p unsafe.Pointer) {
	from := r.origin()
	field, value := fieldOf(r.column, p), fieldOf(from.part, from.to.entity)
	if to := from.to; to.owner.Bound() && from.part == to.table.Tenant && value.IsZero() {
		value = reflect.ValueOf(to.owner.ID) // the entity gets it in the end
	}
	switch {
	case value.Type() == field.Type():
		field.Set(value)
	default: // a pointer to it: the compiler has checked the rest
		fresh := reflect.New(field.Type().Elem())
		fresh.Elem().Set(value)
		field.Set(fresh)
	}
}
