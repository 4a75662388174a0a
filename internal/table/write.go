package table

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/traced"
)

// The text of every INSERT, UPDATE and DELETE of a row that is known by its key
// is made here, for repositories and for units. It has two forms. The values of
// one row are arguments by themselves:
//
//	UPDATE products SET name = $2 WHERE id = $1
//
// Many rows are one array for each column, which unnest turns into rows u:
//
//	UPDATE products AS t SET name = u.c1
//	FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS u(c0, c1, ord)
//	WHERE t.id = u.c0
//
// Both are written by the same functions; [Inputs] is what differs. Package
// plan writes what depends on a query: UPDATE and DELETE of the rows that
// match, and a patch of one row.

// Inputs says what names the arguments of a statement in its text.
type Inputs struct {
	From  string                  // the FROM item whose rows u are the arguments; empty: one row
	Exprs map[*meta.Column]string // the value of each column: "$1", "u.c0::citext"
	Count string                  // how many rows there are
	Owner string                  // the tenant whose rows are meant; empty: that in Exprs
	Any   bool                    // rows of all tenants are meant
}

// OneRow returns the inputs of a statement whose arguments are the columns of
// one row.
func (t *Table) OneRow(columns []*meta.Column) Inputs {
	in := Inputs{Exprs: make(map[*meta.Column]string, len(columns)), Count: "1"}
	for i, col := range columns {
		in.Exprs[col] = t.one(col, placeholder(i))
	}
	return in
}

// one returns the value of a column that is an argument by itself, refused by the
// server if the column has another type than the argument.
func (t *Table) one(col *meta.Column, value string) string {
	null := t.Null(col)
	if !t.mayDrift(col) || null == "" {
		return value
	}
	return "CASE WHEN " + plan.UnalteredOne(null, value) + " THEN " + value + " END"
}

// many is one for a value that is an element of an argument.
func (t *Table) many(col *meta.Column, of ArrayType, value string) string {
	null := t.Null(col)
	if !t.mayDrift(col) || null == "" {
		return value
	}
	array := "NULL::" + of.Param
	if of.Cast != "" {
		array = "NULL" + of.Cast + "[]"
	}
	return "CASE WHEN " + plan.Unaltered(null, array) + " THEN " + value + " END"
}

// KeyIn returns the condition that the only column of the key is in the list that
// is the first argument.
func (t *Table) KeyIn() string {
	key := t.Key[0].Column
	in := key.Quoted + " = ANY($1)"
	if t.mayDrift(key) {
		in += " AND (" + plan.Unaltered(key.Quoted, "$1") + ")"
	}
	return in
}

// mayDrift adds to the columns of plan.MayDrift keys of text, by which rows are
// found.
func (t *Table) mayDrift(col *meta.Column) bool {
	return plan.MayDrift(col) || col.Encode == meta.KindString && t.IsKey(col)
}

// ManyRows returns the inputs of a statement whose arguments are an array of
// the given type for each column. With numbered, the rows of u have their
// number in a last column, ord.
func (t *Table) ManyRows(columns []*meta.Column, types []ArrayType, numbered bool) Inputs {
	from, exprs := Unnest(types, numbered)
	in := Inputs{From: from, Exprs: make(map[*meta.Column]string, len(columns)), Count: "cardinality($1::" + types[0].Param + ")"}
	for i, col := range columns {
		in.Exprs[col] = t.many(col, types[i], exprs[i])
	}
	return in
}

// row qualifies the columns of the table.
func (in Inputs) row() string {
	if in.From == "" {
		return ""
	}
	return "t."
}

// Returning returns the RETURNING clause for the number of the row, where rows
// have one, and columns of the table. It is empty if there is nothing to
// return.
func (in Inputs) Returning(columns []*meta.Column) string {
	var list []string
	if in.From != "" {
		list = append(list, "u.ord")
	}
	for _, col := range columns {
		list = append(list, in.row()+col.Quoted)
	}
	if len(list) == 0 {
		return ""
	}
	return " RETURNING " + strings.Join(list, ", ")
}

// WhereKey returns the condition that a row has the key in the inputs. With
// live, rows that were deleted softly do not match.
func (t *Table) WhereKey(in Inputs, live bool) string {
	terms := make([]string, len(t.Key), len(t.Key)+1)
	for i, k := range t.Key {
		terms[i] = in.row() + k.Column.Quoted + " = " + in.Exprs[k.Column]
	}
	return strings.Join(append(terms, t.seen(in, live)...), " AND ")
}

// AndVersion returns the condition, after another one, that the row has the
// version in the inputs. It is empty where the table has no version.
func (t *Table) AndVersion(in Inputs) string {
	if t.Version == nil {
		return ""
	}
	return " AND " + in.row() + t.Version.Quoted + " = " + in.Exprs[t.Version]
}

