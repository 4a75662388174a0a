package load

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// A joined load is a column in the statement of its parents. Its rows lie in an
// array of records, one array for each parent, so they need no keys: parent i
// has the rows of array i. A work reads them into one list, as it reads the rows
// of a statement of its own, and gives them to the parents in the same way.
//
// The steps, for one read of parents:
//
//  1. Loads.Joined picks the loads, before the statement is made.
//  2. The reader of the parents has their columns selected (Columns), reads the
//     numbers itself (Targets), and hands over each array (Check, Row).
//  3. Run gives the rows to the parents, once those have their final addresses
//     (finish), and loads what could not be read in this way (without): all
//     arrays if they came as text, one whose records have a column of a type
//     that is not known yet.

// pickJoined picks the loads that travel in the statement of their parents, and
// makes a column of each: first the numbers, then the arrays of records.
func pickJoined(loads []*Load) (picked []*Load, columns []*plan.JoinedColumn) {
	for _, numbers := range []bool{true, false} {
		for _, l := range loads {
			if l.inside && (l.into >= IntoCount) == numbers {
				picked, columns = append(picked, l), append(columns, l.column())
			}
		}
	}
	return picked, columns
}

// column returns l as a column of its parents.
func (l *Load) column() *plan.JoinedColumn {
	switch l.into {
	case IntoCount:
		n := l.Counted()
		return &plan.JoinedColumn{Number: &n}
	case IntoExists:
		n := l.Related()
		return &plan.JoinedColumn{Number: &n}
	}
	c := &plan.JoinedColumn{
		Link:    &plan.Link{Table: l.Child, Outer: columnsOf(l.Outer), Inner: columnsOf(l.Inner), Deleted: l.spec.Deleted},
		Payload: l.shape.payload, Columns: l.shape.columns, Spec: l.spec, Joined: l.joinedColumns,
	}
	if l.Via != nil {
		c.On = &plan.Link{Table: l.Child, Outer: columnsOf(l.Via.Right), Inner: columnsOf(l.Inner), Deleted: l.spec.Deleted}
		c.Link = &plan.Link{Table: l.Via.Table, Outer: columnsOf(l.Outer), Inner: columnsOf(l.Via.Left)}
	}
	if !l.single || l.limited() {
		c.Order = order(l.Child, l.spec)
	}
	return c
}

// Joined are the joined loads of some rows, while those are read.
type Joined struct {
	db      smrt.DB
	columns []*plan.JoinedColumn
	numbers []meta.Target // in the rows
	works   []*work       // of the arrays
	refused bool          // the arrays came in text form
	n       int32         // rows read
}

func newJoined(db smrt.DB, loads []*Load, columns []*plan.JoinedColumn) *Joined {
	r := &Joined{db: db, columns: columns}
	for _, l := range loads {
		switch l.into {
		case IntoCount:
			r.numbers = append(r.numbers, meta.Target{Column: countColumn, Base: l.offset})
		case IntoExists:
			r.numbers = append(r.numbers, meta.Target{Column: existsColumn, Base: l.offset})
		default:
			r.works = append(r.works, newWork(db, &job{load: l}))
		}
	}
	return r
}

var existsColumn = meta.ColumnFor[bool]("exists")

// Columns implements crud.JoinedColumns, as the methods below do.
func (r *Joined) Columns() []*plan.JoinedColumn { return r.columns }

// Targets says where the numbers go.
func (r *Joined) Targets() []meta.Target { return r.numbers }

// Check looks at the columns of the arrays before the first row is read.
func (r *Joined) Check(fields []pgconn.FieldDescription) {
	for _, f := range fields {
		r.refused = r.refused || f.Format != pgtype.BinaryFormatCode
	}
}

// Row reads the arrays of one row.
func (r *Joined) Row(types *pgtype.Map, values [][]byte) error {
	r.n++
	if r.refused {
		return nil
	}
	for i, w := range r.works {
		if err := w.embed(types, r.n-1, values[i]); err != nil {
			return err
		}
	}
	return nil
}

