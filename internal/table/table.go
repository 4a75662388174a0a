package table

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/traced"
)

// Table is a declared table with its fixed statements. It is safe for
// concurrent use.
type Table struct {
	*plan.Table
	Self     *Projection    // the whole entity
	ID       uint64         // which no other Table of the process has or had
	KeyParts []*meta.Column // the key's columns, at their places in a key
	Writable []*meta.Column // what an insert may write
	Mutable  []*meta.Column // what an update of a whole row writes
	Returned []*meta.Column // what an update reads back
	Checks   *Rules         // of values that are written; nil: there are none

	byKeys      *traced.Text // a preload of rows by their key sends what GetMany sends
	copied      *traced.Text
	shapes      shapes
	catalogs    catalogs
	constraints constraints
}

// Projection is what is read of a row and where it goes.
type Projection struct {
	List    string         // select list
	Get     string         // SELECT by key, and of the tenant that is the argument behind it where there is one
	GetAny  string         // the same without a tenant; empty: there are none
	Exprs   []*meta.Column // expressions that are selected after the list
	Targets []meta.Target
	Structs // that rows are read into

	name *traced.Text // of Get
}

// GetOf returns the statement by key for a call about rows of o.
func (p *Projection) GetOf(o plan.Owner) string {
	if o.All {
		return p.GetAny
	}
	return p.Get
}

// Of returns the Table of a declaration, the same one each time, so that making
// a repository is cheap enough for every request. The declaration holds it: both
// go together when a program drops a table that it declared at run time.
func Of(declared *plan.Table) *Table {
	if t, ok := declared.Engines.Load().(*Table); ok {
		return t
	}
	declared.Engines.CompareAndSwap(nil, newTable(declared))
	return declared.Engines.Load().(*Table)
}

// tables is how many were made.
var tables atomic.Uint64

func newTable(declared *plan.Table) *Table {
	t := &Table{Table: declared, ID: tables.Add(1)}
	computed := map[*meta.Column]bool{}
	for _, col := range t.Computed {
		computed[col] = true
	}
	for _, col := range t.Struct.Columns {
		if computed[col] {
			continue
		}
		t.Writable = append(t.Writable, col)
		if !t.IsKey(col) && col != t.CreatedAt && col != t.SoftDelete && col != t.Tenant {
			t.Mutable = append(t.Mutable, col)
		}
	}
	for _, k := range t.Key {
		part := *k.Column
		part.Offset = k.Offset
		t.KeyParts = append(t.KeyParts, &part)
	}
	t.Returned = t.readBack(t.CreatedAt, t.UpdatedAt, t.Version)
	if len(t.Rules) > 0 {
		t.Checks = newRules(t)
	}
	t.Self = t.Project(t.Struct.Type, meta.List(t.Struct.Columns), nil, t.Targets())
	kept.Add("statements", t, (*Table).reportShapes, (*Table).shrinkShapes)
	kept.Add("catalogs", t, (*Table).reportCatalogs, (*Table).shrinkCatalogs)
	kept.Add("constraints", t, (*Table).reportConstraints, (*Table).shrinkConstraints)
	t.copied = traced.KeepCopy(t.Name)
	if len(t.KeyParts) == 1 {
		t.byKeys = traced.Keep("SELECT "+t.Self.List+" FROM "+t.Quoted+" WHERE "+t.KeyIn()+t.AndSeen(t.OfOwner(Inputs{}, boundOwner, 1)), traced.Name{Table: t.Name, Operation: "get"})
	}
	return t
}

// readBack lists the columns that come back from every write, and more ones
// that are not nil.
func (t *Table) readBack(more ...*meta.Column) []*meta.Column {
	var out []*meta.Column
	seen := map[*meta.Column]bool{nil: true}
	for _, list := range [][]*meta.Column{more, t.Computed, t.ReadBack} {
		for _, col := range list {
			if !seen[col] {
				seen[col] = true
				out = append(out, col)
			}
		}
	}
	return out
}

