package flush

import (
	"cmp"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// finder is a statement on rows that are found by their keys. It has the form
//
//	WITH smrt_w(smrt_ord, r0, ...) AS (UPDATE ... FROM unnest(...) WITH ORDINALITY AS u(...) WHERE ... RETURNING u.ord, ...)
//	SELECT * FROM smrt_w
//	UNION ALL the negative numbers of rows that exist with another version
//	UNION ALL the note that some are missing
//
// A row with a column whose type no array can carry is a FROM item of its own,
// with the number 1.
type finder struct {
	inputs
	text        table.Inputs
	args        []any
	same, where string // conditions that find a row, without and with its version
}

// find makes the finder of a step whose rows travel as arrays, or are one.
func (s *Step) find(arrays bool) (*finder, error) {
	in, err := newInputs(s, arrays)
	if err != nil {
		return nil, err
	}
	args, err := in.record()
	if err != nil {
		return nil, err
	}
	f := &finder{inputs: in, text: in.write(true), args: args}
	f.text.Any = s.Any && s.Kind != Update // whose rows have their tenant
	f.same = s.Table.WhereKey(f.text, s.live())
	f.where = f.same
	if s.versioned() {
		f.where += s.Table.AndVersion(f.text)
	}
	return f, nil
}

// update is the statement that assigns set.
func (f *finder) update(set string, returned ...*meta.Column) Statement {
	return f.statement(f.step.Table.UpdateSQL(f.text, set, f.where), returned)
}

// statement completes a write of the rows that match f.where. What is read back
// of a row has names of its own (r0, ...) in the WITH part, because the table
// may have columns of any name.
func (f *finder) statement(write string, returned []*meta.Column) Statement {
	names, nulls := "smrt_ord", strings.Repeat(", NULL", len(returned))
	for i := range returned {
		names += ", r" + strconv.Itoa(i)
	}
	missing := "NOT EXISTS (SELECT 1 FROM smrt_w)"
	if f.arrays != nil {
		missing = "(SELECT count(*) FROM smrt_w) <> " + f.text.Count
	}
	sql := "WITH smrt_w(" + names + ") AS (" + write + f.text.Returning(returned) + ") SELECT * FROM smrt_w"
	if f.step.versioned() {
		sql += " UNION ALL SELECT -u.ord" + nulls + " FROM " + f.text.From + " WHERE " + missing +
			" AND NOT EXISTS (SELECT 1 FROM smrt_w WHERE smrt_ord = u.ord) AND EXISTS (SELECT 1 FROM " + f.step.Table.Quoted + " AS t WHERE " + f.same + ")"
	}
	return Statement{Step: f.step, SQL: sql + note(nulls, missing), Args: f.args, returned: meta.TargetsOf(returned, 0)}
}

// update writes whole rows, some columns of which get keys of other rows.
func (s *Step) update() (Statement, error) {
	if err := s.Table.CheckRows(s.Catalog, s.Rows); err != nil {
		return Statement{}, err
	}
	f, err := s.find(s.MaxRows() > 1)
	if err != nil {
		return Statement{}, err
	}
	return f.update(s.Table.SetRow(f.text), s.Table.Returned...), nil
}

// patch assigns the same columns of many rows. The values lie in the rows, see
// [Assign].
func (s *Step) patch() (Statement, error) {
	t := s.Table
	if s.InSets {
		return s.patchOne()
	}
	if err := t.CheckRows(s.Catalog, s.Rows); err != nil {
		return Statement{}, err
	}
	if s.MaxRows() == 1 {
		return s.patchOne()
	}
	f, err := s.find(true)
	if err != nil {
		return Statement{}, err
	}
	var list []string
	for _, set := range t.WithOwn(s.Sets) {
		list = append(list, set.Column.Quoted+" = "+f.assigned(&set))
	}
	return f.update(strings.Join(list, ", ")), nil
}

// assigned returns what an assignment writes.
func (f *finder) assigned(set *plan.Set) string {
	value := f.text.Exprs[set.Column]
	switch set.Op {
	case plan.SetAdd:
		return "t." + set.Column.Quoted + " + " + value
	case plan.SetNext:
		return "coalesce(t." + set.Column.Quoted + ", 0) + 1"
	case plan.SetNull:
		return "NULL"
	case plan.SetDefault:
		return "DEFAULT"
	case plan.SetNow:
		return "now()"
	}
	return value
}

// patchOne assigns columns of one row. The assignments may be of any kind, SQL
// included, so package plan renders them, as it does for repositories.
func (s *Step) patchOne() (Statement, error) {
	t := s.Table
	args := make([]any, len(t.Key))
	for i, k := range t.Key {
		v, err := k.Column.Arg(s.Rows.At(0))
		if err != nil {
			return Statement{}, t.Named(err)
		}
		args[i] = v
	}
	st, err := t.Build(plan.Under(s.Acting), &plan.Request{Verb: plan.Update, Spec: t.KeySpec(args), Sets: t.WithOwn(s.Sets)})
	if err != nil {
		return Statement{}, t.Named(err)
	}
	for i := range s.Sets {
		if set := &s.Sets[i]; meta.NotFinite(set.A) {
			if err := t.CheckFiniteType(s.Catalog, set.Column); err != nil {
				return Statement{}, err
			}
		}
	}
	sql := "WITH smrt_w AS (" + st.SQL + " RETURNING 1::bigint) SELECT * FROM smrt_w" + note("", "NOT EXISTS (SELECT 1 FROM smrt_w)")
	return Statement{Step: s, SQL: sql, Args: st.Args}, nil
}

// Assign puts the values that sets assign into the entity at p. It reports
// false if they do not fit, or if one of them is SQL.
func Assign(p unsafe.Pointer, sets []plan.Set) bool {
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

// delete deletes rows by key, and by version if they are checked.
func (s *Step) delete() (Statement, error) {
	f, err := s.find(true)
	if err != nil {
		return Statement{}, err
	}
	return f.statement(s.Table.DeleteSQL(f.text, f.where, s.Hard), nil), nil
}

// backfill fills in columns that were NULL when their rows were inserted, with
// values of the entities or with keys of other rows. The rows are found by
// their keys, which may be keys of other rows in turn, or keys that the server
// made.
func (s *Step) backfill() (Statement, error) {
	f, err := s.find(true)
	if err != nil {
		return Statement{}, err
	}
	return f.update(s.setColumns(f.text.Exprs)), nil
}

// nullify lets rows that are about to be deleted refer to none, so that those
// which they refer to can be deleted first.
func (s *Step) nullify() (Statement, error) {
	f, err := s.find(true)
	if err != nil {
		return Statement{}, err
	}
	return Statement{Step: s, Args: f.args, SQL: s.Table.UpdateSQL(f.text, s.setColumns(nil), f.where)}, nil
}

// setColumns assigns values to the Columns of s, or NULL without values.
func (s *Step) setColumns(values map[*meta.Column]string) string {
	sets := make([]string, len(s.Columns))
	for i, col := range s.Columns {
		sets[i] = col.Quoted + " = " + cmp.Or(values[col], "NULL")
	}
	return strings.Join(sets, ", ")
}
