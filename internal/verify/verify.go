package verify

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/relation"
)

// Level says how much a finding matters.
type Level int8

// The levels, in rising order.
const (
	Note    Level = iota // nothing follows now
	Warning              // wrong or slow for some rows, later or under load
	Fault                // a call fails, or does something else than declared
)

// The checks, by which findings are told apart.
const (
	CheckTable      = "table"       // it exists, and the role may use it
	CheckColumn     = "column"      // it exists
	CheckType       = "type"        // the field and the column hold the same values
	CheckNull       = "null"        // the field can hold NULL if the column can
	CheckKey        = "key"         // it is unique, and somebody makes it
	CheckDefault    = "default"     // who sets a column that the program does not
	CheckSoftDelete = "soft-delete" // what soft deletion needs
	CheckForeignKey = "foreign-key" // a relation has one
	CheckIndex      = "index"       // relations and pages have one, and none is incomplete
	CheckConflict   = "conflict"    // the server finds its index
	CheckEnum       = "enum"        // its labels are valid in the program
	CheckRule       = "rule"        // rules for values are those of the database
	CheckServer     = "server"      // nothing changes or hides rows in silence
)

// Finding is a difference between a declaration and the database.
type Finding struct {
	Check  string
	Level  Level
	Site   string // file:line of the declaration
	Table  string // as declared
	Column string // "" for none, or several with commas

	Problem string // what the database has, and what follows
	SQL     string // a statement that ends the finding, "" for none
	Go      string // what to change in the program, "" for nothing
}

// Use is how a program uses a table beyond its declaration.
type Use struct {
	Table    *plan.Table
	Site     string
	Conflict *plan.Conflict // upserts
	Order    []meta.Order   // pages
	Unique   []string       // columns that are unique among deleted rows too
}

// Tables compares tables with a database. It is one statement, and one for each
// conflict.
func Tables(ctx context.Context, db smrt.DB, tables []*plan.Table, uses []Use) ([]Finding, error) {
	v := verifier{tables: tables, uses: uses, asked: map[string]*catalog.Relation{}}
	if err := v.ask(ctx, db); err != nil {
		return nil, err
	}
	for _, t := range v.tables {
		s := subject{verifier: &v, Table: t, in: v.relation(t.Quoted)}
		if !s.checkTable() {
			continue // there is nothing to compare
		}
		s.checkColumns()
		s.checkKey()
		s.checkRoles()
		s.checkServer()
		s.checkRelations()
		if err := s.checkUses(ctx, db); err != nil {
			return nil, err
		}
	}
	return v.found, nil
}

// verifier is one call of Tables.
type verifier struct {
	tables []*plan.Table
	uses   []Use
	asked  map[string]*catalog.Relation // by quoted name; nil: there is none
	types  *pgtype.Map
	found  []Finding
}

// Relations returns the declared relations that lead from a table. A recursive one is
// left out: it follows another one.
func Relations(t *plan.Table) []relation.Relation {
	var found []relation.Relation
	for _, r := range relation.All() {
		if r.From.Table == t.Quoted && r.Parent == t.Struct.Type.String() && r.Kind != "recursive" {
			found = append(found, r)
		}
	}
	return found
}

