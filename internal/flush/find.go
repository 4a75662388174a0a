package flush

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// UpdateWrite writes whole rows, some columns of which get keys of other rows.
func UpdateWrite(ctx context.Context, db smrt.DB, c *table.Table, rows table.Rows, refs []Ref) (*Write, error) {
	types, err := c.CheckRows(ctx, db, rows)
	if err != nil {
		return nil, err
	}
	columns := slices.DeleteFunc(c.UpdateColumns(), func(col *meta.Column) bool {
		return slices.ContainsFunc(refs, func(r Ref) bool { return r.Column == col })
	})
	w := &Write{Core: c, Op: "update", Rows: rows, finds: true, returned: meta.TargetsOf(c.Returned, 0)}
	f := find{inputs: inputs{core: c, rows: rows}, returned: c.Returned}
	err = f.open(ctx, db, types, columns, refs)
	single := errors.Is(err, errNotCarried) && rows.N == 1
	if single {
		f.args = nil
		err = f.single(ctx, db, types, columns, refs)
	}
	if err != nil {
		return nil, err
	}
	var sets []string
	for _, col := range c.Mutable {
		sets = append(sets, col.Quoted+" = "+c.AssignedValue(col, "t.", func() string { return f.exprs[col] }))
	}
	if len(sets) == 0 {
		key := c.Key[0].Column
		sets = append(sets, key.Quoted+" = t."+key.Quoted)
	}
	head := "UPDATE " + c.Quoted + " AS t SET " + strings.Join(sets, ", ")
	if single {
		w.SQL = f.oneSQL(head)
	} else {
		w.SQL = f.sql(head+" FROM ", c.Version != nil, true)
	}
	w.Args = f.args
	return w, nil
}

// NotCarried tells whether a write failed because it has several rows and a
// column whose type no array can carry.
func NotCarried(err error) bool { return errors.Is(err, errNotCarried) }

// one is a statement on one row that must find it.
func one(sql string) string {
	return "WITH smrt_w AS (" + sql + " RETURNING 1::bigint) SELECT * FROM smrt_w" + note("", "NOT EXISTS (SELECT 1 FROM smrt_w)")
}

// A statement that has not found all of its rows notes it in a setting, and
// another, the last before COMMIT, raises an error then. One statement could not
// do both: the server sends nothing of a statement with data-modifying parts
// that fails, and nobody would know which row it was.
const missedSetting = "smrt.missed"

// note notes that a condition holds, and adds a row that is numbered 0.
func note(nulls, condition string) string {
	return " UNION ALL SELECT 0::bigint" + nulls + " WHERE CASE WHEN " + condition + " THEN set_config('" + missedSetting + "', 'yes', true) = 'yes' END"
}

// guardSQL raises an error if a row was not found. SQL has no statement for
// that; this error is that of a histogram without buckets.
const guardSQL = "SELECT width_bucket(0::float8, 0::float8, 0::float8, length(current_setting('" + missedSetting + "', true))) " +
	"WHERE current_setting('" + missedSetting + "', true) = 'yes'"

// Guard ends the transaction if a statement before it has not found all of its
// rows.
func Guard() *Write { return &Write{SQL: guardSQL} }

// find is a statement on many rows, which are found by their keys.
type find struct {
	inputs
	returned []*meta.Column
	from     string
}

func (f *find) open(ctx context.Context, db smrt.DB, types map[string]table.ColumnType, columns []*meta.Column, refs []Ref) (err error) {
	f.from, err = f.bulk(ctx, db, types, columns, refs, true)
	return err
}

// oneSQL is sql, with versions and without deleted rows, for one row with a
// column whose type no array can carry.
func (f *find) oneSQL(head string) string {
	same, where, list, nulls := f.where(true, f.core.Version != nil)
	found := "EXISTS (SELECT 1 FROM smrt_w)"
	stale := ""
	if f.core.Version != nil {
		stale = " UNION ALL SELECT -1::bigint" + nulls + " WHERE NOT " + found + " AND EXISTS (SELECT 1 FROM " + f.core.Quoted + " AS t WHERE " + same + ")"
	}
	return "WITH smrt_w AS (" + head + " WHERE " + where + " RETURNING 1::bigint" + list + ") SELECT * FROM smrt_w" + stale + note(nulls, "NOT "+found)
}

