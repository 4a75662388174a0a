package table

import (
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
)

// UpdateStatement writes the whole row of one entity.
func (t *Table) UpdateStatement() *Statement {
	st := &Statement{}
	arg := func(col *meta.Column) string {
		st.Columns = append(st.Columns, col)
		return "$" + strconv.Itoa(len(st.Columns))
	}
	var sets []string
	for _, col := range t.Mutable {
		sets = append(sets, col.Quoted+" = "+t.AssignedValue(col, "", func() string { return arg(col) }))
	}
	var where []string
	for _, k := range t.Key {
		where = append(where, k.Column.Quoted+" = "+arg(k.Column))
	}
	if t.Version != nil {
		where = append(where, t.Version.Quoted+" = "+arg(t.Version))
	}
	if t.SoftDelete != nil {
		where = append(where, t.SoftDelete.Quoted+" IS NULL")
	}
	if len(sets) == 0 { // all columns are key
		sets = append(sets, t.Key[0].Column.Quoted+" = "+t.Key[0].Column.Quoted)
	}
	st.SQL = "UPDATE " + t.Quoted + " SET " + strings.Join(sets, ", ") + " WHERE " + strings.Join(where, " AND ")
	if len(t.Returned) > 0 {
		st.SQL += " RETURNING " + meta.List(t.Returned)
		st.Returned = meta.TargetsOf(t.Returned, 0)
	}
	return st
}

// UpdateManyStatement returns the statement that updates rows that travel as
// arrays of the given types. It returns the ordinal of each row it wrote.
func (t *Table) UpdateManyStatement(columns []*meta.Column, ks []ArrayType) *Statement {
	from, exprs := Unnest(ks, true)
	value := map[*meta.Column]string{}
	for i, col := range columns {
		value[col] = exprs[i]
	}
	var sets, where []string
	for _, col := range t.Mutable {
		sets = append(sets, col.Quoted+" = "+t.AssignedValue(col, "t.", func() string { return value[col] }))
	}
	for _, k := range t.Key {
		where = append(where, "t."+k.Column.Quoted+" = "+value[k.Column])
	}
	if t.Version != nil {
		where = append(where, "t."+t.Version.Quoted+" = "+value[t.Version])
	}
	if t.SoftDelete != nil {
		where = append(where, "t."+t.SoftDelete.Quoted+" IS NULL")
	}
	if len(sets) == 0 {
		key := t.Key[0].Column
		sets = append(sets, key.Quoted+" = t."+key.Quoted)
	}
	returning := []string{"u.ord"}
	for _, col := range t.Returned {
		returning = append(returning, "t."+col.Quoted)
	}
	return &Statement{
		SQL: "UPDATE " + t.Quoted + " AS t SET " + strings.Join(sets, ", ") + " FROM " + from +
			" WHERE " + strings.Join(where, " AND ") + " RETURNING " + strings.Join(returning, ", "),
		Columns:  columns,
		Ordinal:  true,
		Returned: meta.TargetsOf(t.Returned, 0),
	}
}

// DeleteStatement returns the statement that deletes a row by its key, softly
// where that is declared and hard is not set.
func (t *Table) DeleteStatement(hard bool) *Statement {
	condition := t.KeyCondition()
	if hard {
		return &Statement{SQL: "DELETE FROM " + t.Quoted + " WHERE " + condition}
	}
	return &Statement{SQL: "UPDATE " + t.Quoted + " SET " + t.SoftDeleteSet("now()") + " WHERE " + condition + t.NotDeleted()}
}
