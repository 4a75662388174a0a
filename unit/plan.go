package unit

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
)

// step is one statement, with the rows that it writes.
type step struct {
	write *crud.Write
	ops   []*op // at the places of the write's rows; nil if it only prepares others
	kind  kind

	// part makes the statement for some of the rows only, to find the one that
	// is wrong.
	part func(from, to int) (*crud.Write, error)
}

// draft is the statements of a unit in the making.
type draft struct {
	u      *work
	ctx    context.Context
	db     smrt.DB
	tables []*crud.Core
	keys   []crud.ForeignKey
	cached bool // keys were known already
	steps  []step
	names  int
	buffer []byte
}

// prepare makes the statements of the unit. It works on copies of the entities
// as they are now.
func (u *work) prepare(ctx context.Context, db smrt.DB, place string) (*draft, error) {
	d := &draft{u: u, ctx: ctx, db: db}
	if err := u.check(); err != nil {
		return nil, err
	}
	if d.tables = u.ordered(); len(d.tables) > 0 {
		var err error
		if d.keys, d.cached, err = crud.ForeignKeys(ctx, db, place, d.tables); err != nil {
			return nil, err
		}
	}
	for phase := 0; phase <= u.phase; phase++ {
		var by [4][]*op
		for _, o := range u.ops {
			if o.phase == phase {
				by[o.kind] = append(by[o.kind], o)
			}
		}
		if err := d.creates(by[creates]); err != nil {
			return nil, err
		}
		if err := d.updates(by[updates]); err != nil {
			return nil, err
		}
		if err := d.patches(by[patches]); err != nil {
			return nil, err
		}
		if err := d.deletes(by[deletes]); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(d.steps, func(s step) bool { return s.write.Finds() }) {
		d.steps = append(d.steps, step{write: crud.Guard()})
	}
	return d, nil
}

// check refuses what no order could mend, and forgets the plan before.
func (u *work) check() error {
	if u.err != nil {
		return u.err
	}
	for i, o := range u.ops {
		o.index, o.rank, o.late, o.drawn, o.group, o.kept = i, 0, nil, false, nil, false
	}
	for _, o := range u.ops {
		if o.kind == updates || o.kind == deletes && o.entity != nil {
			if err := o.core.CheckKey(o.entity); err != nil {
				return o.failed(err)
			}
		}
		for _, r := range o.refs {
			switch {
			case r.to.done:
			case r.to.unit != u || r.to.index >= len(u.ops) || u.ops[r.to.index] != r.to:
				return o.failed(&smrt.QueryError{Reason: "column " + r.column.Name + " is given the key of a row that was not created in this unit, or was discarded"})
			case r.to.phase > o.phase:
				return o.failed(&smrt.QueryError{Reason: "column " + r.column.Name + " is given the key of a row that is created after Then"})
			case r.to.phase < o.phase:
				r.to.kept = true
			}
		}
	}
	return nil
}

func (o *op) failed(err error) error {
	return &RowError{Op: kindNames[o.kind], Table: o.core.Name, Index: o.index, Entity: o.value(), Key: o.keyValue(), Err: err}
}

// ordered are the tables whose order matters: those where rows appear or go.
func (u *work) ordered() []*crud.Core {
	var tables []*crud.Core
	var last *crud.Core
	rows := 0
	for _, o := range u.ops {
		if o.kind != creates && o.kind != deletes {
			continue
		}
		rows++
		if o.core != last && !slices.Contains(tables, o.core) {
			tables = append(tables, o.core)
		}
		last = o.core
	}
	if rows < 2 {
		return nil
	}
	slices.SortFunc(tables, func(a, b *crud.Core) int { return strings.Compare(a.Quoted, b.Quoted) })
	return tables
}

func (d *draft) name() string {
	d.names++
	return "smrt.k" + strconv.Itoa(d.names)
}

// copies of the entities of ops, in a row.
func copies(core *crud.Core, ops []*op) crud.Rows {
	rows := core.Copies(len(ops))
	for i, o := range ops {
		o.copyTo(rows.At(i))
	}
	return rows
}

// placed gives an error of a row of a call the place of the row in the unit.
func (d *draft) placed(err error, ops []*op) error {
	var value *smrt.ValueError
	var twice *smrt.DuplicateError
	switch {
	case errors.As(err, &value) && value.Row >= 0 && value.Row < len(ops):
		own := *value
		o := ops[value.Row]
		own.Row = -1
		return o.failed(&own)
	case errors.As(err, &twice):
		o := ops[twice.Rows[1]]
		own := *twice
		own.Rows = [2]int{ops[twice.Rows[0]].index, o.index}
		return o.failed(&own)
	case len(ops) == 1:
		return ops[0].failed(err)
	}
	return err
}
