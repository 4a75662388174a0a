package analyze_test

import (
	"context"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/schema"
)

// policied gives carts a tenant and a policy.
const policied = `ALTER TABLE carts ADD tenant_id bigint, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY own ON carts USING (tenant_id = nullif(current_setting('app.tenant', true), '')::bigint); `

// TestNoHoles has policies that hold everybody: keys made by the database, keys that begin
// with the tenant, a partition that nobody may name or that has policies of its own, a table
// without tenants, a view and a function whose owner is held, a function of its owner, and
// from version 15 on views that have the rights of who asks.
func TestNoHoles(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.SQL("policies", `
		CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id bigint NOT NULL, slug text, public uuid UNIQUE, UNIQUE (tenant_id, slug), UNIQUE (tenant_id, id));
		CREATE TABLE parts (tenant_id bigint, id bigserial, note_id bigint, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, note_id) REFERENCES notes (tenant_id, id)) PARTITION BY HASH (tenant_id);
		CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE INDEX ON parts (tenant_id, note_id);
		CREATE TABLE countries (code text PRIMARY KEY, name text UNIQUE);
		ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
		ALTER TABLE notes FORCE ROW LEVEL SECURITY;
		ALTER TABLE parts ENABLE ROW LEVEL SECURITY;
		ALTER TABLE parts FORCE ROW LEVEL SECURITY;
		CREATE POLICY own ON notes USING (tenant_id = nullif(current_setting('app.tenant', true), '')::bigint);
		CREATE POLICY own ON parts USING (tenant_id = nullif(current_setting('app.tenant', true), '')::bigint);
		CREATE VIEW owned AS SELECT id FROM notes;
		GRANT SELECT ON parts TO PUBLIC;
		CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		ALTER TABLE parts_1 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
		CREATE POLICY own ON parts_1 USING (tenant_id = nullif(current_setting('app.tenant', true), '')::bigint);
		GRANT SELECT ON parts_1 TO PUBLIC;
		CREATE FUNCTION held() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM notes';
		CREATE FUNCTION own() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM notes';
		REVOKE EXECUTE ON FUNCTION own FROM PUBLIC;
		CREATE FUNCTION asks() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM notes';
		CREATE FUNCTION before() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';`))
	holder := "holder_" + strings.ReplaceAll(strings.ToLower(pool.Config().ConnConfig.Database), "-", "_")
	exec(t, pool, `CREATE ROLE "`+holder+`"; GRANT SELECT ON notes TO "`+holder+`"; GRANT CREATE ON SCHEMA public TO "`+holder+`"; ALTER VIEW owned OWNER TO "`+holder+`"; ALTER FUNCTION held OWNER TO "`+holder+`"`)
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() { check.Value(pool.Exec(ctx, `DROP OWNED BY "`+holder+`"; DROP ROLE "`+holder+`"`))(t) })
	holes := func(declared ...schema.Declaration) (lines []string) {
		t.Helper()
		for _, f := range check.Value(analyze.Run(t.Context(), pool, analyze.Options{Declarations: declared}))(t).Findings {
			if f.ID == "C9" && f.Object != "role "+testdb.Superuser {
				lines = append(lines, f.Level.String()+" "+f.Object)
			}
		}
		return lines
	}
	check.Equal(t, "holes", holes(), nil)
	if check.Value(analyze.Run(t.Context(), pool, analyze.Options{}))(t).Server >= 15 {
		exec(t, pool, `CREATE VIEW asks WITH (security_invoker = true) AS SELECT id FROM notes; CREATE VIEW around AS SELECT id FROM asks`)
		check.Equal(t, "views", holes(), []string{"warning public.around"})
		exec(t, pool, "ALTER VIEW around SET (security_invoker = on)")
		check.Equal(t, "views that ask", holes(), nil)
		exec(t, pool, "DROP VIEW around, asks")
	}

	type country struct{ Code, Name string }
	countries := query.NewTable("countries", func(c *country) *string { return &c.Code }, query.Tenant(func(c *country) *string { return &c.Name }))
	check.Equal(t, "a declared tenant", holes(countries), []string{"warning public.countries"})
	exec(t, pool, "DROP POLICY own ON notes; DROP POLICY own ON parts; DROP POLICY own ON parts_1; ALTER TABLE notes DISABLE ROW LEVEL SECURITY; ALTER TABLE parts DISABLE ROW LEVEL SECURITY")
	check.Equal(t, "without policies", holes(), nil)
	check.Equal(t, "a declared tenant without policies", holes(countries), []string{"note public.countries"})
}
