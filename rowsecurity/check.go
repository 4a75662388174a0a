package rowsecurity

import (
	"context"
	"fmt"
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

// Check returns a *[smrt.RowSecurityError] if policies would not hold the role of the
// pool: it is a superuser, has BYPASSRLS, or owns a table whose row security is not
// forced. The first statement on the handle does the same; a service that calls Check
// when it starts learns it there. After the first success nothing is asked any more.
//
// It says nothing of tables without policies, and of views: smrt analyze does.
func (d *DB) Check(ctx context.Context) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if d.checked.Load() {
		return nil
	}
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
			"or connect as a role that owns none", strings.Join(owned[:min(len(owned), mostNamed)], ", "))
	default:
		d.checked.Store(true)
		return nil
	}
	return &smrt.RowSecurityError{Role: role, Reason: reason}
}

// mostNamed bounds the tables in an error.
const mostNamed = 5
