package flush

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
)

// The statements of a unit of work. They differ from those of a repository in
// two ways, because all of them are sent before any is answered.
//
// A row can be given the key of another that the server has yet to make: the
// statement that makes it leaves the keys in a setting of the transaction, as
// an array, from which later statements take them by position. It is as fast
// as one statement of data-modifying WITH parts (BenchmarkForms in package
// unit), and each row is there when the next statement runs.
//
// A statement that finds fewer rows than it should notes that in a setting too,
// and the last statement before COMMIT, see Guard, then ends the transaction.

// Write is one statement of a unit of work.
type Write struct {
	Core *table.Table
	Op   table.Op
	SQL  string
	Args []any
	Rows table.Rows // copies of the entities; they are read back into

	returned []meta.Target
	finds    bool // it must find all of its rows, and says which it found
}

// Ref is a column whose value is the key of another row: for each row of a
// write its position, from 1, in the keys that Setting holds.
type Ref struct {
	Column  *meta.Column
	Of      *table.Table // whose key it is
	Setting string
	At      []int32
}

// ReadBack copies what w read into one of its rows to the entity at dst, and
// nothing else.
func (w *Write) ReadBack(i int, dst unsafe.Pointer) {
	src := w.Rows.At(i)
	for _, t := range w.returned {
		copyColumn(t.Column, dst, src)
	}
}

func copyColumn(col *meta.Column, dst, src unsafe.Pointer) {
	if col.Encode == meta.KindInt64 && !col.Ptr {
		*(*int64)(unsafe.Add(dst, col.Offset)) = *(*int64)(unsafe.Add(src, col.Offset))
		return
	}
	reflect.NewAt(col.Type, unsafe.Add(dst, col.Offset)).Elem().Set(reflect.NewAt(col.Type, unsafe.Add(src, col.Offset)).Elem())
}

// inputs collects the arguments of a write, and by what expression each column
// gets its value.
type inputs struct {
	core  *table.Table
	rows  table.Rows
	exprs map[*meta.Column]string
	args  []any
	count string // how many rows there are

	argsOnly bool // the text is known
}

func (in *inputs) param(arg any) string {
	in.args = append(in.args, arg)
	return "$" + strconv.Itoa(len(in.args))
}

// kept is the array of keys that a setting holds. The subquery makes the server
// read it once for a statement and not once for each row.
func (in *inputs) kept(ctx context.Context, db smrt.DB, r *Ref) (string, error) {
	types, err := r.Of.ColumnTypes(ctx, db)
	if err != nil {
		return "", err
	}
	if in.argsOnly {
		in.args = append(in.args, r.Setting)
		return "", nil
	}
	return "((SELECT current_setting(" + in.param(r.Setting) + ")::" + types[r.Of.Key[0].Column.Name].Name + "[]))", nil
}

// single takes the values of one row.
func (in *inputs) single(ctx context.Context, db smrt.DB, types map[string]table.ColumnType, columns []*meta.Column, refs []Ref) error {
	if !in.argsOnly {
		in.exprs = make(map[*meta.Column]string, len(columns)+len(refs))
	}
	for _, col := range columns {
		v, err := col.Arg(in.rows.At(0))
		if err != nil {
			return meta.AtRow(in.core.Named(err), 0)
		}
		if v = table.AsLiteral(types[col.Name], col, v); in.argsOnly {
			in.args = append(in.args, v)
			continue
		}
		in.exprs[col] = in.param(v)
	}
	for i := range refs {
		kept, err := in.kept(ctx, db, &refs[i])
		if err != nil {
			return err
		}
		at := in.param(refs[i].At[0])
		if !in.argsOnly {
			in.exprs[refs[i].Column] = kept + "[" + at + "::integer]"
		}
	}
	return nil
}

