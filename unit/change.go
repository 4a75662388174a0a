package unit

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/table"
)

// byTable splits writes by table, in the order of the tables' names: units that
// write the same tables lock rows in the same order.
func byTable(ops []*op) [][]*op {
	var tables []*table.Table
	rows := map[*table.Table][]*op{}
	for _, o := range ops {
		if rows[o.core] == nil {
			tables = append(tables, o.core)
		}
		rows[o.core] = append(rows[o.core], o)
	}
	slices.SortFunc(tables, func(a, b *table.Table) int { return strings.Compare(a.Quoted, b.Quoted) })
	out := make([][]*op, len(tables))
	for i, t := range tables {
		out[i] = sortedByKey(rows[t])
	}
	return out
}

// sortedByKey orders rows by their keys where these are numbers, for the same
// reason.
func sortedByKey(ops []*op) []*op {
	core := ops[0].core
	if len(core.Key) != 1 || !core.IntKey() {
		return ops
	}
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b *op) int {
		x, y := a.intKey(), b.intKey()
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return ops
}

func (o *op) intKey() int64 {
	if o.entity != nil {
		return o.core.Key[0].Column.Int(o.entity)
	}
	return o.core.KeyNumber(o.key)
}

// chunks makes one statement for as many rows as it may have, or for each if a
// column has a type that no array can carry.
func (d *draft) chunks(k kind, ops []*op, make func(table.Rows, []*op) (*flush.Write, error)) error {
	for part := range slices.Chunk(ops, table.MaxChunk) {
		rows := copies(part[0].core, part)
		w, err := make(rows, part)
		if flush.NotCarried(err) && len(part) > 1 {
			for i := range part {
				if err := d.chunks(k, part[i:i+1], make); err != nil {
					return err
				}
			}
			continue
		}
		if err != nil {
			return d.placed(err, part)
		}
		d.steps = append(d.steps, step{write: w, ops: part, kind: k, part: func(from, to int) (*flush.Write, error) {
			return make(copies(part[0].core, part[from:to]), part[from:to])
		}})
	}
	return nil
}

