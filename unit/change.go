package unit

import (
	"encoding/binary"
	"slices"

	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/table"
)

// updates plans the updates of a phase: one for each table, and for each set of
// rows that get their keys from the same settings.
func (p *planner) updates(ops []*op) {
	for _, rows := range byTable(ops) {
		var sets [][]*op
		at := map[string]int{}
		for _, o := range rows {
			b := p.buffer[:0]
			for _, col := range o.appendRefs(nil) {
				b = binary.AppendUvarint(b, uint64(col.Index))
				b = append(append(b, o.source(col).setting()...), 0)
			}
			p.buffer = b
			i, ok := at[string(b)]
			if !ok {
				i = len(sets)
				at[string(b)], sets = i, append(sets, nil)
			}
			sets[i] = append(sets[i], o)
		}
		for _, set := range sets {
			p.writes(flush.Step{Kind: flush.Update}, set, set[0].appendRefs(nil))
		}
	}
}

// patches plans the patches of a phase. Those that assign the same columns are
// together, and those of one row stay in their order: the first patches of all
// rows are one wave, the second ones another. So of
//
//	row 1: price    row 1: stock    row 2: stock    row 2: price
//
// the waves are {row 1: price, row 2: stock} and {row 1: stock, row 2: price},
// which makes four statements, since each assigns other columns. A patch with
// SQL is a statement by itself.
func (p *planner) patches(ops []*op) {
	for _, rows := range byTable(ops) {
		waves := wavesOf(rows)
		open := map[string][]*op{}
		var order []string
		for i, o := range rows {
			b := binary.AppendUvarint(p.buffer[:0], uint64(waves[i]))
			if !assignable(o) {
				b = binary.AppendUvarint(append(b, 's'), uint64(i))
			} else {
				for _, s := range o.sets {
					b = binary.AppendUvarint(append(b, byte(s.Op)), uint64(s.Column.Index))
				}
			}
			p.buffer = b
			if open[string(b)] == nil {
				order = append(order, string(b))
			}
			open[string(b)] = append(open[string(b)], o)
		}
		slices.SortStableFunc(order, func(a, b string) int { return waveOf(a) - waveOf(b) })
		for _, key := range order {
			set := open[key]
			p.writes(flush.Step{Kind: flush.Patch, Sets: set[0].sets, InSets: !assignable(set[0])}, set, nil)
		}
	}
}

// wavesOf returns of each patch how many patches of the same row come before
// it.
func wavesOf(ops []*op) []int {
	t := ops[0].table
	waves, seen := make([]int, len(ops)), map[string]int{}
	keyed := t.Copies(1).At(0)
	var buffer []byte
	for i, o := range ops {
		t.SetKey(keyed, o.key)
		buffer = t.AppendKeyOf(buffer[:0], keyed)
		waves[i] = seen[string(buffer)]
		seen[string(buffer)]++
	}
	return waves
}

// waveOf returns the wave that a key of patches begins with.
func waveOf(key string) int {
	n, _ := binary.Uvarint([]byte(key))
	return int(n)
}

// assignable reports whether the values of a patch can lie in an entity.
func assignable(o *op) bool { return flush.Assign(o.table.Copies(1).At(0), o.sets) }

// removal is rows of one table that are deleted in the same way: taken away or
// marked as deleted, with a look at the version or without. Only a delete of an
// entity knows the version that the row should have.
type removal struct {
	ops           []*op
	hard, checked bool
}

// removals splits the deletes of one table.
func removals(rows []*op) []removal {
	var list []removal
	for _, o := range rows {
		hard, checked := o.removes(), o.entity != nil && o.table.Version != nil
		i := slices.IndexFunc(list, func(r removal) bool { return r.hard == hard && r.checked == checked })
		if i < 0 {
			i = len(list)
			list = append(list, removal{hard: hard, checked: checked})
		}
		list[i].ops = append(list[i].ops, o)
	}
	return list
}

// removes reports whether a delete takes the row away, and does not only mark
// it.
func (o *op) removes() bool { return o.hard || o.table.SoftDelete == nil }

// deletes plans the deletes of a phase, rows that refer to others first. What
// unlink found out is planned before them: foreign keys that are set to NULL,
// and constraints that are checked at the end.
func (p *planner) deletes(ops []*op) {
	var gone []*op
	for _, o := range ops {
		if o.removes() {
			gone = append(gone, o)
		}
	}
	order := unlink(gone, p.keys)
	p.closed = append(p.closed, order.closed...)
	for _, k := range order.nullify {
		p.nullifies(k, gone)
	}
	p.deferring(order.deferred)
	tables := byTable(ops)
	slices.SortStableFunc(tables, func(a, b []*op) int {
		return slices.Index(order.tables, a[0].table) - slices.Index(order.tables, b[0].table)
	})
	for _, rows := range tables {
		for _, r := range removals(rows) {
			p.writes(flush.Step{Kind: flush.Delete, Hard: r.hard, Checked: r.checked}, r.ops, nil)
		}
	}
}

// nullifies plans to let rows that are to go refer to none, where no order of
// deleting would do.
func (p *planner) nullifies(k *flush.ForeignKey, gone []*op) {
	rows := ofTable(gone, k.From)
	first := len(p.ops)
	p.writes(flush.Step{Kind: flush.Nullify, Columns: k.Nullable}, sortedByKey(rows), nil)
	for i := range p.ops[first:] {
		p.ops[first+i] = nil // they are written by the deletes
	}
}

// ofTable returns the writes of one table.
func ofTable(ops []*op, t *table.Table) []*op {
	return slices.DeleteFunc(slices.Clone(ops), func(o *op) bool { return o.table != t })
}
