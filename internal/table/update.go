package table

import (
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
)

// UpdateStatement writes the whole row of one entity.
func (c *Table) UpdateStatement() *Statement {
	st := &Statement{}
	arg := func(col *meta.Column) string {
		st.Columns = append(st.Columns, col)
		return "$" + strconv.Itoa(len(st.Columns))
	}
	var sets []string
	for _, col := range c.Mutable {
		sets = append(sets, col.Quoted+" = "+c.AssignedValue(col, "", func() string { return arg(col) }))
	}
	var where []string
	for _, k := range c.Key {
		where = append(where, k.Column.Quoted+" = "+arg(k.Column))
	}
	if c.Version != nil {
		where = append(where, c.Version.Quoted+" = "+arg(c.Version))
	}
	if c.SoftDelete != nil {
		where = append(where, c.SoftDelete.Quoted+" IS NULL")
	}
	if len(sets) == 0 { // all columns are key
		sets = append(sets, c.Key[0].Column.Quoted+" = "+c.Key[0].Column.Quoted)
	}
	st.SQL = "UPDATE " + c.Quoted + " SET " + strings.Join(sets, ", ") + " WHERE " + strings.Join(where, " AND ")
	if len(c.Returned) > 0 {
		st.SQL += " RETURNING " + meta.List(c.Returned)
		st.Returned = meta.TargetsOf(c.Returned, 0)
	}
	return st
}

// UpdateManyStatement returns the statement that updates rows that travel as
// arrays of the given types. It returns the ordinal of each row it wrote.
func (c *Table) UpdateManyStatement(columns []*meta.Column, ks []ArrayType) *Statement {
	from, exprs := Unnest(ks, true)
	value := map[*meta.Column]string{}
	for i, col := range columns {
		value[col] = exprs[i]
	}
	var sets, where []string
	for _, col := range c.Mutable {
		sets = append(sets, col.Quoted+" = "+c.AssignedValue(col, "t.", func() string { return value[col] }))
	}
	for _, k := range c.Key {
		where = append(where, "t."+k.Column.Quoted+" = "+value[k.Column])
	}
	if c.Version != nil {
		where = append(where, "t."+c.Version.Quoted+" = "+value[c.Version])
	}
	if c.SoftDelete != nil {
		where = append(where, "t."+c.SoftDelete.Quoted+" IS NULL")
	}
	if len(sets) == 0 {
		key := c.Key[0].Column
		sets = append(sets, key.Quoted+" = t."+key.Quoted)
	}
	returning := []string{"u.ord"}
	for _, col := range c.Returned {
		returning = append(returning, "t."+col.Quoted)
	}
	return &Statement{
		SQL: "UPDATE " + c.Quoted + " AS t SET " + strings.Join(sets, ", ") + " FROM " + from +
			" WHERE " + strings.Join(where, " AND ") + " RETURNING " + strings.Join(returning, ", "),
		Columns:  columns,
		Ordinal:  true,
		Returned: meta.TargetsOf(c.Returned, 0),
	}
}

// DeleteStatement returns the statement that deletes a row by its key, softly
// where that is declared and hard is not set.
func (c *Table) DeleteStatement(hard bool) *Statement {
	condition := c.KeyCondition()
	if hard {
		return &Statement{SQL: "DELETE FROM " + c.Quoted + " WHERE " + condition}
	}
	return &Statement{SQL: "UPDATE " + c.Quoted + " SET " + c.SoftDeleteSet("now()") + " WHERE " + condition + c.NotDeleted()}
}