// set returns the assignment of a value to a column, or of what the table
// assigns by itself. row qualifies the columns of the row as it was.
func (t *Table) set(col *meta.Column, row, value string) string {
	switch col {
	case t.UpdatedAt:
		value = "now()"
	case t.Version:
		value = "coalesce(" + row + col.Quoted + ", 0) + 1"
	}
	return col.Quoted + " = " + value
}

// own returns the columns that every update of a row assigns by itself.
func (t *Table) own() []*meta.Column {
	var columns []*meta.Column
	for _, col := range []*meta.Column{t.UpdatedAt, t.Version} {
		if col != nil {
			columns = append(columns, col)
		}
	}
	return columns
}

// SetRow returns the assignments of an update of the whole row.
func (t *Table) SetRow(in Inputs) string {
	if len(t.Mutable) == 0 { // all columns are key: the row is written as it is
		key := t.Key[0].Column.Quoted
		return key + " = " + in.row() + key
	}
	sets := make([]string, len(t.Mutable))
	for i, col := range t.Mutable {
		sets[i] = t.set(col, in.row(), in.Exprs[col])
	}
	return strings.Join(sets, ", ")
}

// setDeleted returns the assignments that mark a row as deleted at a time, or
// that restore it.
func (t *Table) setDeleted(in Inputs, at string) string {
	sets := t.SoftDelete.Quoted + " = " + at
	for _, col := range t.own() {
		sets += ", " + t.set(col, in.row(), "")
	}
	return sets
}

// InsertSQL returns an INSERT without RETURNING. clause, which may be empty, is
// what stands between the columns and the values.
func (t *Table) InsertSQL(p InsertParts, in Inputs, clause string) string {
	if len(p.Columns) == 0 {
		return "INSERT INTO " + t.Quoted + p.As + " DEFAULT VALUES"
	}
	values := make([]string, len(p.Values))
	for i, v := range p.Values {
		if values[i] = v; v == "" {
			values[i] = in.Exprs[p.Columns[i]]
		}
	}
	head, list := "INSERT INTO "+t.Quoted+p.As+" ("+meta.List(p.Columns)+")"+clause, strings.Join(values, ", ")
	if in.From == "" {
		return head + " VALUES (" + list + ")"
	}
	return head + " SELECT " + list + " FROM " + in.From
}

// UpdateSQL returns an UPDATE without RETURNING.
func (t *Table) UpdateSQL(in Inputs, set, where string) string {
	if in.From == "" {
		return "UPDATE " + t.Quoted + " SET " + set + " WHERE " + where
	}
	return "UPDATE " + t.Quoted + " AS t SET " + set + " FROM " + in.From + " WHERE " + where
}

// DeleteSQL returns a statement that deletes rows, without RETURNING. It marks
// them as deleted if that is declared and hard is not set; where must leave out
// those that are marked already.
func (t *Table) DeleteSQL(in Inputs, where string, hard bool) string {
	switch {
	case t.SoftDelete != nil && !hard:
		return t.UpdateSQL(in, t.setDeleted(in, "now()"), where)
	case in.From == "":
		return "DELETE FROM " + t.Quoted + " WHERE " + where
	}
	return "DELETE FROM " + t.Quoted + " AS t USING " + in.From + " WHERE " + where
}

// Statement is the SQL of a write with what goes in and what comes back. A row
// of the result has, in this order, what [Result] says of its first column,
// the columns of Match, and those of Returned.
type Statement struct {
	SQL      string
	Columns  []*meta.Column // arguments, in order
	Zeros    []*meta.Column // of many rows: further arguments, which are the same for all of them
	Ordinal  bool           // the first column of the result is the row's number
	Match    []*meta.Column // columns by which a row is found among the entities
	Returned []meta.Target  // columns read back, in order
	Guard    bool           // the server refuses to leave out rows
	Err      error          // why there is no such statement

	Operation Op           // what it does, for observers
	name      *traced.Text // is known to them for as long as the statement is kept

	written sync.Pool // of *Written
}

// HasResult reports whether the statement returns rows.
func (st *Statement) HasResult() bool { return st.Ordinal || len(st.Returned) > 0 }

// InsertStatement creates one row of a shape. With x it is an upsert. The
// catalog, which may be nil, decides whether the server must count rows.
func (t *Table) InsertStatement(shape []byte, x *Conflict, c *Catalog) *Statement {
	p := t.InsertParts(shape)
	return t.insertStatement(p, t.OneRow(p.Args), x, c)
}

// InsertManyStatement creates rows of one shape. With x it is an upsert.
func (t *Table) InsertManyStatement(shape []byte, types []ArrayType, x *Conflict, c *Catalog) *Statement {
	p := t.InsertParts(shape)
	return t.insertStatement(p, t.ManyRows(p.Args, types, false), x, c)
}

