package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/relation"
)

// checkRelations looks at the relations that lead from the table, which the program has
// declared when it calls Verify: most are package variables.
func (s *subject) checkRelations() {
	for _, r := range Relations(s.Table) {
		e := edge{subject: s, site: r.Site, name: r.Kind + " " + r.Parent + " -> " + r.Child}
		for _, ends := range ForeignKeys(r) {
			e.references(ends[0], ends[1])
		}
		switch r.Kind {
		case "has-one", "has-many":
			e.lookup(r.To, r.Kind == "has-one")
		case "many-to-many":
			e.lookup(r.Left, false) // the other column is that of the relation in the other direction
		}
	}
}

// ForeignKeys returns what references what in a relation.
func ForeignKeys(r relation.Relation) [][2]relation.End {
	switch r.Kind {
	case "belongs-to":
		return [][2]relation.End{{r.From, r.To}}
	case "has-one", "has-many":
		return [][2]relation.End{{r.To, r.From}}
	case "many-to-many":
		return [][2]relation.End{{r.Left, r.From}, {r.Right, r.To}}
	}
	return nil
}

// edge is a relation that is looked at.
type edge struct {
	*subject        // the table that it leads from
	site     string // of the relation's declaration
	name     string // for messages: its kind and both entities
}

// add adds a finding of a relation, about columns of one of its tables. Both directions
// of a relation find the same, of which the first is kept.
func (e *edge) add(f Finding, at relation.End) {
	f.Site, f.Table, f.Column = e.site, Unquoted(at.Table), strings.Join(at.Columns, ", ")
	said := func(g Finding) bool {
		return g.Check == f.Check && g.Table == f.Table && g.Column == f.Column && g.SQL == f.SQL
	}
	if !slices.ContainsFunc(e.found, said) { // by the other direction of the relation
		e.found = append(e.found, f)
	}
}

// references looks for the foreign key of a relation. Loads do not need one, so that it
// is missing is a note. Types that differ are more: the server compares an integer with
// a bigint, but refuses to compare a text with one.
func (e *edge) references(from, to relation.End) {
	child, parent := e.relation(from.Table), e.relation(to.Table)
	if !e.exists(from) || !e.exists(to) {
		return
	}
	for i := range from.Columns {
		a, b := child.Column(from.Columns[i]), parent.Column(to.Columns[i])
		if a.Base != b.Base {
			f := Finding{
				Check: CheckForeignKey, Level: Fault,
				Problem: fmt.Sprintf("is %s, and refers to %s of %s, which is %s (%s)", a.Type, to.Columns[i], Unquoted(to.Table), b.Type, e.name),
			}
			if family(a.Base) == family(b.Base) || family(a.Base) == "" || family(b.Base) == "" {
				f.Level = Warning // there are operators between them, or it is not known
			}
			if wireBits(a.Base) > 0 && wireBits(b.Base) > wireBits(a.Base) && a.Type == a.TypeName {
				f.SQL = "ALTER TABLE " + from.Table + " ALTER COLUMN " + meta.Quote(a.Name) + " TYPE " + b.TypeName
			}
			e.add(f, from)
		}
	}
	if child.Kind != catalog.Ordinary && child.Kind != catalog.Partitioned || parent.Kind != catalog.Ordinary && parent.Kind != catalog.Partitioned {
		return // neither views nor foreign tables have any
	}
	for _, k := range child.Foreign {
		if k.Target != parent.OID || !pairs(k, from.Columns, to.Columns) {
			continue
		}
		if !k.Validated || !k.Enforced {
			e.add(Finding{
				Check: CheckForeignKey, Level: Note, SQL: "ALTER TABLE " + from.Table + " VALIDATE CONSTRAINT " + quote(k.Name),
				Problem: "has the foreign key " + quote(k.Name) + ", which was not validated or is not enforced: rows may refer to none (" + e.name + ")",
			}, from)
		}
		return
	}
	e.add(Finding{
		Check: CheckForeignKey, Level: Note,
		Problem: "has no foreign key to " + Unquoted(to.Table) + ": rows may refer to none, and a unit of work does not know which rows to write first (" + e.name + ")",
		SQL:     "ALTER TABLE " + from.Table + " ADD FOREIGN KEY (" + quoteAll(from.Columns) + ") REFERENCES " + to.Table + " (" + quoteAll(to.Columns) + ")",
	}, from)
}

