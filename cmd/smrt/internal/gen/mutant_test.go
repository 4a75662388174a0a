package gen_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded removes rules, one at a time, and sees a test fail for each.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"a name reads one foreign key and not what others share", "relation.go",
			"len(r.fields) == 1 || f.column != r.to.key[i].column", "len(r.fields) == 1 || len(r.from.rel.Foreign) > 1 && f.column != r.to.key[i].column",
			"TestNamesAreStable",
		},
		{
			"the way back is named by its foreign key unless that is called like the parent", "relation.go",
			"r.name != r.to.structure.name || r.to.hasColumn(name)", "len(r.from.toOne) > 1",
			"TestNamesAreStable",
		},
		{
			"a boolean, a number and a text have no Default", "role.go",
			"if holdsNullType(t) ||", "if true || holdsNullType(t) ||",
			"TestRules",
		},
		{"a tenant is part of a key", "role.go", "&& !(r.ofKey && slices.Contains(t.key, f))", "", "TestTenantIsProposed"},
		{"few tables propose no tenant", "tenant.go", "n >= leastTenantTables && 2*n > tables", "2*n > tables", "TestTenantIsProposed"},
		{"what policies read comes first", "tenant.go", "policed[name] > policed[best] || policed[name] == policed[best]", "policed[name] == policed[name]", "TestTenantIsProposed"},
		{"only a unique key that holds for all rows makes a relation to one", "relation.go", `&& x.Unique && x.Valid`, `&& x.Valid`, "TestRules"},
		{"a relation is never called like a column", "relation.go", "if r.from.hasColumn(name) {", "if false {", "TestRules"},
		{"names that clash stop the run", "relation.go", "if other.name == m.name {", "if false {", "TestRandomSchemas"},
		{"a file of the user's is not replaced", "gen.go", "err == nil && !bytes.HasPrefix(old, []byte(header))", "false && err == nil", "TestMatch"},
		{"what does not compile is not written", "gen.go", "_, err = r.load(out, r.overlay)\n\treturn err", "return nil", "TestMatch"},
		{"the structs of sqlc's queries are nobody's rows", "structs.go", `strings.HasSuffix(file, ".sql.go")`, `strings.HasSuffix(file, ".sq.go")`, "TestMatch"},
		{"a struct is a column only with a tag", "structs.go", `if tag == "" && !isValue(f.Type()) {`, `if false {`, "TestColumnsOfStructs"},
		{"an integer key that the database does not make is the program's", "table.go", `option{name: "KeyByClient"}`, `option{name: "KeyByDatabase"}`, "TestRules"},
	})
}