// Project makes a projection of a select list to structs of type row.
func (t *Table) Project(row reflect.Type, list string, exprs []*meta.Column, targets []meta.Target) *Projection {
	p := &Projection{
		Structs: StructsOf(row),
		List:    list,
		Exprs:   exprs,
		Targets: targets,
	}
	get := func(of plan.Owner) string {
		return "SELECT " + list + " FROM " + t.Quoted + " WHERE " + t.WhereKey(t.OneKey(of), true)
	}
	if p.Get = get(anyOwner); t.Tenant != nil {
		p.Get, p.GetAny = get(boundOwner), p.Get
	}
	p.name = traced.Keep(p.Get, traced.Name{Table: t.Name, Operation: "get"})
	return p
}

// Op names an operation in errors.
type Op = pgerr.Op

// Fail gives err its type and says what failed. It returns nil for nil.
func (t *Table) Fail(ctx context.Context, db smrt.DB, op Op, err error) error {
	if err == nil {
		return nil
	}
	if ctx != nil {
		err = pgerr.Canceled(ctx.Err(), err)
	}
	return pgerr.Wrap(op, t.Name, t.withColumns(ctx, db, err))
}

// NeedKey refuses operations that need a key on tables without one.
func (t *Table) NeedKey(ctx context.Context, db smrt.DB) error {
	if err := handle.Check(ctx, db); err != nil {
		return err
	}
	if err := limit.Of(ctx).Refused(); err != nil {
		return err
	}
	if len(t.Key) == 0 {
		return smrt.ErrNoKey
	}
	return nil
}

// NeedWritable is the gate of all writes: what cannot be is refused before a
// connection is taken.
func (t *Table) NeedWritable(ctx context.Context, db smrt.DB) error {
	return t.needWritable(ctx, db, false)
}

// NeedWritableKey is NeedWritable for writes of rows by their key.
func (t *Table) NeedWritableKey(ctx context.Context, db smrt.DB) error {
	return t.needWritable(ctx, db, true)
}

func (t *Table) needWritable(ctx context.Context, db smrt.DB, needKey bool) error {
	if err := handle.Check(ctx, db); err != nil {
		return err
	}
	if err := limit.Of(ctx).Refused(); err != nil {
		return err
	}
	if err := t.CheckWrite(needKey); err != nil {
		return err
	}
	return handle.RefuseWrite(db)
}

// CheckWrite refuses writes to what is read-only, and with needKey to what has
// no key.
func (t *Table) CheckWrite(needKey bool) error {
	switch {
	case t.ReadOnly:
		return smrt.ErrReadOnly
	case needKey && len(t.Key) == 0:
		return smrt.ErrNoKey
	}
	return nil
}

// NeedKeyValue refuses an entity whose key is zero: it was never created. A
// composite key may contain zeros, but not where the server makes it. The error
// names the row with the given index, or none if that is -1.
func (t *Table) NeedKeyValue(p unsafe.Pointer, row int) error {
	missing, zero := t.Key[0].Column, true
	for _, k := range t.Key {
		if t.LeftToServer(k.Column, p) {
			missing, zero = k.Column, true
			break
		}
		zero = zero && k.Column.Zero(p)
	}
	if !zero {
		return nil
	}
	return &smrt.ValueError{
		Table: t.Name, Column: missing.Name, Row: row, Offset: -1, Err: smrt.ErrZeroKey,
		Reason: "the entity was not read or created before",
	}
}

// Named completes a ValueError with the table's name.
func (t *Table) Named(err error) error {
	var v *smrt.ValueError
	if errors.As(err, &v) && v.Table == "" {
		named := *v
		named.Table = t.Name
		return &named
	}
	return err
}

// KeyArgs returns the key at key as arguments.
func (t *Table) KeyArgs(key unsafe.Pointer) ([]any, error) {
	args := make([]any, len(t.KeyParts))
	for i, part := range t.KeyParts {
		v, err := part.Arg(key)
		if err != nil {
			return nil, t.Named(err)
		}
		args[i] = v
	}
	return args, nil
}

// KeySpec returns the query for the row with a key.
func (t *Table) KeySpec(args []any) *plan.Spec {
	s := &plan.Spec{Where: make([]plan.Node, len(args)), Unordered: true}
	for i, k := range t.Key {
		s.Where[i] = plan.Node{Op: plan.Eq, Column: k.Column, A: args[i]}
	}
	return s
}