// where says how a row is found, without and with its version, and what comes
// back of it.
func (f *find) where(alive, version bool) (same, all, list, nulls string) {
	c := f.core
	var keys []string
	for _, k := range c.Key {
		keys = append(keys, "t."+k.Column.Quoted+" = "+f.exprs[k.Column])
	}
	if alive && c.SoftDelete != nil {
		keys = append(keys, "t."+c.SoftDelete.Quoted+" IS NULL")
	}
	same = strings.Join(keys, " AND ")
	if all = same; version {
		all += " AND t." + c.Version.Quoted + " = " + f.exprs[c.Version]
	}
	for _, col := range f.returned {
		list += ", t." + col.Quoted
		nulls += ", NULL"
	}
	return same, all, list, nulls
}

// sql completes a statement that begins with head. Its result has first the
// number of each row that was found; the numbers of rows that exist and have
// another version are negative.
func (f *find) sql(head string, version, alive bool) string {
	c := f.core
	same, where, list, nulls := f.where(alive, version)
	names := "smrt_ord"
	for i := range f.returned {
		names += ", r" + strconv.Itoa(i)
	}
	short := "(SELECT count(*) FROM smrt_w) <> " + f.count
	var b strings.Builder
	b.WriteString("WITH smrt_w(" + names + ") AS (" + head + f.from + " WHERE " + where + " RETURNING u.ord" + list + ") SELECT * FROM smrt_w")
	if version {
		b.WriteString(" UNION ALL SELECT -u.ord" + nulls + " FROM " + f.from + " WHERE " + short +
			" AND NOT EXISTS (SELECT 1 FROM smrt_w WHERE smrt_ord = u.ord) AND EXISTS (SELECT 1 FROM " + c.Quoted + " AS t WHERE " + same + ")")
	}
	b.WriteString(note(nulls, short))
	return b.String()
}

// PatchWrite assigns the same columns of many rows. The values lie in rows,
// beside the keys; PatchRow puts them there.
func PatchWrite(ctx context.Context, db smrt.DB, c *table.Table, rows table.Rows, sets []plan.Set) (*Write, error) {
	types, err := c.CheckRows(ctx, db, rows)
	if err != nil {
		return nil, err
	}
	columns := c.KeyColumns()
	for i := range sets {
		if sets[i].Op == plan.SetValue || sets[i].Op == plan.SetAdd {
			columns = append(columns, sets[i].Column)
		}
	}
	f := find{inputs: inputs{core: c, rows: rows}}
	if err := f.open(ctx, db, types, columns, nil); err != nil {
		return nil, err
	}
	var list []string
	for _, s := range c.WithOwn(sets) {
		value := f.exprs[s.Column]
		switch {
		case s.Op == plan.SetAdd && s.Column == c.Version && value == "":
			value = "t." + s.Column.Quoted + " + 1"
		case s.Op == plan.SetAdd:
			value = "t." + s.Column.Quoted + " + " + value
		case s.Op == plan.SetNull:
			value = "NULL"
		case s.Op == plan.SetDefault:
			value = "DEFAULT"
		case s.Op == plan.SetNow:
			value = "now()"
		}
		list = append(list, s.Column.Quoted+" = "+value)
	}
	return &Write{
		Core: c, Op: "patch", Rows: rows, finds: true, Args: f.args,
		SQL: f.sql("UPDATE "+c.Quoted+" AS t SET "+strings.Join(list, ", ")+" FROM ", false, true),
	}, nil
}

// Assigned puts the values that sets assign into the entity at p. It reports
// false if they do not fit, or if the value is not one.
func Assigned(p unsafe.Pointer, sets []plan.Set) bool {
	for i := range sets {
		s := &sets[i]
		switch s.Op {
		case plan.SetRaw:
			return false
		case plan.SetValue, plan.SetAdd:
			field := reflect.NewAt(s.Column.Type, unsafe.Add(p, s.Column.Offset)).Elem()
			v := reflect.ValueOf(s.A)
			switch {
			case v.IsValid() && v.Type() == s.Column.Type:
				field.Set(v)
			case v.IsValid() && s.Column.Type.Kind() == reflect.Pointer && v.Type() == s.Column.Type.Elem():
				field.Set(reflect.New(v.Type()))
				field.Elem().Set(v)
			default:
				return false
			}
		}
	}
	return true
}

