// Package rowsecurity tells PostgreSQL the tenant of the context with every statement,
// so that its row security holds what nobody declared: SQL that is written by hand, the
// queries of sqlc, fragments. Nothing of it stays on the connection.
//
// # Policies
//
// The server decides which rows a statement sees, by a setting:
//
//	ALTER TABLE tickets ENABLE ROW LEVEL SECURITY;
//	ALTER TABLE tickets FORCE ROW LEVEL SECURITY; -- for the owner too
//	CREATE POLICY own ON tickets
//		USING (tenant_id = nullif(current_setting('app.tenant', true), '')::bigint);
//
// With nullif a statement without a tenant sees nothing: after the first transaction
// that had one the setting is empty, and not absent. Indexes of the table begin with
// tenant_id; conditions with LIKE and most functions use no index under a policy.
//
// # Binding
//
// A handle is bound once, where the pool is opened, and goes wherever the pool went:
//
//	db, err := rowsecurity.Bind(pool, rowsecurity.Options{Setting: "app.tenant"})
//
//	ctx = smrt.WithTenant(ctx, session.TenantID)
//	tickets, err := helpdesk.New(db).ListTickets(ctx) // of sqlc
//
// Outside of transactions the setting travels in front of the statement, as one
// implicit transaction in one round trip. In a transaction it follows BEGIN, in the
// same round trip, and what is sent under the context of another tenant returns
// [smrt.ErrTenantMismatch]. A context without a tenant is [smrt.ErrNoTenant]; nothing
// is sent. COPY, statements with options of pgx, and several statements in one text run
// in a transaction of their own.
//
// A limit of time, Timeout of guard.Limits, travels with the setting outside of
// transactions, as statement_timeout a second longer: a server whose client has died in
// the middle of a statement stops by itself. A stricter one of the session stays.
//
// The declaration query.Tenant is of use beside it: its condition is the one that
// indexes are chosen by, it fills the tenant into what is created, and its errors come
// before anything is sent. The policy is the net below.
//
// # Roles
//
// Policies hold no superuser, no role with BYPASSRLS and no owner of a table whose row
// security is not forced. The first statement, or [DB.Check] when the service starts,
// looks at the role and returns a *[smrt.RowSecurityError] that says what to do. So it
// does if there are policies and none of them reads the setting.
//
// To act for all tenants, open a pool of its own as a role with BYPASSRLS, and hand
// that to the reports and repairs that need it. smrt.AllTenants is refused on a bound
// handle.
//
// # What is refused
//
// A row of another tenant that is written, and one that ON CONFLICT meets, is
// [smrt.ErrRowSecurity] from the server, on a bound handle, and by repositories and units
// on any; so is COPY into a table with policies, in place of which CreateMany inserts.
//
// A text that ends the transaction, COMMIT or ROLLBACK AND CHAIN for instance, is
// smrt.ErrBadQuery unless it is the last of a batch, because the server forgets the tenant
// with it. So is one that changes the parameter with SET, RESET or DISCARD ALL.
//
// A tenant that the policies cannot cast, a name where the column is a bigint for
// instance, is smrt.ErrBadOptions. The error has the type of the tenant, not its value.
//
// # What is not held
//
// TRUNCATE, which the server does not check: grant it to nobody. Views run as their
// owner unless they have security_invoker, materialized views always. Unique indexes
// and foreign keys see all rows: let them include the tenant. A SECURITY DEFINER function
// runs as its owner. A partition that is named directly has policies of its own only. A
// temporary table, and a cursor WITH HOLD, stay on the connection for the next tenant. A
// statement that calls set_config with the parameter, SET ROLE, and what is sent on the
// connection of a transaction, tx.Conn().
//
// A statement that cannot run in a transaction, such as VACUUM, cannot run on a bound
// handle. A router is not bound, so replicas cannot be used with it: a router's reads
// choose a server for each statement. Bind a pool of each replica, and read on that.
package rowsecurity