// KeyIsZero reports whether the key of the entity at p, or a part of it, is left
// to the server.
func (t *Table) KeyIsZero(p unsafe.Pointer) bool {
	return slices.ContainsFunc(t.Key, func(k meta.KeyPart) bool { return t.LeftToServer(k.Column, p) })
}

// CurrentSpec returns the query for the row of the entity at p, if it still has
// the entity's version.
func (t *Table) CurrentSpec(p unsafe.Pointer) (*plan.Spec, error) {
	columns := t.KeyColumns()
	if t.Version != nil {
		columns = append(columns, t.Version)
	}
	s := &plan.Spec{Unordered: true}
	for _, col := range columns {
		v, err := col.Arg(p)
		if err != nil {
			return nil, t.Named(err)
		}
		s.Where = append(s.Where, plan.Node{Op: plan.Eq, Column: col, A: v})
	}
	return s, nil
}

// LeftToServer reports whether a column is the part of the key of the entity at p
// that is left to the server.
func (t *Table) LeftToServer(col *meta.Column, p unsafe.Pointer) bool {
	return t.IsKey(col) && (len(t.Key) == 1 || t.MadeByServer(col)) && col.Zero(p)
}

// MadeKey returns the only part of the key that the server makes, nil if there
// is none or several.
func (t *Table) MadeKey() (made *meta.Column) {
	for _, k := range t.Key {
		switch {
		case !k.ByServer:
		case made != nil:
			return nil
		default:
			made = k.Column
		}
	}
	return made
}

// IntKey reports whether the key is one integer.
func (t *Table) IntKey() bool {
	return len(t.Key) == 1 && t.Key[0].Column.IsInteger()
}

// KeyNumber is the integer at key.
func (t *Table) KeyNumber(key unsafe.Pointer) int64 { return t.KeyParts[0].Int(key) }

// SetKey copies the key at key into the entity at p.
func (t *Table) SetKey(p, key unsafe.Pointer) {
	for _, k := range t.Key {
		reflect.NewAt(k.Column.Type, unsafe.Add(p, k.Column.Offset)).Elem().Set(reflect.NewAt(k.Column.Type, unsafe.Add(key, k.Offset)).Elem())
	}
}

// Entities describes n entities at base.
func (t *Table) Entities(base unsafe.Pointer, n int) Rows { return Rows{base, t.Self.Size, n} }

// Keys describes n keys at base.
func (t *Table) Keys(base unsafe.Pointer, n int) Rows { return Rows{base, t.KeySize, n} }

// NewEntity returns a zero entity.
func (t *Table) NewEntity() unsafe.Pointer { return reflect.New(t.Struct.Type).UnsafePointer() }

// CopyEntity copies the struct at src to dst.
func (t *Table) CopyEntity(dst, src unsafe.Pointer) {
	t.Self.CopyOne(dst, src)
}

// Copies returns room for n entities.
func (t *Table) Copies(n int) Rows {
	return Rows{Base: t.Self.Room(n), Size: t.Self.Size, N: n}
}

// UpdateColumns returns the columns whose values are arguments of an update of
// the whole row: the key, the tenant, the version, and what is written.
func (t *Table) UpdateColumns() []*meta.Column {
	cols := t.KeyColumns()
	if t.Tenant != nil && !t.IsKey(t.Tenant) {
		cols = append(cols, t.Tenant)
	}
	if t.Version != nil {
		cols = append(cols, t.Version)
	}
	for _, col := range t.Mutable {
		if col != t.Version && col != t.UpdatedAt {
			cols = append(cols, col)
		}
	}
	return cols
}

// WithOwn adds the assignments that the table makes by itself.
func (t *Table) WithOwn(sets []plan.Set) []plan.Set {
	own := slices.Clip(sets)
	add := func(col *meta.Column, s plan.Set) {
		if col != nil {
			s.Column = col
			own = append(own, s)
		}
	}
	add(t.UpdatedAt, plan.Set{Op: plan.SetNow})
	add(t.Version, plan.Set{Op: plan.SetNext})
	return own
}