// embed reads the rows of one parent from an array.
func (w *work) embed(types *pgtype.Map, parent int32, src []byte) error {
	if w.refused {
		return nil
	}
	if _, err := w.records.Open(src); err != nil {
		return err
	}
	targets := len(w.load.shape.targets) + len(w.joined.numbers)
	for {
		values, err := w.records.Next()
		if values == nil || err != nil {
			return err
		}
		if w.found.Len() == 0 {
			if w.refused = !w.resolve(types, w.records.Fields[:targets]); w.refused {
				return nil
			}
			w.decoder.InitFields(w.load.Child.Name, w.targets(), types, w.records.Fields[:targets])
		}
		if err := w.decoder.Values(values[:targets], w.found.Next()); err != nil {
			return err
		}
		w.of = append(w.of, parent)
		if err := w.joined.Row(types, values[targets:]); err != nil {
			return err
		}
	}
}

// resolve reports whether pgx knows the types of all columns of a record. By
// itself a column of a domain comes under the type below it, and one of another
// type that pgx does not know in text form; in a record everything comes in
// binary form, under its own type. What it means cannot be told from its bytes:
// those of a double precision are an integer too, and those of a uuid may be a
// text. So such a type is resolved if the catalog, as far as it is known, says
// what it stands for.
func (w *work) resolve(types *pgtype.Map, fields []pgconn.FieldDescription) bool {
	for i := range fields {
		oid := fields[i].DataTypeOID
		if _, ok := types.TypeForOID(oid); ok {
			continue
		}
		of := w.load.shape.targets[i].Column
		c := w.load.table(i).KnownCatalog(w.joined.db)
		if c == nil {
			return false
		}
		plain, ok := c.Columns[of.Name].Plain(oid)
		if _, known := types.TypeForOID(plain); !ok || !known {
			return false
		}
		fields[i].DataTypeOID = plain
	}
	return true
}

// table returns the table that column i of a row is read of.
func (l *Load) table(i int) *table.Table {
	if i < len(l.shape.payload) {
		return table.Of(l.Via.Table)
	}
	return l.core
}

// without reports whether l, which is joined, has to be loaded by a statement of
// its own after all. That cannot begin before the rows lie where they will stay.
func (r *Joined) without(l *Load) bool {
	return slices.ContainsFunc(r.works, func(w *work) bool { return w.load == l && (r.refused || w.refused) })
}

// lookUp asks the catalog for the types of l's rows, unless it was asked lately,
// or what it says is not kept for db.
func (l *Load) lookUp(ctx context.Context, db smrt.DB) error {
	if handle.Database(db) == "" {
		return nil
	}
	tables := []*table.Table{l.core}
	if len(l.shape.payload) > 0 {
		tables = append(tables, table.Of(l.Via.Table))
	}
	for _, t := range tables {
		if _, err := t.Catalog(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

// finish gives the joined rows to parents, and returns what is to be loaded into
// those rows.
func (r *Joined) finish(ctx context.Context, db smrt.DB, parents rows) ([]job, error) {
	var next []job
	for _, w := range r.works {
		if r.refused {
			continue
		}
		if w.refused { // the next read may know the types
			if err := w.load.lookUp(ctx, db); err != nil {
				return nil, w.load.core.Fail(ctx, db, "preload", err)
			}
			continue
		}
		limit.Of(ctx).Loaded(int64(w.found.Len()), int64(len(w.load.shape.targets)))
		w.parents, w.fields, w.offset = parents, parents, w.load.offset
		w.groups = groups{index: &index{n: r.n}, of: make([]int32, r.n)}
		for i := range w.groups.of {
			w.groups.of[i] = int32(i)
		}
		more, err := w.finish(ctx, db)
		if err != nil {
			return nil, err
		}
		next = append(next, more...)
	}
	return next, nil
}
