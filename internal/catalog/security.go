package catalog

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/traced"
)

// Security is what a database says of its row security. It has tables that have it, that
// have policies, or that have a column which a policy elsewhere reads.
type Security struct {
	Role    string        `json:"role"`   // that asks
	Super   bool          `json:"super"`  // it is a superuser
	Bypass  bool          `json:"bypass"` // it has BYPASSRLS
	Tables  []Secured     `json:"tables"` // in the order of their names
	Views   []Seen        `json:"views"`  // in the order of their names
	Parents []SecuredEnds `json:"parents"`

	Partitions []Granted `json:"partitions"` // by the names of their tables
	Functions  []Definer `json:"functions"`  // in the order of their names
}

// Secured is a table as row security has it.
type Secured struct {
	OID      uint32   `json:"oid"`
	Enabled  bool     `json:"enabled"`
	Forced   bool     `json:"forced"`
	Policies int      `json:"policies"`
	Columns  []string `json:"columns"` // that all of its policies read, in the order of their names
	Shared   []string `json:"shared"`  // columns of names that policies of other tables read, likewise
	Made     []string `json:"made"`    // columns whose values a sequence makes, or that are UUIDs
	Policy   string   `json:"policy"`  // what one of its policies that has no condition of its own on what is written says; "" for none
}

// SecuredEnds is a foreign key between two tables with row security.
type SecuredEnds struct {
	Table  uint32 `json:"table"`
	Name   string `json:"name"` // as SQL
	Target uint32 `json:"target"`
}

// Seen is a view that shows rows of a table with row security, which does not hold it.
type Seen struct {
	Name         string `json:"name"`  // as SQL, with its schema
	Owner        string `json:"owner"` // whose rights it has
	Materialized bool   `json:"materialized"`
	Table        string `json:"table"` // one of those that it reads, as SQL
}

// Granted are partitions of a table with row security, which have none of their own, and
// which roles may name that policies hold.
type Granted struct {
	Table uint32   `json:"table"` // the root
	Names []string `json:"names"` // as SQL, with their schemas, in their order
	Roles []string `json:"roles"` // as SQL, in the order of their names
}

// Definer is a function that others may call, with the rights of an owner whom policies do
// not hold.
type Definer struct {
	Name  string `json:"name"` // as SQL, with its schema and arguments
	Owner string `json:"owner"`
	Table string `json:"table"` // one with row security that its body names, as SQL; "" for none
}

// SecurityOf asks a database. It is one round trip.
func SecurityOf(ctx context.Context, db Querier) (*Security, error) {
	rows, err := db.Query(ctx, traced.Pass(securitySQL, "", "catalog"), pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	text, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	s := new(Security)
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("the catalog's answer: %w", err)
	}
	return s, nil
}

// Table returns what is known of a table, nil for nothing.
func (s *Security) Table(oid uint32) *Secured {
	for i := range s.Tables {
		if s.Tables[i].OID == oid {
			return &s.Tables[i]
		}
	}
	return nil
}

// Like returns a table with a policy that reads the column and nothing else, nil if there
// is none.
func (s *Security) Like(column string) *Secured {
	for i := range s.Tables {
		if t := &s.Tables[i]; t.Policy != "" && len(t.Columns) == 1 && t.Columns[0] == column {
			return t
		}
	}
	return nil
}

