package table

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Conflict says what an upsert does about rows that exist.
type Conflict plan.Conflict

// Check refuses what PostgreSQL would, before it is asked.
func (x *Conflict) Check(t *Table) error {
	if x.Err != nil {
		return x.Err
	}
	if len(x.Target) == 0 {
		return &smrt.QueryError{Reason: "an upsert needs the columns of the unique index that it may conflict with"}
	}
	if t.Tenant != nil && !slices.Contains(x.Target, t.Tenant) {
		return &smrt.QueryError{Reason: "the target of an upsert of " + t.Name + " must include column " + t.Tenant.Name + ", which says whose row it is: else it is the row of another tenant that is updated"}
	}
	for _, col := range x.Update {
		if err := t.CheckColumn(col); err != nil {
			return err
		}
	}
	if x.Nothing && x.Shape != "" {
		return &smrt.QueryError{Reason: "DoNothing contradicts Set and UpdateIf: leave out one"}
	}
	for _, col := range x.Offered {
		if slices.Contains(t.own(), col) {
			return &smrt.QueryError{Reason: "column " + col.Name + " is set by every write, so Excluded of it is not what the entity has"}
		}
	}
	if len(x.Sets) == 0 {
		return nil
	}
	if err := t.CheckSets(x.Sets); err != nil {
		return err
	}
	for _, set := range x.Sets {
		switch {
		case slices.Contains(x.Update, set.Column):
			return &smrt.QueryError{Reason: "column " + set.Column.Name + " is assigned twice"}
		case t.IsKey(set.Column):
			return &smrt.QueryError{Reason: "column " + set.Column.Name + " is the key, which an upsert does not change"}
		case slices.Contains(x.Target, set.Column):
			return &smrt.QueryError{Reason: "column " + set.Column.Name + " is what rows are recognised by, which an upsert does not change"}
		}
	}
	return nil
}

// MayLeave reports whether x may leave a row that exists as it is.
func (x *Conflict) MayLeave() bool { return x.Nothing || x.If != nil }

// ConflictSpec returns the query for the row that conflicts with that of the
// entity at p. Like the index, it knows nothing of soft deletes.
func (t *Table) ConflictSpec(p unsafe.Pointer, x *plan.Conflict) (*plan.Spec, error) {
	s := &plan.Spec{Unordered: true}
	if t.SoftDelete != nil {
		s.Deleted = plan.WithDeleted
	}
	for _, col := range x.Target {
		v, err := col.Arg(p)
		if err != nil {
			return nil, t.Named(err)
		}
		s.Where = append(s.Where, plan.Node{Op: plan.Eq, Column: col, A: v})
	}
	if x.Where != "" {
		s.Where = append(s.Where, plan.Node{Op: plan.Raw, SQL: x.Where})
	}
	return s, nil
}

// AppendKey appends to the key of a statement what its text says of x, which
// may be nil.
func (x *Conflict) AppendKey(b []byte) []byte {
	if x == nil {
		return b
	}
	b = append(b, 'x')
	for _, col := range x.Target {
		b = append(b, 't', byte(col.Index), byte(col.Index>>8))
	}
	for _, col := range x.Update {
		b = append(b, 'u', byte(col.Index), byte(col.Index>>8))
	}
	if x.Nothing {
		b = append(b, '-')
	}
	b = binary.AppendUvarint(append(b, 's'), uint64(len(x.Shape)))
	return append(append(append(b, x.Shape...), 'w'), x.Where...)
}

// sql returns the ON CONFLICT clause.
func (x *Conflict) sql(t *Table, p InsertParts, in Inputs) (string, error) {
	var b strings.Builder
	b.WriteString(" ON CONFLICT (" + meta.List(x.Target) + ")")
	if x.Where != "" {
		b.WriteString(" WHERE (" + x.Where + ")")
	}
	if x.Nothing {
		b.WriteString(" DO NOTHING")
		return b.String(), nil
	}
	offered := func(col *meta.Column) string {
		if !leftToDefault(t, p, col) {
			return "EXCLUDED." + col.Quoted
		}
		return cmp.Or(in.Exprs[col], "t."+col.Quoted) // it may not be able to hold the zero value
	}
	sets, condition, err := (*plan.Conflict)(x).UpdateSQL(t.Table, offered)
	for _, col := range x.columns(t) {
		sets = append(sets, t.set(col, "t.", offered(col)))
	}
	b.WriteString(" DO UPDATE SET " + strings.Join(sets, ", "))
	if condition != "" {
		b.WriteString(" WHERE " + condition)
	}
	return b.String(), err
}

// offered are the columns of the row that could not be inserted that are in the
// text of the clause. A condition may have others in a part that does not matter.
func (x *Conflict) offered(t *Table) []*meta.Column {
	if len(x.Offered) == 0 {
		return nil
	}
	mark := func(col *meta.Column) string { return "\x00" + col.Quoted } // in no other text
	sets, condition, _ := (*plan.Conflict)(x).UpdateSQL(t.Table, mark)
	text := strings.Join(append(sets, condition), "")
	var columns []*meta.Column
	for _, col := range x.Offered {
		if strings.Contains(text, mark(col)) && !slices.Contains(columns, col) {
			columns = append(columns, col)
		}
	}
	return columns
}