// bulk takes the values of many rows as arrays, which the FROM item turns into
// rows u(c0, c1, ...).
func (in *inputs) bulk(ctx context.Context, db smrt.DB, types map[string]table.ColumnType, columns []*meta.Column, refs []Ref, ordinality bool) (from string, err error) {
	ks, ok := in.core.ArrayTypes(types, columns)
	if !ok {
		return "", errNotCarried
	}
	if in.args, err = table.Arrays(columns, ks, in.rows, nil); err != nil {
		return "", in.core.Named(err)
	}
	for i := range refs {
		ks = append(ks, table.ArrayType{Param: "integer[]"})
		in.args = append(in.args, refs[i].At)
	}
	if in.argsOnly {
		for i := range refs {
			in.args = append(in.args, refs[i].Setting)
		}
		return "", nil
	}
	from, exprs := table.Unnest(ks, ordinality)
	in.exprs = make(map[*meta.Column]string, len(exprs))
	for i, col := range columns {
		in.exprs[col] = exprs[i]
	}
	for i := range refs {
		kept, err := in.kept(ctx, db, &refs[i])
		if err != nil {
			return "", err
		}
		in.exprs[refs[i].Column] = kept + "[" + exprs[len(columns)+i] + "]"
	}
	in.count = "cardinality($1::" + ks[0].Param + ")"
	return from, nil
}

// errNotCarried is for columns whose type no array can carry.
var errNotCarried = errors.New("a column has a type that arrays cannot carry")

// Finds tells whether w must find all of its rows.
func (w *Write) Finds() bool { return w.finds }

// MissedError reports rows that a write has not found.
type MissedError struct{ Rows []Missed }

// Missed is a row that a write has not found.
type Missed struct {
	Row   int
	Stale bool // it exists, with another version
}

// Error is for whoever prints it before it is given its place.
func (e *MissedError) Error() string { return "row not found" }

// Receive reads the result of w into its copies.
func (w *Write) Receive(rs pgx.Rows) error {
	defer rs.Close()
	if !w.finds {
		r := table.Result{Table: w.Core, Rows: rs, Targets: w.returned}
		n, err := r.Read(func(i int) unsafe.Pointer { return w.Rows.At(min(i, w.Rows.N-1)) })
		if err == nil && n != w.Rows.N && w.Rows.N > 0 && len(w.returned) > 0 {
			err = &smrt.QueryError{Reason: "the database created fewer rows of " + w.Core.Name + " than it was given: a trigger may have left some out"}
		}
		return err
	}
	found := make([]int8, w.Rows.N)
	var lead, d meta.Decoder
	var ord int64
	for first := true; rs.Next(); first = false {
		if first {
			lead.Init(w.Core.Name, []meta.Target{{Column: table.OrdinalColumn}}, rs, false)
			d.InitFrom(w.Core.Name, w.returned, rs, 1)
		}
		if err := lead.Row(rs, unsafe.Pointer(&ord)); err != nil {
			return err
		}
		switch {
		case ord == 0:
			continue
		case ord < 0:
			found[-ord-1] = -1
			continue
		}
		found[ord-1] = 1
		if err := d.Row(rs, w.Rows.At(int(ord-1))); err != nil {
			return err
		}
	}
	if err := rs.Err(); err != nil {
		return err
	}
	gone := &MissedError{}
	for i, f := range found {
		if f < 1 {
			gone.Rows = append(gone.Rows, Missed{Row: i, Stale: f < 0})
		}
	}
	if len(gone.Rows) == 0 {
		return nil
	}
	return gone
}

// HasResult tells whether w returns rows.
func (w *Write) HasResult() bool { return w.finds || len(w.returned) > 0 }

// Version is that of one of the rows.
func (w *Write) Version(i int) int64 { return w.Core.Version.Int(w.Rows.At(i)) }

// Explain gives the error of w its type and its place. db is asked for what the
// server did not say.
func (w *Write) Explain(ctx context.Context, db smrt.DB, err error) error {
	w.Core.ForgetTypes(err)
	if types := w.Core.KnownTypes(); types != nil && w.Rows.N > 0 {
		err = w.Core.ExplainRows(err, *types, w.Rows)
	}
	return w.Core.Fail(ctx, db, w.Op, err)
}