func (t *Table) insertStatement(p InsertParts, in Inputs, x *Conflict, c *Catalog) *Statement {
	st := &Statement{Columns: p.Args, Guard: t.Guards(x, c), Operation: "create"}
	clause, back, list := "", p.Back, []string(nil)
	if x != nil {
		p.As, st.Operation = " AS t", "upsert"
		st.zeros(t, p, in, x, c)
		sql, err := x.sql(t, p, in)
		clause, st.Err = sql, cmp.Or(st.Err, err)
		back, list = t.Struct.Columns, []string{x.inserted(t, c)}
	}
	if in.From != "" && len(back) > 0 {
		st.Match = t.Known(p, x)
	}
	for _, col := range slices.Concat(st.Match, back) {
		list = append(list, col.Quoted)
	}
	st.Returned = meta.TargetsOf(back, 0)
	st.SQL = t.InsertSQL(p, in, "") + clause
	if st.Guard {
		st.SQL = Guarded(st.SQL, list, in.Count)
	} else if len(list) > 0 {
		st.SQL += " RETURNING " + strings.Join(list, ", ")
	}
	return st
}

// Known returns the columns of the key, or of the target of an upsert, if the
// program knows all of their values. Else there are none.
func (t *Table) Known(p InsertParts, x *Conflict) []*meta.Column {
	columns := t.KeyColumns()
	if x != nil {
		columns = x.Target
	}
	for _, col := range columns {
		if !slices.Contains(p.Args, col) {
			return nil
		}
	}
	return columns
}

// Guards reports whether the server must refuse to leave out rows of an insert.
func (t *Table) Guards(x *Conflict, c *Catalog) bool {
	return c != nil && c.Guardable && !t.MayLeaveOut && (x == nil || !x.MayLeave())
}

// Guarded makes an INSERT, which has no RETURNING clause, fail in the server if
// it did not write as many rows as count says. It returns the given list. The
// server keeps the rows of a WITH part before it returns them, so that this is
// done only where rows may be left out.
func Guarded(insert string, list []string, count string) string {
	if len(list) == 0 {
		return "WITH smrt_i AS (" + insert + " RETURNING 1) SELECT NULL::boolean" + whereLeftOut(count)
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = "r" + strconv.Itoa(i)
	}
	return "WITH smrt_i(" + strings.Join(names, ", ") + ") AS (" + insert + " RETURNING " + strings.Join(list, ", ") +
		") SELECT * FROM smrt_i" + FailIfLeftOut(len(list), count)
}

// FailIfLeftOut adds nothing to a SELECT of columns of smrt_i, the WITH part of
// an insert, but an error if that did not write as many rows as count says.
func FailIfLeftOut(columns int, count string) string {
	return " UNION ALL SELECT NULL" + strings.Repeat(", NULL", columns-1) + whereLeftOut(count)
}

// whereLeftOut is a condition that is never true. SQL has no expression that
// raises an error; this error is that of a histogram without a width, and
// pgerr.IsGuard knows it.
func whereLeftOut(count string) string {
	const written = "(SELECT pg_catalog.count(*)::integer FROM smrt_i)"
	return " WHERE CASE WHEN " + written + " <> " + count + " THEN pg_catalog.width_bucket(0::float8, 0::float8, 0::float8, " + written + ") = 0 END"
}

// UpdateStatement writes the whole row of one entity.
func (t *Table) UpdateStatement() *Statement {
	columns := t.UpdateColumns()
	return t.updateStatement(columns, t.OneRow(columns))
}

// UpdateManyStatement writes the whole rows of many entities. It returns the
// number of each row that it wrote.
func (t *Table) UpdateManyStatement(types []ArrayType) *Statement {
	columns := t.UpdateColumns()
	return t.updateStatement(columns, t.ManyRows(columns, types, true))
}

func (t *Table) updateStatement(columns []*meta.Column, in Inputs) *Statement {
	return &Statement{
		SQL:      t.UpdateSQL(in, t.SetRow(in), t.WhereKey(in, true)+t.AndVersion(in)) + in.Returning(t.Returned),
		Columns:  columns,
		Ordinal:  in.From != "",
		Returned: meta.TargetsOf(t.Returned, 0),

		Operation: "update",
	}
}

// DeleteStatement deletes the row with a key.
func (t *Table) DeleteStatement(of plan.Owner, hard bool) *Statement {
	in := t.OneKey(of)
	return &Statement{SQL: t.DeleteSQL(in, t.WhereKey(in, !hard), hard), Operation: "delete"}
}

// RestoreStatement undoes the soft delete of the row with a key.
func (t *Table) RestoreStatement(of plan.Owner) *Statement {
	in := t.OneKey(of)
	return &Statement{
		SQL:       t.UpdateSQL(in, t.setDeleted(in, "NULL"), t.WhereKey(in, false)+" AND "+t.SoftDelete.Quoted+" IS NOT NULL"),
		Operation: "restore",
	}
}