// Names returns the quoted names of tables and of those that their relations lead to
// or through, sorted.
func Names(tables []*plan.Table) []string {
	names := map[string]bool{}
	for _, t := range tables {
		names[t.Quoted] = true
		for _, r := range Relations(t) {
			for _, end := range []relation.End{r.To, r.Left} {
				if end.Table != "" {
					names[end.Table] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// ask reads the catalog.
func (v *verifier) ask(ctx context.Context, db smrt.DB) error {
	names := Names(v.tables)
	relations, types, err := catalog.Relations(ctx, db, names)
	if err != nil {
		return err
	}
	v.types = types
	for i, r := range relations {
		v.asked[names[i]] = r
	}
	return nil
}

// relation returns what the database says of a table, nil if it has none.
func (v *verifier) relation(quoted string) *catalog.Relation { return v.asked[quoted] }

// subject is a declared table and what the database has under its name.
type subject struct {
	*verifier
	*plan.Table                   // as declared
	in          *catalog.Relation // as it is, nil if it is not there
}

// add adds a finding of the table.
func (s *subject) add(f Finding) {
	f.Table = s.Name
	if f.Site == "" {
		f.Site = s.Site
	}
	s.found = append(s.found, f)
}

// alter returns a statement that changes a column.
func (s *subject) alter(c *meta.Column, action string) string {
	return "ALTER TABLE " + s.Quoted + " ALTER COLUMN " + c.Quoted + " " + action
}

// isTable reports whether the relation has constraints of its own, as views do not.
func (s *subject) isTable() bool {
	return s.in.Kind == catalog.Ordinary || s.in.Kind == catalog.Partitioned
}

// mayChange reports whether a row trigger may change rows before they are inserted, so
// that it is not known which columns get a value.
func (s *subject) mayChange() bool {
	return slices.ContainsFunc(s.in.Triggers, func(g catalog.Trigger) bool { return g.Before && g.Row && g.Insert })
}

// checkTable reports whether there is a table to look at further. A view may be declared
// as a table if it takes all kinds of writes, be it by itself or by triggers. A role
// that must not write is a warning only: some programs only read, and say so nowhere.
func (s *subject) checkTable() bool {
	if s.in == nil {
		s.add(Finding{
			Check: CheckTable, Level: Fault, SQL: s.create(),
			Problem: "does not exist, or is in no schema of the search_path: every call fails",
		})
		return false
	}
	kind := s.in.Kind
	switch {
	case !slices.Contains([]catalog.Kind{catalog.Ordinary, catalog.Partitioned, catalog.View, catalog.Materialized, catalog.Foreign}, kind):
		s.add(Finding{Check: CheckTable, Level: Fault, Problem: "is a " + kind.String() + ", which has no rows to work with: every call fails", Go: "name a table or a view"})
		return false
	case !s.ReadOnly && !s.isTable() && len(s.in.Writable) < 3:
		s.add(Finding{
			Check: CheckTable, Level: Fault, Go: "declare it with query.NewView",
			Problem: "is a " + kind.String() + " that takes " + list(s.in.Writable, "no writes") + ": the other writes fail",
		})
	}
	s.checkPrivileges()
	return true
}

// checkPrivileges looks at what the role may do. Privileges on columns will do for those
// that are declared.
func (s *subject) checkPrivileges() {
	grant := func(level Level, privilege, on, problem, change string) {
		s.add(Finding{Check: CheckTable, Level: level, SQL: "GRANT " + privilege + " ON " + on + " TO " + s.in.Role, Problem: problem, Go: change})
	}
	if !s.in.Usable {
		grant(Fault, "USAGE", "SCHEMA "+s.in.SchemaName, "is in a schema on which the role "+s.in.Role+" lacks USAGE: every call returns permission denied", "")
	}
	needed := []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	if s.ReadOnly {
		needed = needed[:1]
	}
	for _, privilege := range needed {
		switch lacks := s.lacks(privilege); {
		case !lacks:
		case privilege == "SELECT":
			grant(Fault, privilege, s.Quoted, "may not be read by the role "+s.in.Role+", which lacks SELECT on it or on a declared column: calls return permission denied", "")
		default:
			grant(Warning, privilege, s.Quoted, "lacks "+privilege+" for the role "+s.in.Role+": calls that need it return permission denied", "declare it with query.NewView if it is only read")
		}
	}
}

// lacks reports whether the role may not do something with a declared column, or with any.
func (s *subject) lacks(privilege string) bool {
	if s.in.May(privilege) {
		return false
	}
	may := false
	for _, c := range s.Struct.Columns {
		in := s.in.Column(c.Name)
		switch {
		case in == nil || privilege == "INSERT" && (slices.Contains(s.Computed, c) || s.MadeByServer(c)):
		case privilege == "UPDATE" && (slices.Contains(s.Computed, c) || s.IsKey(c) || c == s.CreatedAt):
		case !in.May(privilege):
			return true
		default:
			may = true
		}
	}
	return !may
}

func list(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return strings.Join(names, ", ")
}

// create returns a statement that creates the table as it is declared, which is what a
// first migration could begin with: it has the key, the types and what cannot be NULL,
// and none of the constraints and indexes that no declaration knows.
func (s *subject) create() string {
	if s.ReadOnly {
		return ""
	}
	var parts []string
	for _, c := range s.Struct.Columns {
		part := c.Quoted + " " + sqlType(c, s.types)
		switch {
		case s.MadeByServer(c) && c.IsInteger():
			part += " GENERATED BY DEFAULT AS IDENTITY"
		case !c.Nullable || s.IsKey(c):
			part += " NOT NULL"
		}
		if z := zero(c, nil); (slices.Contains(s.Defaults, c) || s.MadeByServer(c) && !c.IsInteger()) && z != "" {
			part += " DEFAULT " + z
		}
		parts = append(parts, part)
	}
	if len(s.Key) > 0 {
		parts = append(parts, "PRIMARY KEY ("+meta.List(s.KeyColumns())+")")
	}
	return "CREATE TABLE " + s.Quoted + " (" + strings.Join(parts, ", ") + ")"
}
