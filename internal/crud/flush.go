package crud

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
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
	Core *Core
	Op   Op
	SQL  string
	Args []any
	Rows Rows // copies of the entities; they are read back into

	returned []meta.Target
	finds    bool // it must find all of its rows, and says which it found
}

// Ref is a column whose value is the key of another row: for each row of a
// write its position, from 1, in the keys that Setting holds.
type Ref struct {
	Column  *meta.Column
	Of      *Core // whose key it is
	Setting string
	At      []int32
}

// Copies returns room for n entities.
func (c *Core) Copies(n int) Rows {
	return Rows{Base: c.Self.room(n), Size: c.Self.size, N: n}
}

// At is the address of one of the rows.
func (r Rows) At(i int) unsafe.Pointer { return r.at(i) }

// CopyEntity copies the struct at src to dst.
func (c *Core) CopyEntity(dst, src unsafe.Pointer) { c.copyEntity(dst, src) }

// ReadBack copies what w read into one of its rows to the entity at dst, and
// nothing else.
func (w *Write) ReadBack(i int, dst unsafe.Pointer) {
	src := w.Rows.at(i)
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

// SetKey copies the key at key into the entity at p.
func (c *Core) SetKey(p, key unsafe.Pointer) {
	for _, k := range c.Key {
		reflect.NewAt(k.Column.Type, unsafe.Add(p, k.Column.Offset)).Elem().Set(reflect.NewAt(k.Column.Type, unsafe.Add(key, k.Offset)).Elem())
	}
}

// KeyIsZero tells whether the key of the entity at p is left to the server.
func (c *Core) KeyIsZero(p unsafe.Pointer) bool { return len(c.Key) == 1 && c.Key[0].Column.Zero(p) }

// CheckWrite refuses writes to what is read-only.
func (c *Core) CheckWrite(needKey bool) error {
	switch {
	case c.ReadOnly:
		return smrt.ErrReadOnly
	case needKey && len(c.Key) == 0:
		return smrt.ErrNoKey
	}
	return nil
}

// CheckKey refuses an entity that was never created.
func (c *Core) CheckKey(p unsafe.Pointer) error { return c.needKeyValue(p, -1) }

// checkRows refuses values that cannot be sent.
func (c *Core) checkRows(ctx context.Context, db smrt.DB, rows Rows) (map[string]columnType, error) {
	types, err := c.columnTypes(ctx, db)
	if err != nil {
		return nil, err
	}
	if err := c.checkAllFinite(ctx, db, rows); err != nil {
		return nil, err
	}
	return types, c.checkAllFit(types, rows)
}

// inputs collects the arguments of a write, and by what expression each column
// gets its value.
type inputs struct {
	core  *Core
	rows  Rows
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
	types, err := r.Of.columnTypes(ctx, db)
	if err != nil {
		return "", err
	}
	if in.argsOnly {
		in.args = append(in.args, r.Setting)
		return "", nil
	}
	return "((SELECT current_setting(" + in.param(r.Setting) + ")::" + types[r.Of.Key[0].Column.Name].name + "[]))", nil
}

// single takes the values of one row.
func (in *inputs) single(ctx context.Context, db smrt.DB, types map[string]columnType, columns []*meta.Column, refs []Ref) error {
	if !in.argsOnly {
		in.exprs = make(map[*meta.Column]string, len(columns)+len(refs))
	}
	for _, col := range columns {
		v, err := col.Arg(in.rows.at(0))
		if err != nil {
			return meta.AtRow(in.core.named(err), 0)
		}
		if v = spell(types[col.Name], col, v); in.argsOnly {
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
func (in *inputs) bulk(ctx context.Context, db smrt.DB, types map[string]columnType, columns []*meta.Column, refs []Ref, ordinality bool) (from string, err error) {
	ks, ok := in.core.carried(types, columns)
	if !ok {
		return "", errNotCarried
	}
	if in.args, err = arrays(columns, ks, in.rows, nil); err != nil {
		return "", in.core.named(err)
	}
	for i := range refs {
		ks = append(ks, carrier{param: "integer[]"})
		in.args = append(in.args, refs[i].At)
	}
	if in.argsOnly {
		for i := range refs {
			in.args = append(in.args, refs[i].Setting)
		}
		return "", nil
	}
	from, exprs := unnest(ks, ordinality)
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
	in.count = "cardinality($1::" + ks[0].param + ")"
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
		r := result{core: w.Core, rows: rs, targets: w.returned}
		n, err := r.read(func(i int) unsafe.Pointer { return w.Rows.at(min(i, w.Rows.N-1)) })
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
			lead.Init(w.Core.Name, []meta.Target{{Column: ordinalColumn}}, rs, false)
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
		if err := d.Row(rs, w.Rows.at(int(ord-1))); err != nil {
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
func (w *Write) Version(i int) int64 { return w.Core.Version.Int(w.Rows.at(i)) }

// Explain gives the error of w its type and its place. db is asked for what the
// server did not say.
func (w *Write) Explain(ctx context.Context, db smrt.DB, err error) error {
	w.Core.forgetTypes(err)
	if types := w.Core.types.Load(); types != nil && w.Rows.N > 0 {
		err = w.Core.explainRows(err, *types, w.Rows)
	}
	return w.Core.Fail(ctx, db, w.Op, err)
}

// MaxChunk is how many rows a statement carries at most.
const MaxChunk = chunkRows

// IntKey tells whether the key is one integer.
func (c *Core) IntKey() bool {
	return len(c.Key) == 1 && isInteger(c.Key[0].Column) && !c.Key[0].Column.Ptr
}

// KeyNumber is the integer at key.
func (c *Core) KeyNumber(key unsafe.Pointer) int64 { return c.keyParts[0].Int(key) }

// AppendKeyOf encodes the key of the entity at p, so that equal keys, and only
// those, are equal.
func (c *Core) AppendKeyOf(b []byte, p unsafe.Pointer) []byte {
	for _, k := range c.Key {
		b = AppendKey(b, k.Column, p)
	}
	return b
}
