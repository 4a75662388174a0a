package unit

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/crud"
)

// byTable splits writes by table, in the order of the tables' names: units that
// write the same tables lock rows in the same order.
func byTable(ops []*op) [][]*op {
	var tables []*crud.Core
	rows := map[*crud.Core][]*op{}
	for _, o := range ops {
		if rows[o.core] == nil {
			tables = append(tables, o.core)
		}
		rows[o.core] = append(rows[o.core], o)
	}
	slices.SortFunc(tables, func(a, b *crud.Core) int { return strings.Compare(a.Quoted, b.Quoted) })
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
func (d *draft) chunks(k kind, ops []*op, make func(crud.Rows, []*op) (*crud.Write, error)) error {
	for part := range slices.Chunk(ops, crud.MaxChunk) {
		rows := copies(part[0].core, part)
		if err := part[0].core.Distinct(rows, part[0].core.KeyColumns()); err != nil {
			return d.placed(err, part)
		}
		w, err := make(rows, part)
		if crud.NotCarried(err) && len(part) > 1 {
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
		d.steps = append(d.steps, step{write: w, ops: part, kind: k, part: func(from, to int) (*crud.Write, error) {
			return make(copies(part[0].core, part[from:to]), part[from:to])
		}})
	}
	return nil
}

func (d *draft) updates(ops []*op) error {
	for _, rows := range byTable(ops) {
		err := d.chunks(updates, rows, func(r crud.Rows, _ []*op) (*crud.Write, error) {
			return rows[0].core.UpdateWrite(d.ctx, d.db, r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// patches merges patches that assign the same columns. Those of one row stay in
// their order.
func (d *draft) patches(ops []*op) error {
	for _, rows := range byTable(ops) {
		core := rows[0].core
		keyed := copies(core, rows)
		waves := map[string]int{}
		open := map[string][]*op{}
		var order []string
		for i, o := range rows {
			key := string(core.EntityKey(keyed.At(i)))
			wave := waves[key]
			waves[key]++
			b := binary.AppendUvarint(nil, uint64(wave))
			if !crud.Assigned(keyed.At(i), o.sets) {
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
		return d.chunks(patches, ops, func(rows crud.Rows, part []*op) (*crud.Write, error) {
			return core.SinglePatch(d.ctx, d.db, rows, part[0].sets)
		})
	}
	return d.chunks(patches, ops, func(rows crud.Rows, part []*op) (*crud.Write, error) {
		for i, o := range part {
			crud.Assigned(rows.At(i), o.sets)
		}
		w, err := core.PatchWrite(d.ctx, d.db, rows, part[0].sets)
		if crud.NotCarried(err) && rows.N == 1 {
			return core.SinglePatch(d.ctx, d.db, rows, part[0].sets)
		}
		return w, err
	})
}

func assignable(o *op) bool {
	c := o.core.Copies(1)
	return crud.Assigned(c.At(0), o.sets)
}

// deletes makes the deletes of a phase, rows that refer to others first.
func (d *draft) deletes(ops []*op) error {
	if len(ops) == 0 {
		return nil
	}
	order, loose, deferred := unlink(ops, d.keys)
	d.deferring(deferred)
	tables := byTable(ops)
	slices.SortStableFunc(tables, func(a, b []*op) int {
		return slices.Index(order, a[0].core) - slices.Index(order, b[0].core)
	})
	for _, k := range loose {
		for _, rows := range tables {
			if rows[0].core != k.From {
				continue
			}
			w, err := k.From.LooseWrite(d.ctx, d.db, copies(k.From, rows), k.Columns)
			if err != nil {
				return err
			}
			d.steps = append(d.steps, step{write: w})
		}
	}
	for _, rows := range tables {
		var by [4][]*op // hard, checked
		for _, o := range rows {
			i := 0
			if o.hard {
				i = 1
			}
			if o.entity != nil {
				i += 2
			}
			by[i] = append(by[i], o)
		}
		for i, part := range by {
			if len(part) == 0 {
				continue
			}
			err := d.chunks(deletes, part, func(r crud.Rows, _ []*op) (*crud.Write, error) {
				return part[0].core.DeleteWrite(d.ctx, d.db, r, i&1 != 0, i&2 != 0)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
