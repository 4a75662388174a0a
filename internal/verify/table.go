package verify

import (
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/catalog"
)

// checkRoles looks at what soft deletion needs. A row that was deleted softly is still
// there for a unique index and an exclusion constraint, unless that is of the other rows
// only. The primary key is left out: a key is not used again.
func (s *subject) checkRoles() {
	if s.SoftDelete == nil || s.ReadOnly {
		return
	}
	key := columnNames(s.KeyColumns())
	for i := range s.in.Indexes {
		x := &s.in.Indexes[i]
		columns, plain := x.Columns()
		switch {
		case !x.Unique && x.Excludes == "" || x.Primary || x.On(key) || x.Predicate != "" && slices.Contains(x.Depends, s.SoftDelete.Name):
		case x.Excludes != "":
			s.excludesDeleted(x)
		case slices.Contains(columns, s.SoftDelete.Name) || s.uniqueWithDeleted(columns):
		default:
			f := Finding{
				Check: CheckSoftDelete, Level: Warning, Column: strings.Join(columns, ", "), Go: "schema.UniqueWithDeleted if that is meant",
				Problem: "is unique among deleted rows too, by " + x.Name + ": a value cannot be used again after its row was deleted softly",
			}
			if plain && s.replaceable(x) {
				f.SQL = "CREATE UNIQUE INDEX ON " + s.Quoted + " (" + quoteAll(columns) + ") WHERE " + s.SoftDelete.Quoted + " IS NULL; "
				if x.Constraint != "" {
					f.SQL += "ALTER TABLE " + s.Quoted + " DROP CONSTRAINT " + quote(x.Constraint)
				} else {
					f.SQL += "DROP INDEX " + x.Name
				}
			}
			s.add(f)
		}
	}
}

// excludesDeleted adds the finding of an exclusion constraint, unless one of its
// expressions is about deletion, such as a range that ends with it.
func (s *subject) excludesDeleted(x *catalog.Index) {
	columns := x.Named()
	if slices.Contains(columns, s.SoftDelete.Name) || s.uniqueWithDeleted(columns) {
		return
	}
	f := Finding{
		Check: CheckSoftDelete, Level: Warning, Column: strings.Join(columns, ", "), Go: "schema.UniqueWithDeleted if that is meant",
		Problem: "is compared with deleted rows too, by " + x.Constraint + ": a row that was deleted softly still excludes others",
	}
	if x.Predicate == "" && x.Immediate && s.in.Kind == catalog.Ordinary {
		name := quote(x.Constraint)
		f.SQL = "ALTER TABLE " + s.Quoted + " DROP CONSTRAINT " + name + ", ADD CONSTRAINT " + name + " " + x.Excludes +
			" WHERE (" + s.SoftDelete.Quoted + " IS NULL)"
	}
	s.add(f)
}

// replaceable reports whether an index on columns says nothing that the statement that
// replaces it would lose, and nothing refers to it.
func (s *subject) replaceable(x *catalog.Index) bool {
	own := func(k catalog.IndexKey) bool { return !k.Plain }
	return x.Predicate == "" && !x.Includes && !x.NullsEqual && !x.Referenced && s.in.Kind == catalog.Ordinary && !slices.ContainsFunc(x.Keys, own)
}

func (s *subject) uniqueWithDeleted(columns []string) bool {
	return slices.ContainsFunc(s.uses, func(u Use) bool {
		x := catalog.Index{}
		for _, c := range columns {
			x.Keys = append(x.Keys, catalog.IndexKey{Column: c})
		}
		return u.Table == s.Table && len(u.Unique) > 0 && x.On(u.Unique)
	})
}

// checkServer looks for what the database does besides, which no declaration says: row
// security, of which it matters whether the role is exempt, and indexes that a failed
// CREATE INDEX CONCURRENTLY left behind.
func (s *subject) checkServer() {
	if !s.ReadOnly {
		s.checkTriggers()
	}
	force := ""
	if s.in.Forceable {
		force = "ALTER TABLE " + s.Quoted + " FORCE ROW LEVEL SECURITY"
	}
	if s.in.Inherited && !s.ReadOnly {
		s.add(Finding{
			Check: CheckServer, Level: Warning,
			Problem: "is inherited by other tables, whose rows it has too: a key is unique in each of them only, so one key may be several rows",
		})
	}
	switch {
	case s.in.Exempt:
		s.add(Finding{
			Check: CheckServer, Level: Warning, SQL: force,
			Problem: "has row security, from which the role " + s.in.Role + " is exempt as owner, superuser or by BYPASSRLS: it sees and writes all rows",
			Go:      "connect as a role of its own",
		})
	case s.in.Secured:
		s.add(Finding{Check: CheckServer, Level: Note, Problem: "has row security: policies decide which rows the role " + s.in.Role + " sees"})
	}
	for i := range s.in.Indexes {
		if x := &s.in.Indexes[i]; !x.Valid {
			f := Finding{
				Check: CheckIndex, Level: Warning, SQL: "REINDEX INDEX CONCURRENTLY " + x.Name,
				Problem: "has the index " + x.Name + ", which is not complete: no query uses it, every write maintains it",
			}
			if s.in.Kind == catalog.Partitioned {
				f.SQL, f.Problem = "", "has the index "+x.Name+", which is not on all partitions yet: attach an index of each to it"
			}
			s.add(f)
		}
	}
}

// checkTriggers looks for triggers that may change a row before it is written, and for
// rules. What a trigger does cannot be known. It is no finding if the declaration
// says that something comes back, or that rows may be left out; of one that runs for
// updates only, the time of the change is what it is most likely there for.
func (s *subject) checkTriggers() {
	for _, g := range s.in.Triggers {
		shown := s.MayLeaveOut || len(s.ReadBack)+len(s.Computed) > 0 || s.UpdatedAt != nil && !g.Insert
		if g.Before && g.Row && (g.Insert || g.Update) && !shown {
			s.add(Finding{
				Check: CheckServer, Level: Warning, Go: "query.ReadBack for the columns that it sets, query.MayLeaveOut if it leaves out rows",
				Problem: "has the trigger " + quote(g.Name) + " (" + g.Function + "), which may change rows before they are written: the entity would not show it",
			})
		}
	}
	for _, rule := range s.in.Rules {
		if s.in.Kind == catalog.View {
			continue // it is what makes the view one that can be written
		}
		s.add(Finding{
			Check: CheckServer, Level: Warning,
			Problem: "has the rule " + quote(rule) + ", which puts other statements in the place of those that are sent: counts of rows and rows that come back may be others",
		})
	}
}
