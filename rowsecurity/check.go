package rowsecurity

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// roleSQL asks for what exempts the role of a connection from policies. Those that
// have the privileges of an owner are owners.
const roleSQL = `SELECT r.rolname::text, r.rolsuper, r.rolbypassrls, coalesce((
	SELECT array_agg(c.oid::pg_catalog.regclass::text ORDER BY c.oid::pg_catalog.regclass::text) FROM pg_catalog.pg_class c
	WHERE c.relrowsecurity AND NOT c.relforcerowsecurity AND pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE')), '{}'::text[])
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`

// settingsSQL asks how many policies there are, which settings they read, and whether all
// that they read is known. It looks into functions that policies call, and not into what
// those call. Functions that come with PostgreSQL are no dependencies.
const settingsSQL = `WITH policies AS MATERIALIZED (
	SELECT p.oid, coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || ' ' || coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '') AS text
	FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid WHERE c.relrowsecurity),
beyond AS MATERIALIZED (
	SELECT p.oid, CASE WHEN f.prokind = 'f' THEN pg_catalog.pg_get_functiondef(f.oid) ELSE '' END AS text
	FROM policies p JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
	LEFT JOIN pg_catalog.pg_proc f ON d.refclassid = 'pg_catalog.pg_proc'::regclass AND f.oid = d.refobjid
	LEFT JOIN pg_catalog.pg_class v ON d.refclassid = 'pg_catalog.pg_class'::regclass AND v.oid = d.refobjid AND v.relkind = 'v'
	WHERE f.oid IS NOT NULL OR v.oid IS NOT NULL),
texts AS MATERIALIZED (SELECT oid, text FROM policies UNION ALL SELECT oid, text FROM beyond),
reads AS MATERIALIZED (
	SELECT t.oid, pg_catalog.lower(m[1]) AS name
	FROM texts t, pg_catalog.regexp_matches(t.text, 'current_setting[[:space:]]*[(][[:space:]]*''([^'']+)''', 'gi') m)
SELECT (SELECT pg_catalog.count(*) FROM policies), array(SELECT DISTINCT name FROM reads ORDER BY name),
	NOT EXISTS (SELECT FROM beyond b WHERE NOT EXISTS (SELECT FROM reads r WHERE r.oid = b.oid))
	AND NOT EXISTS (SELECT FROM texts WHERE text ~* 'current_setting[[:space:]]*[(][[:space:]]*[^''[:space:]]')`

// Check returns a *[smrt.RowSecurityError] if policies would not hold the role of the
// pool: it is a superuser, has BYPASSRLS, or owns a table whose row security is not
// forced. So it does if there are policies and none of them reads Options.Setting: they
// would find no tenant. It looks into functions that they call, and no further: a policy
// of which it cannot tell is taken for one that reads the setting. The first statement on
// the handle does the same; a service that calls Check when it starts learns it there.
// After the first success nothing is asked any more.
//
// It says nothing of tables without policies, and of views: smrt analyze does.
func (d *DB) Check(ctx context.Context) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if d.checked.Load() {
		return nil
	}
	err := d.checkRole(ctx)
	if err == nil {
		err = d.checkSetting(ctx)
	}
	if err == nil {
		d.checked.Store(true)
	}
	return err
}

func (d *DB) checkRole(ctx context.Context) error {
	var role string
	var super, bypass bool
	var owned []string
	if err := d.pool.QueryRow(ctx, traced.Pass(roleSQL, "", "catalog")).Scan(&role, &super, &bypass, &owned); err != nil {
		return pgerr.Wrap("check", "role", err)
	}
	reason := ""
	switch {
	case super:
		reason = "it is a superuser: connect as a role of the service's own, CREATE ROLE ... LOGIN NOSUPERUSER NOBYPASSRLS"
	case bypass:
		reason = "it has BYPASSRLS: ALTER ROLE ... NOBYPASSRLS, or connect as another role"
	case len(owned) > 0:
		reason = fmt.Sprintf("it owns tables whose row security is not forced, such as %s: ALTER TABLE ... FORCE ROW LEVEL SECURITY, "+
			"or connect as a role that owns none", named(owned))
	default:
		return nil
	}
	return &smrt.RowSecurityError{Role: role, Reason: reason}
}

// checkSetting is about a setting that no policy reads, because it is misspelt for
// instance. Then no statement would find rows, and none would fail.
func (d *DB) checkSetting(ctx context.Context) error {
	var policies int64
	var read []string
	var known bool
	if err := d.pool.QueryRow(ctx, traced.Pass(settingsSQL, "", "catalog")).Scan(&policies, &read, &known); err != nil {
		return pgerr.Wrap("check", "setting", err)
	}
	// A name that is put together, or read by a function of a function, cannot be told from
	// the catalog. What is not known is not refused.
	if policies == 0 || !known || slices.Contains(read, strings.ToLower(d.setting)) {
		return nil
	}
	what := "no setting"
	if len(read) > 0 {
		what = named(read)
	}
	return &smrt.RowSecurityError{Reason: fmt.Sprintf("no policy reads the setting %s, in which the server is told the tenant; they read %s: "+
		"let rowsecurity.Options name the setting that they read", d.setting, what)}
}

// named returns the first of some names.
func named(all []string) string { return strings.Join(all[:min(len(all), mostNamed)], ", ") }

// mostNamed bounds the names in an error.
const mostNamed = 5
