package unit

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/table"
)

// step is one statement, with the rows that it writes.
type step struct {
	write *flush.Write
	ops   []*op // at the places of the write's rows; nil if it only prepares others
	kind  kind

	// part makes the statement for some of the rows only, to find the one that
	// is wrong.
	part func(from, to int) (*flush.Write, error)
}

// draft is the statements of a unit in the making.
type draft struct {
	u      *work
	ctx    context.Context
	db     smrt.DB
	tables []*table.Table
	keys   []flush.ForeignKey
	cached bool // keys were known already
	steps  []step
	names  int
	buffer []byte

	immediate []string      // constraints that are to be checked again at the end
	closed    []*CycleError // rings of tables in which rows cannot be deleted
}

// prepare makes the statements of the unit. It works on copies of the entities
// as they are now. Foreign keys that are known may have changed since, so that a
// ring is only believed if they are looked up.
func (u *work) prepare(ctx context.Context, db smrt.DB, place string) (*draft, error) {
	d := &draft{u: u, ctx: ctx, db: db}
	err := d.make(place)
	var ring *CycleError
	if d.cached && errors.As(err, &ring) {
		flush.ForgetForeignKeys(place, d.tables)
		d = &draft{u: u, ctx: ctx, db: db}
		err = d.make(place)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// make is prepare with the foreign keys that are known.
func (d *draft) make(place string) error {
	u := d.u
	if err := u.check(); err != nil {
		return err
	}
	phases := make([][4][]*op, u.phase+1)
	for _, o := range u.ops {
		by := &phases[o.phase]
		by[o.kind] = append(by[o.kind], o)
	}
	for i := range phases {
		if err := clashes(&phases[i]); err != nil {
			return err
		}
	}
	if d.tables = u.ordered(); len(d.tables) > 0 {
		var err error
		if d.keys, d.cached, err = flush.ForeignKeys(d.ctx, d.db, place, d.tables); err != nil {
			return err
		}
	}
	for _, by := range phases {
		if err := d.creates(by[creates]); err != nil {
			return err
		}
		if err := d.updates(by[updates]); err != nil {
			return err
		}
		if err := d.patches(by[patches]); err != nil {
			return err
		}
		if err := d.deletes(by[deletes]); err != nil {
			return err
		}
	}
	if len(d.immediate) > 0 {
		d.constraints(d.immediate, "IMMEDIATE")
	}
	if slices.ContainsFunc(d.steps, func(s step) bool { return s.write.Finds() }) {
		d.steps = append(d.steps, step{write: flush.Guard()})
	}
	return nil
}

// deferring lets constraints be checked behind the last statement of the unit,
// and not at COMMIT: a transaction that is joined goes on as it was.
func (d *draft) deferring(keys []*flush.ForeignKey) {
	var names []string
	for _, k := range keys {
		if !slices.Contains(names, k.Constraint) {
			names = append(names, k.Constraint)
		}
		if !k.Deferred && !slices.Contains(d.immediate, k.Constraint) {
			d.immediate = append(d.immediate, k.Constraint)
		}
	}
	if len(names) > 0 {
		d.constraints(names, "DEFERRED")
	}
}

func (d *draft) constraints(names []string, when string) {
	slices.Sort(names)
	d.steps = append(d.steps, step{write: &flush.Write{SQL: "SET CONSTRAINTS " + strings.Join(names, ", ") + " " + when}})
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
			case r.to.phase < o.phase || o.kind == updates:
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
func (u *work) ordered() []*table.Table {
	var tables []*table.Table
	var last *table.Table
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
	slices.SortFunc(tables, func(a, b *table.Table) int { return strings.Compare(a.Quoted, b.Quoted) })
	return tables
}

func (d *draft) name() string {
	d.names++
	return "smrt.k" + strconv.Itoa(d.names)
}

// copies of the entities of ops, in a row.
func copies(core *table.Table, ops []*op) table.Rows {
	rows := core.Copies(len(ops))
	for i, o := range ops {
		o.copyTo(rows.At(i))
	}
	return rows
}

// placed gives an error of a row of a call the place of the row in the unit.
func (d *draft) placed(err error, ops []*op) error {
	var value *smrt.ValueError
	switch {
	case errors.As(err, &value) && value.Row >= 0 && value.Row < len(ops):
		own := *value
		o := ops[value.Row]
		own.Row = -1
		return o.failed(&own)
	case len(ops) == 1:
		return ops[0].failed(err)
	}
	return err
}
