package table

import (
	"strconv"
	"strings"
	"sync"

	"github.com/smrt-go/smrt/internal/meta"
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
}

// OneRow returns the inputs of a statement whose arguments are the columns of
// one row.
func OneRow(columns []*meta.Column) Inputs {
	in := Inputs{Exprs: make(map[*meta.Column]string, len(columns))}
	for i, col := range columns {
		in.Exprs[col] = "$" + strconv.Itoa(i+1)
	}
	return in
}

// ManyRows returns the inputs of a statement whose arguments are an array of
// the given type for each column. With numbered, the rows of u have their
// number in a last column, ord.
func ManyRows(columns []*meta.Column, types []ArrayType, numbered bool) Inputs {
	from, exprs := Unnest(types, numbered)
	in := Inputs{From: from, Exprs: make(map[*meta.Column]string, len(columns))}
	for i, col := range columns {
		in.Exprs[col] = exprs[i]
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
	if live && t.SoftDelete != nil {
		terms = append(terms, in.row()+t.SoftDelete.Quoted+" IS NULL")
	}
	return strings.Join(terms, " AND ")
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
		value = row + col.Quoted + " + 1"
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
		return "INSERT INTO " + t.Quoted + " DEFAULT VALUES"
	}
	values := make([]string, len(p.Values))
	for i, v := range p.Values {
		if values[i] = v; v == "" {
			values[i] = in.Exprs[p.Columns[i]]
		}
	}
	head, list := "INSERT INTO "+t.Quoted+" ("+meta.List(p.Columns)+")"+clause, strings.Join(values, ", ")
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

// Statement is the SQL of a write with what goes in and what comes back.
type Statement struct {
	SQL      string
	Columns  []*meta.Column // arguments, in order
	Ordinal  bool           // the first column of the result is the row's number
	Returned []meta.Target  // columns read back, in order

	written sync.Pool // of *Written
}

// HasResult reports whether the statement returns rows.
func (st *Statement) HasResult() bool { return st.Ordinal || len(st.Returned) > 0 }

// InsertStatement creates one row of a shape. With x it is an upsert.
func (t *Table) InsertStatement(shape []byte, x *Conflict) *Statement {
	p := t.InsertParts(shape)
	return t.insertStatement(p, OneRow(p.Args), x)
}

// InsertManyStatement creates rows of one shape. With x it is an upsert.
func (t *Table) InsertManyStatement(shape []byte, types []ArrayType, x *Conflict) *Statement {
	p := t.InsertParts(shape)
	return t.insertStatement(p, ManyRows(p.Args, types, false), x)
}

func (t *Table) insertStatement(p InsertParts, in Inputs, x *Conflict) *Statement {
	st := &Statement{SQL: t.InsertSQL(p, in, ""), Columns: p.Args}
	if x == nil {
		st.SQL += Inputs{}.Returning(p.Back)
		st.Returned = meta.TargetsOf(p.Back, 0)
		return st
	}
	st.SQL += x.sql(t) + " RETURNING " + x.inserted(t) + ", " + meta.List(t.Struct.Columns)
	st.Returned = t.Targets()
	return st
}

// UpdateStatement writes the whole row of one entity.
func (t *Table) UpdateStatement() *Statement {
	columns := t.UpdateColumns()
	return t.updateStatement(columns, OneRow(columns))
}

// UpdateManyStatement writes the whole rows of many entities. It returns the
// number of each row that it wrote.
func (t *Table) UpdateManyStatement(types []ArrayType) *Statement {
	columns := t.UpdateColumns()
	return t.updateStatement(columns, ManyRows(columns, types, true))
}

func (t *Table) updateStatement(columns []*meta.Column, in Inputs) *Statement {
	return &Statement{
		SQL:      t.UpdateSQL(in, t.SetRow(in), t.WhereKey(in, true)+t.AndVersion(in)) + in.Returning(t.Returned),
		Columns:  columns,
		Ordinal:  in.From != "",
		Returned: meta.TargetsOf(t.Returned, 0),
	}
}

// DeleteStatement deletes the row with a key.
func (t *Table) DeleteStatement(hard bool) *Statement {
	in := OneRow(t.KeyColumns())
	return &Statement{SQL: t.DeleteSQL(in, t.WhereKey(in, !hard), hard)}
}

// RestoreStatement undoes the soft delete of the row with a key.
func (t *Table) RestoreStatement() *Statement {
	in := OneRow(t.KeyColumns())
	return &Statement{SQL: t.UpdateSQL(in, t.setDeleted(in, "NULL"), t.WhereKey(in, false)+" AND "+t.SoftDelete.Quoted+" IS NOT NULL")}
}
