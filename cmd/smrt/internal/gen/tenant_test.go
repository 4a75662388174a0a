package gen_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/cmd/smrt/internal/gen"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// TestTenantIsProposed: a column that policies read, or that most tables have, is
// proposed and not declared. The line that is printed declares it, in keys too, and an
// empty list ends the note. In a database without such a column there is none.
func TestTenantIsProposed(t *testing.T) {
	t.Parallel()
	c := newCompiler(t)
	for name, tc := range map[string]struct {
		sql, says, config string
		declared          []string
	}{
		"most tables": {
			`CREATE TABLE orgs (id bigint PRIMARY KEY, name text NOT NULL);
			CREATE TABLE posts (org_id bigint NOT NULL REFERENCES orgs, id bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL, PRIMARY KEY (org_id, id));
			CREATE TABLE likes (id bigint PRIMARY KEY, org_id bigint NOT NULL, post_id bigint NOT NULL, name text NOT NULL, FOREIGN KEY (org_id, post_id) REFERENCES posts);
			CREATE TABLE tags (id bigint PRIMARY KEY, org_id bigint NOT NULL, name text NOT NULL);
			CREATE VIEW seen AS SELECT org_id FROM tags`,
			`column "org_id" stands in 3 of 4 tables, and policies of 0 read it`, "roles: {tenant: [org_id]}",
			[]string{"tablePosts", "tableLikes", "tableTags"},
		},
		"a policy": {
			`CREATE TABLE a (id bigint PRIMARY KEY, owner text NOT NULL, x_id bigint NOT NULL); CREATE TABLE b (id bigint PRIMARY KEY, x_id bigint NOT NULL);
			CREATE TABLE c (id bigint PRIMARY KEY, x_id bigint NOT NULL); CREATE POLICY own ON a USING (owner = current_setting('app.owner', true))`,
			`column "owner" stands in 1 of 3 tables, and policies of 1 read it`, "roles: {tenant: [owner]}",
			[]string{"tableA"},
		},
		"few tables":    {sql: `CREATE TABLE a (id bigint PRIMARY KEY, x_id bigint NOT NULL); CREATE TABLE b (id bigint PRIMARY KEY, x_id bigint NOT NULL)`},
		"can be NULL":   {sql: `CREATE TABLE a (id bigint PRIMARY KEY, x_id bigint); CREATE TABLE b (id bigint PRIMARY KEY, x_id bigint); CREATE TABLE c (id bigint PRIMARY KEY, x_id bigint)`},
		"another type":  {sql: `CREATE TABLE a (id bigint PRIMARY KEY, x_id date NOT NULL); CREATE TABLE b (id bigint PRIMARY KEY, x_id date NOT NULL); CREATE TABLE c (id bigint PRIMARY KEY, x_id date NOT NULL)`},
		"the key alone": {sql: `CREATE TABLE a (x_id bigint PRIMARY KEY); CREATE TABLE b (x_id bigint PRIMARY KEY); CREATE TABLE c (x_id bigint PRIMARY KEY)`},
	} {
		t.Run(name, func(t *testing.T) {
			pool := testdb.Pool(t, testdb.Empty)
			check.Value(pool.Exec(t.Context(), tc.sql))(t)
			relations := relationsOf(t, pool, "public")
			result := c.generate(t, relations, "public", "")
			proposed := findings(result, "tenant")
			if strings.Contains(file(t, result, "tables.go"), "query.Tenant") {
				t.Error("a tenant is declared that nobody asked for")
			}
			if tc.says == "" {
				check.Equal(t, "proposals", proposed, nil)
				return
			}
			if len(proposed) != 1 || !strings.Contains(proposed[0], tc.says) {
				t.Fatalf("proposed %q, want %q", proposed, tc.says)
			}
			at := slices.IndexFunc(result.Findings, func(f gen.Finding) bool { return f.Rule == "tenant" })
			check.Same(t, "line", result.Findings[at].Config, tc.config)
			pasted := c.generate(t, relations, "public", tc.config)
			check.Equal(t, "proposals when it is declared", findings(pasted, "tenant"), nil)
			check.Equal(t, "faults", pasted.Failed(), false)
			all := declared(t, file(t, pasted, "tables.go"))
			for table, text := range all {
				if got := strings.Contains(text, "query.Tenant("); got != slices.Contains(tc.declared, table) {
					t.Errorf("%s has a tenant: %v\n%s", table, got, text)
				}
			}
			check.Equal(t, "proposals when it is refused", findings(c.generate(t, relations, "public", "roles: {tenant: []}"), "tenant"), nil)
		})
	}
}
