package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/verify"
)

// Security looks for holes in the net of policies: where a statement that names no tenant
// sees the rows of all, or learns of them. It says nothing of a database that has no
// policies, but for a note on tables that the program has declared with a tenant; those
// are given with the column. Whether policies are right it does not know.
func (a *Analysis) Security(s *catalog.Security, declared map[uint32]string) {
	uses := slices.ContainsFunc(s.Tables, func(t catalog.Secured) bool { return t.Policies > 0 })
	owners := map[uint32]string{} // the columns of tenants, of tables that are held
	for i := range a.Stores {
		store := &a.Stores[i]
		t := s.Table(store.OID)
		column := declared[store.OID]
		switch {
		case store.Parent != 0 || t == nil && column == "" || store.Kind == catalog.Materialized:
		case t != nil && t.Enabled:
			if column == "" && len(t.Columns) == 1 {
				column = t.Columns[0]
			}
			if owners[store.OID] = column; !t.Forced {
				a.add(Finding{
					ID: "C9", Level: verify.Warning, Table: store.OID, Object: store.Name, SQL: "ALTER TABLE " + store.Name + " FORCE ROW LEVEL SECURITY",
					Evidence: "its row security is not forced", Follows: "policies do not hold its owner, nor roles that have the owner's privileges",
				})
			}
		case t != nil && t.Policies > 0:
			a.add(Finding{
				ID: "C9", Level: verify.Warning, Table: store.OID, Object: store.Name, SQL: secure(store),
				Evidence: "it has policies, and its row security is not enabled", Follows: "the policies hold nobody",
			})
		default:
			a.checkPolicy(s, store, t, column, uses)
		}
	}
	if uses {
		a.checkRole(s)
		a.checkViews(s)
		a.checkKeys(s, owners)
		a.checkPartitions(s)
		a.checkFunctions(s)
	}
}

// secure returns the statements that let policies hold everybody.
func secure(s *catalog.Store) string {
	return "ALTER TABLE " + s.Name + " ENABLE ROW LEVEL SECURITY; ALTER TABLE " + s.Name + " FORCE ROW LEVEL SECURITY"
}

// checkPolicy is about a table without policies that has a tenant: it is declared, or the
// policies of other tables read a column of that name. The policy of one of them is what
// the table lacks.
func (a *Analysis) checkPolicy(s *catalog.Security, store *catalog.Store, t *catalog.Secured, column string, uses bool) {
	f := Finding{ID: "C9", Level: verify.Note, Table: store.OID, Object: store.Name, Follows: "SQL that names no tenant sees the rows of all"}
	if column == "" {
		column = t.Shared[0]
	}
	if f.Evidence = "its rows have a tenant, " + column + ", and it has no policy"; uses {
		f.Level = verify.Warning
	}
	if like := s.Like(column); like != nil {
		f.Evidence += ", as " + a.Store(like.OID).Name + " has"
		f.SQL = "CREATE POLICY tenant ON " + store.Name + " USING " + like.Policy + "; " + secure(store)
	}
	a.add(f)
}

// checkRole is about the role that asks, which may be that of the program.
func (a *Analysis) checkRole(s *catalog.Security) {
	what := map[bool]string{true: "is a superuser", false: "has BYPASSRLS"}[s.Super]
	if s.Super || s.Bypass {
		a.add(Finding{
			ID: "C9", Level: verify.Note, Object: "role " + s.Role, Evidence: "it " + what + ", and looks at this database now",
			Follows: "policies hold nothing of what a program does as this role: let it connect as another",
		})
	}
}

// checkViews is about views that show rows to whoever may read them.
func (a *Analysis) checkViews(s *catalog.Security) {
	for _, v := range s.Views {
		f := Finding{ID: "C9", Level: verify.Warning, Object: v.Name}
		switch {
		case v.Materialized:
			f.Evidence, f.Follows = "it is materialized, from "+v.Table, "it has the rows that were seen when it was refreshed, and shows them to every tenant: let no tenant read it"
		default:
			f.Evidence = "it reads " + v.Table + " with the rights of " + v.Owner + ", whom policies do not hold"
			f.Follows = "it shows the rows of all tenants"
			if f.SQL = "ALTER VIEW " + v.Name + " OWNER TO ..."; a.Major >= 15 {
				f.SQL = "ALTER VIEW " + v.Name + " SET (security_invoker = true)"
			}
		}
		a.add(f)
	}
}

// checkPartitions is about partitions that roles may name: the policies of a table hold
// those who name the table.
func (a *Analysis) checkPartitions(s *catalog.Security) {
	for _, p := range s.Partitions {
		names, roles := strings.Join(p.Names, ", "), strings.Join(p.Roles, ", ")
		a.add(Finding{
			ID: "C9", Level: verify.Warning, Table: p.Table, Object: p.Names[0], SQL: "REVOKE ALL ON " + names + " FROM " + roles,
			Evidence: fmt.Sprintf("it is a partition of %s, without row security of its own, and granted to %s%s", a.Store(p.Table).Name, roles, more(len(p.Names)-1)),
			Follows:  "policies of the table do not hold whoever names the partition: grant the table alone",
		})
	}
}

// more says that what was found is so of n others, too.
func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; so are %d more", n)
}

// checkFunctions is about functions that see the rows of all for whoever may call them.
// What one reads is not known; that it names a table is a sign.
func (a *Analysis) checkFunctions(s *catalog.Security) {
	for _, d := range s.Functions {
		f := Finding{
			ID: "C9", Level: verify.Note, Object: d.Name, Evidence: "it is SECURITY DEFINER, with the rights of " + d.Owner + ", whom policies do not hold",
			Follows: "what it reads and writes is of all tenants: let it be owned by a role that policies hold, or grant it to no tenant", SQL: "ALTER ROUTINE " + d.Name + " SECURITY INVOKER",
		}
		if d.Table != "" {
			f.Level = verify.Warning
			f.Evidence += ", and names " + d.Table
		}
		a.add(f)
	}
}

// checkKeys is about keys among the rows of all tenants. One whose values
// a sequence makes, or that is a UUID, is not reported: it tells of nobody.
func (a *Analysis) checkKeys(s *catalog.Security, owners map[uint32]string) {
	for i := range a.Searches {
		x := &a.Searches[i]
		column := owners[x.Table]
		if column == "" || !x.Unique || x.Partition || slices.Contains(x.Columns, column) || len(x.Columns) == 1 && slices.Contains(s.Table(x.Table).Made, x.Columns[0]) {
			continue
		}
		a.add(Finding{
			ID: "C9", Level: verify.Warning, Table: x.Table, Object: x.Name, Evidence: "it is unique among the rows of all tenants, without " + column,
			Follows: "a tenant learns which values others have, and cannot use them: let it begin with " + column,
		})
	}
	for _, k := range s.Parents {
		at := slices.IndexFunc(a.Foreign, func(r catalog.Reference) bool { return r.Table == k.Table && r.Name == k.Name })
		column := owners[k.Table]
		if at < 0 || column == "" || owners[k.Target] == "" || slices.Contains(a.Foreign[at].Columns, column) {
			continue
		}
		a.add(Finding{
			ID: "C9", Level: verify.Note, Table: k.Table, Object: a.Store(k.Table).Name + " " + k.Name, Evidence: "the foreign key is without " + column,
			Follows: "a row may refer to one of another tenant, which nobody of its own sees: let it be (" + column + ", " + strings.Join(a.Foreign[at].Quoted, ", ") + ")",
		})
	}
}