// zeros makes arguments of the zero values that an upsert writes to a row that
// exists, in place of the defaults that a new row gets. All rows of a shape
// have the same ones. An empty string that its column cannot hold, such as one
// with an enum, says nothing: the row keeps its value.
func (st *Statement) zeros(t *Table, p InsertParts, in Inputs, x *Conflict, c *Catalog) {
	offered := x.offered(t)
	columns := x.columns(t)
	for _, col := range offered {
		if c.Columns[col.Name].Always && !slices.Contains(p.Columns, col) {
			st.Err = &smrt.QueryError{Reason: "column " + col.Name + " is GENERATED ALWAYS, so Excluded of it is a new number and not what the entity has"}
		}
		if !slices.Contains(columns, col) {
			columns = append(columns, col)
		}
	}
	for _, col := range columns {
		if !x.Nothing && leftToDefault(t, p, col) && c.holdsZero(col) {
			value := placeholder(len(p.Args) + len(st.Zeros))
			if slices.Contains(offered, col) { // where it stands, nothing may say what it is
				value += "::" + c.Columns[col.Name].Name
			}
			in.Exprs[col] = t.one(col, value)
			st.Zeros = append(st.Zeros, col)
		}
	}
	if in.From == "" {
		st.Columns, st.Zeros = append(slices.Clip(st.Columns), st.Zeros...), nil
	}
}

// leftToDefault reports whether an insert leaves a column to its default.
func leftToDefault(t *Table, p InsertParts, col *meta.Column) bool {
	return slices.Contains(t.Defaults, col) && !slices.Contains(p.Columns, col)
}

// columns are those that an existing row gets: the chosen ones and those the
// table keeps by itself; by default all but the target, the key and the time
// of creation.
func (x *Conflict) columns(t *Table) []*meta.Column {
	if len(x.Update)+len(x.Sets) == 0 {
		cols := slices.DeleteFunc(slices.Clone(t.Mutable), func(col *meta.Column) bool { return slices.Contains(x.Target, col) })
		if len(cols) == 0 {
			return x.Target[:1]
		}
		return cols
	}
	cols := slices.Clone(x.Update)
	for _, own := range t.own() {
		if !slices.Contains(cols, own) {
			cols = append(cols, own)
		}
	}
	return cols
}

// inserted is an expression that reports whether a row of the result is new. A
// row that an upsert updated has been locked by it, which shows in xmax. The
// rows of a partitioned table and of a view do not show it; there, a row is new if
// the statement's snapshot has none like it. If another transaction inserts
// the row between the snapshot and the conflict, that says "inserted" of a row
// that was updated.
func (x *Conflict) inserted(t *Table, c *Catalog) string {
	if !c.NoXmax {
		return "(t.xmax = 0)"
	}
	same := make([]string, len(x.Target))
	for i, col := range x.Target {
		same[i] = "smrt_before." + col.Quoted + " = t." + col.Quoted
	}
	return "NOT EXISTS (SELECT 1 FROM " + t.Quoted + " AS smrt_before WHERE " + strings.Join(same, " AND ") + ")"
}

// LeaveKey lets the database make the values of columns that are GENERATED
// ALWAYS AS IDENTITY: an entity that was read has one, which a new row cannot
// get, and by which the existing row is not looked for.
func (x *Conflict) LeaveKey(t *Table, c *Catalog, shape []byte) {
	for i, col := range t.Writable {
		if shape[i] == byValue && c.Columns[col.Name].Always && !slices.Contains(x.Target, col) {
			shape[i] = byServer
		}
	}
}

// Recognised reports whether the rows that come back have the target of the
// entities whose rows they are: an existing row keeps its own spelling of it.
func (x *Conflict) Recognised(c *Catalog) bool {
	return x.If == nil || !slices.ContainsFunc(x.Target, func(col *meta.Column) bool { return !c.Columns[col.Name].Exact })
}

// Exact reports whether the columns of rows come back as they were sent, and
// there are such columns.
// The server changes the form of others: it cuts times and numbers to their
// precision, fills up char(n), and drops blanks that varchar(n) has no room for.
func (t *Table) Exact(columns []*meta.Column, c *Catalog, rows Rows) bool {
	for _, col := range columns {
		typ := c.Columns[col.Name]
		if !col.Comparable() || typ.Base == pgtype.BPCharOID || col.Encode == meta.KindString && !typ.isText {
			return false
		}
		for i := 0; i < rows.N && col.Encode == meta.KindString; i++ {
			if strings.HasSuffix(*(*string)(unsafe.Add(rows.At(i), col.Offset)), " ") {
				return false
			}
		}
	}
	return len(columns) > 0
}

// AppendCatalog appends to the key of a statement what its text says of the
// catalog.
func (t *Table) AppendCatalog(b []byte, x *Conflict, c *Catalog) []byte {
	var flags byte
	if c.NoXmax {
		flags |= 1
	}
	if t.Guards(x, c) {
		flags |= 2
	}
	b = append(b, flags)
	for i := 0; x != nil && i < len(t.Defaults); i++ {
		b = append(b, plan.BoolByte(c.holdsZero(t.Defaults[i])))
	}
	for i := 0; x != nil && i < len(x.Offered); i++ {
		b = binary.AppendUvarint(b, uint64(c.Columns[x.Offered[i].Name].OID))
	}
	return b
}

// holdsZero reports whether a column can hold the zero value of its field. Types
// that a string is only a literal of, such as enums, have no empty text.
func (c *Catalog) holdsZero(col *meta.Column) bool {
	return col.Ptr || col.Encode != meta.KindString || c.Columns[col.Name].texts
}