// lookup looks for an index that finds rows by columns, one that is unique for a
// relation to at most one row. A load sends all keys at once, so the order of the
// columns does not matter as long as they come first.
func (e *edge) lookup(end relation.End, unique bool) {
	r := e.relation(end.Table)
	if !hasColumns(r, end.Columns) || r.Kind == catalog.View || r.Kind == catalog.Foreign {
		return
	}
	index := "INDEX "
	if r.Kind != catalog.Partitioned {
		index += "CONCURRENTLY "
	}
	indexed := false
	for i := range r.Indexes {
		x := &r.Indexes[i]
		if !x.Valid || x.Predicate != "" && !e.softly(r, x) && !isNotNull(x, end.Columns) {
			continue
		}
		if columns, ok := x.Columns(); ok && x.Unique && !slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(end.Columns, c) }) {
			return // at most one row has the values
		}
		indexed = indexed || x.Method == "btree" && x.BeginsWith(end.Columns) || x.Method == "hash" && x.On(end.Columns)
	}
	on := "ON " + end.Table + " (" + quoteAll(end.Columns) + ")"
	switch {
	case unique:
		e.add(Finding{
			Check: CheckIndex, Level: Warning, SQL: "CREATE UNIQUE " + index + on, Go: "declare it with preload.HasMany",
			Problem: "is not unique: where several rows refer to one, loading returns smrt.ErrTooManyRows (" + e.name + ")",
		}, end)
	case !indexed:
		e.add(Finding{
			Check: CheckIndex, Level: Warning, SQL: "CREATE " + index + on,
			Problem: "begins no index: a load reads the whole table (" + e.name + ")",
		}, end)
	}
}

// softly reports whether an index is of the rows that are not deleted softly, which
// are those that a relation leads to. The server prints such a predicate in one way only,
// so that its text can be compared.
func (e *edge) softly(r *catalog.Relation, x *catalog.Index) bool {
	for _, t := range e.tables {
		if e.relation(t.Quoted) == r {
			return t.SoftDelete != nil && isPredicate(x, t.SoftDelete.Name, "IS NULL")
		}
	}
	return len(x.Depends) > 0 // of a table that is not verified it is not known
}

// isNotNull reports whether an index leaves out rows only that have NULL in one of the
// columns, which no load looks for.
func isNotNull(x *catalog.Index, columns []string) bool {
	return slices.ContainsFunc(columns, func(c string) bool { return isPredicate(x, c, "IS NOT NULL") })
}

// isPredicate reports whether the predicate of an index asks this of a column.
func isPredicate(x *catalog.Index, column, what string) bool {
	return x.Predicate == "("+column+" "+what+")" || x.Predicate == "("+quote(column)+" "+what+")"
}

// exists reports whether an end of the relation is there. If not, that is said where its
// table is verified, or here if it is not.
func (e *edge) exists(end relation.End) bool {
	r := e.relation(end.Table)
	verified := slices.ContainsFunc(e.tables, func(t *plan.Table) bool { return t.Quoted == end.Table })
	switch {
	case hasColumns(r, end.Columns):
		return true
	case verified:
	case r == nil:
		e.add(Finding{Check: CheckTable, Level: Fault, Problem: "does not exist, or is in no schema of the search_path: every load of the relation fails (" + e.name + ")"}, end)
	default:
		e.add(Finding{Check: CheckColumn, Level: Fault, Problem: "does not exist: every load of the relation fails (" + e.name + ")"}, end)
	}
	return false
}

// hasColumns reports whether a relation is there with all of the columns. If not, that
// is said where its table is verified, and nothing can be said of its relations.
func hasColumns(r *catalog.Relation, columns []string) bool {
	return r != nil && !slices.ContainsFunc(columns, func(name string) bool { return r.Column(name) == nil })
}

// pairs reports whether a foreign key pairs these columns, in any order: a key of the
// same columns that pairs them otherwise refers to other rows.
func pairs(k catalog.ForeignKey, from, to []string) bool {
	if len(k.Columns) != len(from) {
		return false
	}
	for i := range from {
		at := slices.Index(k.Columns, from[i])
		if at < 0 || k.References[at] != to[i] {
			return false
		}
	}
	return true
}

// family returns what types that the server compares with each other have in common, ""
// for those of which it is not known.
func family(oid uint32) string {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID:
		return "number"
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID:
		return "text"
	case pgtype.UUIDOID:
		return "uuid"
	case pgtype.BoolOID:
		return "boolean"
	case pgtype.ByteaOID:
		return "bytea"
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return "time"
	}
	return ""
}

// quote returns a name as SQL.
func quote(name string) string { return meta.Quote(name) }

// quoteAll returns names as a list in SQL.
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = meta.Quote(name)
	}
	return strings.Join(quoted, ", ")
}

// Unquoted returns a quoted name as it is declared.
func Unquoted(table string) string {
	return strings.ReplaceAll(strings.Trim(strings.ReplaceAll(table, `"."`, "."), `"`), `""`, `"`)
}