// updates makes the updates of a phase: one for each table, and for each set of
// rows whose keys they get.
func (d *draft) updates(ops []*op) error {
	for _, rows := range byTable(ops) {
		for _, part := range d.byRefs(rows) {
			err := d.chunks(updates, part, func(r table.Rows, part []*op) (*flush.Write, error) {
				var refs []flush.Ref
				for _, ref := range part[0].unknown() {
					refs = append(refs, d.refsOf(part, ref.column))
				}
				return flush.UpdateWrite(d.ctx, d.db, part[0].core, r, refs)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// byRefs splits rows by the columns that get keys of other rows, and by where
// these are found.
func (d *draft) byRefs(ops []*op) [][]*op {
	var parts [][]*op
	at := map[string]int{}
	for _, o := range ops {
		shape := ""
		for _, r := range o.unknown() {
			name, _ := d.target(r.to)
			shape += strconv.Itoa(r.column.Index) + name + " "
		}
		i, ok := at[shape]
		if !ok {
			i = len(parts)
			at[shape], parts = i, append(parts, nil)
		}
		parts[i] = append(parts[i], o)
	}
	return parts
}

// unknown are the references to keys that the server has yet to make.
func (o *op) unknown() []reference {
	return slices.DeleteFunc(slices.Clone(o.refs), func(r reference) bool { return r.to.known() })
}

// patches merges patches that assign the same columns. Those of one row stay in
// their order.
func (d *draft) patches(ops []*op) error {
	for _, rows := range byTable(ops) {
		core := rows[0].core
		keyed := copies(core, rows)
		waves := map[string]int{}
		var buffer []byte
		open := map[string][]*op{}
		var order []string
		for i, o := range rows {
			buffer = core.AppendKeyOf(buffer[:0], keyed.At(i))
			wave := waves[string(buffer)]
			waves[string(buffer)]++
			b := binary.AppendUvarint(nil, uint64(wave))
			if !flush.Assigned(keyed.At(i), o.sets) {
				b = binary.AppendUvarint(append(b, 's'), uint64(i))
			} else {
				for _, s := range o.sets {
					b = binary.AppendUvarint(append(b, byte(s.Op)), uint64(s.Column.Index))
				}
			}
			if open[string(b)] == nil {
				order = append(order, string(b))
			}
			open[string(b)] = append(open[string(b)], o)
		}
		slices.SortStableFunc(order, func(a, b string) int { return wave(a) - wave(b) })
		for _, key := range order {
			if err := d.patch(open[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

func wave(key string) int {
	n, _ := binary.Uvarint([]byte(key))
	return int(n)
}

func (d *draft) patch(ops []*op) error {
	core := ops[0].core
	if len(ops) == 1 && !assignable(ops[0]) {
		return d.chunks(patches, ops, func(rows table.Rows, part []*op) (*flush.Write, error) {
			return flush.SinglePatch(d.ctx, d.db, core, rows, part[0].sets)
		})
	}
	return d.chunks(patches, ops, func(rows table.Rows, part []*op) (*flush.Write, error) {
		for i, o := range part {
			flush.Assigned(rows.At(i), o.sets)
		}
		w, err := flush.PatchWrite(d.ctx, d.db, core, rows, part[0].sets)
		if flush.NotCarried(err) && rows.N == 1 {
			return flush.SinglePatch(d.ctx, d.db, core, rows, part[0].sets)
		}
		return w, err
	})
}

func assignable(o *op) bool {
	c := o.core.Copies(1)
	return flush.Assigned(c.At(0), o.sets)
}

// removal is rows of one table that are deleted in the same way.
type removal struct {
	ops           []*op
	hard, checked bool
}

// removals splits the deletes of one table.
func removals(rows []*op) []removal {
	var list []removal
	for _, o := range rows {
		hard, checked := o.removes(), o.entity != nil && o.core.Version != nil
		i := slices.IndexFunc(list, func(r removal) bool { return r.hard == hard && r.checked == checked })
		if i < 0 {
			i = len(list)
			list = append(list, removal{hard: hard, checked: checked})
		}
		list[i].ops = append(list[i].ops, o)
	}
	return list
}

// removes tells whether a delete takes the row away, and does not only mark it.
func (o *op) removes() bool { return o.hard || o.core.SoftDelete == nil }

// deletes makes the deletes of a phase, rows that refer to others first.
func (d *draft) deletes(ops []*op) error {
	var gone []*op
	for _, o := range ops {
		if o.removes() {
			gone = append(gone, o)
		}
	}
	plan := unlink(gone, d.keys)
	d.closed = append(d.closed, plan.closed...)
	if err := d.loosen(plan.loose, gone); err != nil {
		return err
	}
	d.deferring(plan.deferred)
	tables := byTable(ops)
	slices.SortStableFunc(tables, func(a, b []*op) int {
		return slices.Index(plan.order, a[0].core) - slices.Index(plan.order, b[0].core)
	})
	for _, rows := range tables {
		for _, r := range removals(rows) {
			err := d.chunks(deletes, r.ops, func(rows table.Rows, _ []*op) (*flush.Write, error) {
				return flush.DeleteWrite(d.ctx, d.db, r.ops[0].core, rows, r.hard, r.checked)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// loosen lets rows that are to go refer to none, where no order of deleting
// would do.
func (d *draft) loosen(keys []*flush.ForeignKey, gone []*op) error {
	for _, k := range keys {
		var rows []*op
		for _, o := range gone {
			if o.core == k.From {
				rows = append(rows, o)
			}
		}
		for part := range slices.Chunk(sortedByKey(rows), table.MaxChunk) {
			w, err := flush.LooseWrite(d.ctx, d.db, k.From, copies(k.From, part), k.Loose)
			if err != nil {
				return d.placed(err, part)
			}
			d.steps = append(d.steps, step{write: w})
		}
	}
	return nil
}
