package flush

import (
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// finder is a statement on rows that are found by their keys. It has the form
//
//	WITH smrt_w(smrt_ord, r0, ...) AS (UPDATE ... FROM unnest(...) WITH ORDINALITY AS u(...) WHERE ... RETURNING u.ord, ...)
//	SELECT * FROM smrt_w
//	UNION ALL the negative numbers of rows that exist with another version
//	UNION ALL the note that some are missing
type finder struct {
	step     *Step
	text     text
	args     []any
	returned []*meta.Column
}

// find makes the finder of a step whose rows travel as arrays, or as the values
// of one row if arrays is false.
func (s *Step) find(arrays bool) (*finder, error) {
	in := &inputs{step: s, columns: s.arguments()}
	if arrays {
		var err error
		if in, err = newInputs(s, in.columns); err != nil {
			return nil, err
		}
	}
	args, err := in.record()
	if err != nil {
		return nil, err
	}
	return &finder{step: s, text: in.write(true), args: args}, nil
}

// statement completes a statement that begins with head. With alive, rows that
// were deleted softly are not found.
func (f *finder) statement(head string, alive bool) Statement {
	st := Statement{Step: f.step, Args: f.args, returned: meta.TargetsOf(f.returned, 0)}
	if f.text.from == "" {
		st.SQL = f.oneSQL(head)
	} else {
		st.SQL = f.sql(head+" FROM ", alive)
	}
	return st
}

// sql is the text for many rows. What is read back of a row has names of its own
// (r0, ...) in the WITH part, because the table may have columns of any name.
func (f *finder) sql(head string, alive bool) string {
	same, where := f.conditions(alive)
	list, nulls := f.lists()
	names := "smrt_ord"
	for i := range f.returned {
		names += ", r" + strconv.Itoa(i)
	}
	short := "(SELECT count(*) FROM smrt_w) <> " + f.text.count
	var b strings.Builder
	b.WriteString("WITH smrt_w(" + names + ") AS (" + head + f.text.from + " WHERE " + where + " RETURNING u.ord" + list + ") SELECT * FROM smrt_w")
	if f.step.versioned() {
		b.WriteString(" UNION ALL SELECT -u.ord" + nulls + " FROM " + f.text.from + " WHERE " + short +
			" AND NOT EXISTS (SELECT 1 FROM smrt_w WHERE smrt_ord = u.ord) AND EXISTS (SELECT 1 FROM " + f.step.Table.Quoted + " AS t WHERE " + same + ")")
	}
	b.WriteString(note(nulls, short))
	return b.String()
}

// oneSQL is the text for one row with a column whose type no array can carry.
func (f *finder) oneSQL(head string) string {
	same, where := f.conditions(true)
	list, nulls := f.lists()
	missing := "NOT EXISTS (SELECT 1 FROM smrt_w)"
	stale := ""
	if f.step.versioned() {
		stale = " UNION ALL SELECT -1::bigint" + nulls + " WHERE " + missing + " AND EXISTS (SELECT 1 FROM " + f.step.Table.Quoted + " AS t WHERE " + same + ")"
	}
	return "WITH smrt_w AS (" + head + " WHERE " + where + " RETURNING 1::bigint" + list + ") SELECT * FROM smrt_w" + stale + note(nulls, missing)
}

// conditions says how a row is found, without and with its version.
func (f *finder) conditions(alive bool) (same, all string) {
	t := f.step.Table
	var terms []string
	for _, k := range t.Key {
		terms = append(terms, "t."+k.Column.Quoted+" = "+f.text.exprs[k.Column])
	}
	if alive && t.SoftDelete != nil {
		terms = append(terms, "t."+t.SoftDelete.Quoted+" IS NULL")
	}
	same = strings.Join(terms, " AND ")
	if !f.step.versioned() {
		return same, same
	}
	return same, same + " AND t." + t.Version.Quoted + " = " + f.text.exprs[t.Version]
}

// lists returns what is read back of a row, and as many NULLs.
func (f *finder) lists() (list, nulls string) {
	for _, col := range f.returned {
		list += ", t." + col.Quoted
		nulls += ", NULL"
	}
	return list, nulls
}

// update writes whole rows, some columns of which get keys of other rows.
func (s *Step) update() (Statement, error) {
	t := s.Table
	if err := t.CheckRows(*s.Types, s.Rows); err != nil {
		return Statement{}, err
	}
	f, err := s.find(s.MaxRows() > 1)
	if err != nil {
		return Statement{}, err
	}
	f.returned = t.Returned
	var sets []string
	for _, col := range t.Mutable {
		sets = append(sets, col.Quoted+" = "+t.AssignedValue(col, "t.", func() string { return f.text.exprs[col] }))
	}
	if len(sets) == 0 { // all columns are key
		key := t.Key[0].Column
		sets = append(sets, key.Quoted+" = t."+key.Quoted)
	}
	return f.statement("UPDATE "+t.Quoted+" AS t SET "+strings.Join(sets, ", "), true), nil
}

// patch assigns the same columns of many rows. The values lie in the rows, see
// [Assign].
func (s *Step) patch() (Statement, error) {
	t := s.Table
	if s.InSets {
		return s.patchOne()
	}
	if err := t.CheckRows(*s.Types, s.Rows); err != nil {
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
	return f.statement("UPDATE "+t.Quoted+" AS t SET "+strings.Join(list, ", "), true), nil
}

// assigned returns what an assignment writes.
func (f *finder) assigned(set *plan.Set) string {
	value := f.text.exprs[set.Column]
	switch set.Op {
	case plan.SetAdd:
		if value == "" { // the version, which the table assigns by itself
			value = "1"
		}
		return "t." + set.Column.Quoted + " + " + value
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
	st, err := t.Build(&plan.Request{Verb: plan.Update, Spec: t.KeySpec(args), Sets: t.WithOwn(s.Sets)})
	if err != nil {
		return Statement{}, t.Named(err)
	}
	for i := range s.Sets {
		if set := &s.Sets[i]; meta.NotFinite(set.A) {
			if err := t.CheckFiniteType(*s.Types, set.Column); err != nil {
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
	t := s.Table
	f, err := s.find(true)
	if err != nil {
		return Statement{}, err
	}
	if t.SoftDelete == nil || s.Hard {
		st := Statement{Step: s, Args: f.args}
		st.SQL = f.sql("DELETE FROM "+t.Quoted+" AS t USING ", !s.Hard)
		return st, nil
	}
	head := "UPDATE " + t.Quoted + " AS t SET " + t.SoftDelete.Quoted + " = now()"
	for _, col := range []*meta.Column{t.UpdatedAt, t.Version} {
		if col != nil {
			head += ", " + col.Quoted + " = " + t.AssignedValue(col, "t.", nil)
		}
	}
	return f.statement(head, true), nil
}

// backfill fills in columns that were NULL when their rows were inserted, with
// values of the entities or with keys of other rows. The rows are found by their
// keys, which may be keys of other rows in turn, or keys that the server made.
func (s *Step) backfill() (Statement, error) {
	f, err := s.find(true)
	if err != nil {
		return Statement{}, err
	}
	var sets []string
	for _, col := range s.Columns {
		sets = append(sets, col.Quoted+" = "+f.text.exprs[col])
	}
	return f.statement("UPDATE "+s.Table.Quoted+" AS t SET "+strings.Join(sets, ", "), false), nil
}

// nullify lets rows that are about to be deleted refer to none, so that those
// which they refer to can be deleted first.
func (s *Step) nullify() (Statement, error) {
	f, err := s.find(true)
	if err != nil {
		return Statement{}, err
	}
	var sets []string
	for _, col := range s.Columns {
		sets = append(sets, col.Quoted+" = NULL")
	}
	where, _ := f.conditions(false)
	return Statement{Step: s, Args: f.args, SQL: "UPDATE " + s.Table.Quoted + " AS t SET " + strings.Join(sets, ", ") +
		" FROM " + f.text.from + " WHERE " + where}, nil
}