// SinglePatch assigns columns of one row, whatever the assignments are.
func SinglePatch(ctx context.Context, db smrt.DB, c *table.Table, rows table.Rows, sets []plan.Set) (*Write, error) {
	args := make([]any, len(c.Key))
	for i, k := range c.Key {
		v, err := k.Column.Arg(rows.At(0))
		if err != nil {
			return nil, c.Named(err)
		}
		args[i] = v
	}
	r := &plan.Request{Verb: plan.Update, Spec: c.KeySpec(args), Sets: c.WithOwn(sets)}
	if err := c.CheckFiniteSets(ctx, db, r); err != nil {
		return nil, err
	}
	st, err := c.Build(r)
	if err != nil {
		return nil, c.Named(err)
	}
	return &Write{Core: c, Op: "patch", Rows: rows, finds: true, SQL: one(st.SQL), Args: st.Args}, nil
}

// DeleteWrite deletes rows by key, and by version if checked.
func DeleteWrite(ctx context.Context, db smrt.DB, c *table.Table, rows table.Rows, hard, checked bool) (*Write, error) {
	types, err := c.ColumnTypes(ctx, db)
	if err != nil {
		return nil, err
	}
	columns := c.KeyColumns()
	checked = checked && c.Version != nil
	if checked {
		columns = append(columns, c.Version)
	}
	f := find{inputs: inputs{core: c, rows: rows}}
	if err := f.open(ctx, db, types, columns, nil); err != nil {
		return nil, err
	}
	head := "DELETE FROM " + c.Quoted + " AS t USING "
	if c.SoftDelete != nil && !hard {
		head = "UPDATE " + c.Quoted + " AS t SET " + c.SoftDelete.Quoted + " = now()"
		for _, col := range []*meta.Column{c.UpdatedAt, c.Version} {
			if col != nil {
				head += ", " + col.Quoted + " = " + c.AssignedValue(col, "t.", nil)
			}
		}
		head += " FROM "
	}
	return &Write{Core: c, Op: "delete", Rows: rows, finds: true, Args: f.args, SQL: f.sql(head, checked, !hard)}, nil
}

// LateWrite gives rows that were created before the columns that were NULL
// then: values of the entities, or keys of other rows. The rows are found by
// their keys, which may be keys of other rows in turn; where own is not nil, the
// server made them.
func LateWrite(ctx context.Context, db smrt.DB, c *table.Table, rows table.Rows, late []*meta.Column, refs []Ref, own *Ref) (*Write, error) {
	types, err := c.ColumnTypes(ctx, db)
	if err != nil {
		return nil, err
	}
	var columns []*meta.Column
	if own != nil {
		refs = append(slices.Clip(refs), *own)
	}
	for _, col := range append(c.KeyColumns(), late...) {
		if !slices.ContainsFunc(refs, func(r Ref) bool { return r.Column == col }) {
			columns = append(columns, col)
		}
	}
	f := find{inputs: inputs{core: c, rows: rows}}
	if err := f.open(ctx, db, types, columns, refs); err != nil {
		return nil, err
	}
	var sets []string
	for _, col := range late {
		sets = append(sets, col.Quoted+" = "+f.exprs[col])
	}
	return &Write{
		Core: c, Op: "create", Rows: rows, finds: true, Args: f.args,
		SQL: f.sql("UPDATE "+c.Quoted+" AS t SET "+strings.Join(sets, ", ")+" FROM ", false, false),
	}, nil
}

// LooseWrite sets columns of rows to NULL that are about to be deleted, so that
// other rows which they refer to can be deleted first.
func LooseWrite(ctx context.Context, db smrt.DB, c *table.Table, rows table.Rows, columns []*meta.Column) (*Write, error) {
	types, err := c.ColumnTypes(ctx, db)
	if err != nil {
		return nil, err
	}
	in := inputs{core: c, rows: rows}
	from, err := in.bulk(ctx, db, types, c.KeyColumns(), nil, false)
	if err != nil {
		return nil, err
	}
	var sets, keys []string
	for _, col := range columns {
		sets = append(sets, col.Quoted+" = NULL")
	}
	for _, k := range c.Key {
		keys = append(keys, "t."+k.Column.Quoted+" = "+in.exprs[k.Column])
	}
	return &Write{
		Core: c, Op: "delete", Args: in.args,
		SQL: "UPDATE " + c.Quoted + " AS t SET " + strings.Join(sets, ", ") + " FROM " + from + " WHERE " + strings.Join(keys, " AND "),
	}, nil
}