// securitySQL selects what Security holds, as JSON. Partitions are no tables of their own,
// because rows are reached through their parent, unless a role may name them. A view is held if it has the rights of who asks, or if
// its owner is held; the path to a table goes on through views of the former kind.
const securitySQL = `WITH RECURSIVE tables AS MATERIALIZED (
	SELECT c.oid, c.relrowsecurity, c.relforcerowsecurity, c.relowner, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'),
policies AS MATERIALIZED (
	SELECT p.polrelid, p.oid, CASE WHEN p.polwithcheck IS NULL THEN pg_catalog.pg_get_expr(p.polqual, p.polrelid) END AS text, array(
		SELECT DISTINCT a.attname::text FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
		WHERE d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
			AND d.refobjid = p.polrelid AND d.refobjsubid > 0) AS columns
	FROM pg_catalog.pg_policy p WHERE p.polpermissive),
secured AS MATERIALIZED (
	SELECT t.*, (SELECT pg_catalog.count(*) FROM policies p WHERE p.polrelid = t.oid) AS policies,
		array(SELECT c FROM policies p, pg_catalog.unnest(p.columns) c WHERE p.polrelid = t.oid GROUP BY c
			HAVING pg_catalog.count(*) = (SELECT pg_catalog.count(*) FROM policies q WHERE q.polrelid = t.oid) ORDER BY c) AS columns,
		array(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
			AND EXISTS (SELECT FROM policies p WHERE a.attname = ANY (p.columns)) ORDER BY 1) AS shared,
		array(SELECT a.attname::text FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
			WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND (a.attidentity <> '' OR a.atttypid = 'pg_catalog.uuid'::regtype
			OR pg_catalog.pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%') ORDER BY 1) AS made,
		(SELECT min(p.text) FROM policies p WHERE p.polrelid = t.oid AND pg_catalog.cardinality(p.columns) = 1) AS policy
	FROM tables t),
views AS MATERIALIZED (
	SELECT v.oid, v.relkind, v.relowner, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(v.relname) AS name,
		EXISTS (SELECT FROM pg_catalog.pg_options_to_table(v.reloptions) WHERE option_name = 'security_invoker' AND option_value::boolean) AS asks
	FROM pg_catalog.pg_class v JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
	WHERE v.relkind IN ('v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'),
reads AS MATERIALIZED (
	SELECT DISTINCT r.ev_class, d.refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass
		AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class WHERE r.ev_type = '1'),
reach AS (
	SELECT v.oid, r.refobjid FROM views v JOIN reads r ON r.ev_class = v.oid
	UNION SELECT h.oid, r.refobjid FROM reach h JOIN views through ON through.oid = h.refobjid AND through.asks JOIN reads r ON r.ev_class = through.oid)
SELECT pg_catalog.json_build_object(
	'role', r.rolname, 'super', r.rolsuper, 'bypass', r.rolbypassrls,
	'tables', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('oid', t.oid::int8, 'enabled', t.relrowsecurity, 'forced', t.relforcerowsecurity,
		'policies', t.policies, 'columns', t.columns, 'shared', t.shared, 'made', t.made, 'policy', coalesce(t.policy, '')) ORDER BY t.name)
		FROM secured t WHERE t.relrowsecurity OR t.policies > 0 OR pg_catalog.cardinality(t.shared) > 0),
	'parents', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('table', k.conrelid::int8, 'name', pg_catalog.quote_ident(k.conname), 'target', k.confrelid::int8)
		ORDER BY k.conrelid, k.conname) FROM pg_catalog.pg_constraint k JOIN tables t ON t.oid = k.conrelid AND t.relrowsecurity
		JOIN tables u ON u.oid = k.confrelid AND u.relrowsecurity WHERE k.contype = 'f' AND k.conparentid = 0),
	'views', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', s.name, 'owner', s.rolname, 'materialized', s.relkind = 'm', 'table', s.table) ORDER BY s.name)
		FROM (SELECT v.name, o.rolname, v.relkind, min(t.name) AS table FROM views v JOIN reach h ON h.oid = v.oid
			JOIN tables t ON t.oid = h.refobjid AND t.relrowsecurity JOIN pg_catalog.pg_roles o ON o.oid = v.relowner
			WHERE v.relkind = 'm' OR NOT v.asks AND (o.rolsuper OR o.rolbypassrls OR NOT t.relforcerowsecurity AND pg_catalog.pg_has_role(v.relowner, t.relowner, 'USAGE'))
			GROUP BY v.name, o.rolname, v.relkind) s),
	'partitions', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('table', s.oid::int8, 'names', s.names, 'roles', s.roles) ORDER BY s.name)
		FROM (SELECT t.oid, t.name, pg_catalog.array_agg(DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)) AS names,
				pg_catalog.array_agg(DISTINCT coalesce(pg_catalog.quote_ident(g.rolname), 'PUBLIC')) AS roles
			FROM pg_catalog.pg_class c JOIN tables t ON t.oid = pg_catalog.pg_partition_root(c.oid) AND t.relrowsecurity
			JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_catalog.aclexplode(c.relacl) x LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantee
			WHERE c.relispartition AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND x.grantee <> c.relowner
				AND x.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND NOT coalesce(g.rolsuper OR g.rolbypassrls, false) GROUP BY t.oid, t.name) s),
	'functions', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', s.name, 'owner', s.rolname, 'table', coalesce(s.table, '')) ORDER BY s.name)
		FROM (SELECT f.oid::pg_catalog.regprocedure::text AS name, o.rolname,
				(SELECT pg_catalog.min(t.name) FROM tables t JOIN pg_catalog.pg_class c ON c.oid = t.oid WHERE t.relrowsecurity
					AND pg_catalog.strpos(pg_catalog.pg_get_functiondef(f.oid), c.relname::text) > 0) AS table
			FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_roles o ON o.oid = f.proowner JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
			WHERE f.prosecdef AND f.prokind IN ('f', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
				AND f.prorettype NOT IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
				AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = f.oid AND d.deptype = 'e')
				AND (o.rolsuper OR o.rolbypassrls OR EXISTS (SELECT FROM tables t WHERE t.relrowsecurity AND NOT t.relforcerowsecurity
					AND pg_catalog.pg_has_role(f.proowner, t.relowner, 'USAGE')))
				AND EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) x
					LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantee WHERE x.grantee <> f.proowner AND NOT coalesce(g.rolsuper OR g.rolbypassrls, false))) s)
)::text FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`
