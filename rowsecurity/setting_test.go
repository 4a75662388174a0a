package rowsecurity_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/rowsecurity"
	"github.com/smrt-go/smrt/txn"
)

// TestSettingsAreChecked: a setting that no policy reads is refused, unless a policy may
// read it in a way that is not seen.
func TestSettingsAreChecked(t *testing.T) {
	l := newLibrary(t)
	policy := func(condition string) string {
		return "DROP POLICY own ON books; DROP POLICY own ON pages; CREATE POLICY own ON books USING (" + condition + "); CREATE POLICY own ON pages USING (" + condition + ");"
	}
	const body = " RETURNS bigint LANGUAGE sql STABLE "
	for name, c := range map[string]struct{ setting, change, says string }{
		"as it is":            {"app.tenant", "", ""},
		"in capitals":         {"App.Tenant", "", ""},
		"misspelt":            {"app.tennant", "", "no policy reads the setting app.tennant, in which the server is told the tenant; they read app.tenant: "},
		"of one policy":       {"app.tenant", "CREATE POLICY other ON pages USING (book_id = current_setting('app.book')::bigint)", ""},
		"what is written":     {"app.check", "CREATE POLICY other ON pages USING (true) WITH CHECK (book_id = current_setting('app.check')::bigint)", ""},
		"no setting":          {"app.tenant", policy("tenant_id = 1"), "they read no setting: "},
		"no policy":           {"app.tennant", "DROP POLICY own ON books; DROP POLICY own ON pages", ""},
		"not enabled":         {"app.tennant", "ALTER TABLE books DISABLE ROW LEVEL SECURITY; ALTER TABLE pages DISABLE ROW LEVEL SECURITY", ""},
		"function":            {"app.tenant", "CREATE FUNCTION who()" + body + "AS $$SELECT Current_Setting ( 'app.tenant')::bigint$$;" + policy("tenant_id = who()"), ""},
		"function, misspelt":  {"app.tennant", "CREATE FUNCTION who()" + body + "AS $$SELECT current_setting('app.tenant')::bigint$$;" + policy("tenant_id = who()"), "they read app.tenant: "},
		"body that is parsed": {"app.tennant", "CREATE FUNCTION who()" + body + "RETURN current_setting('app.tenant')::bigint;" + policy("tenant_id = who()"), "they read app.tenant: "},
		"function of another": {"app.tennant", "CREATE FUNCTION whom()" + body + "AS $$SELECT current_setting('app.tenant')::bigint$$; CREATE FUNCTION who()" + body + "AS $$SELECT whom()$$;" + policy("tenant_id = who()"), ""},
		"a name that is made": {"app.tennant", policy("tenant_id = current_setting('app.' || 'tennant')::bigint"), ""},
		"view":                {"app.tennant", "CREATE VIEW v AS SELECT current_setting('app.tennant')::bigint AS id; " + policy("tenant_id = (SELECT id FROM v)"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.change != "" {
				l.do(t, c.change)
				defer l.do(t, "DROP POLICY IF EXISTS other ON pages; DROP POLICY IF EXISTS own ON books; DROP POLICY IF EXISTS own ON pages; DROP FUNCTION IF EXISTS who, whom; DROP VIEW IF EXISTS v;"+
					"ALTER TABLE books ENABLE ROW LEVEL SECURITY; ALTER TABLE pages ENABLE ROW LEVEL SECURITY;"+
					strings.Replace(policy("tenant_id = nullif(current_setting('app.tenant', true), '')::bigint"), "DROP POLICY own ON books; DROP POLICY own ON pages; ", "", 1))
			}
			bound := check.Value(rowsecurity.Bind(l.app, rowsecurity.Options{Setting: c.setting}))(t)
			err := bound.Check(t.Context())
			if c.says == "" {
				check.NoError(t, err)
				return
			}
			check.Error(t, "Check", err, smrt.ErrRowSecurity)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: does not say %q", err, c.says)
			}
			check.Error(t, "a statement", bound.QueryRow(of(t, 1), "SELECT 1").Scan(new(int)), smrt.ErrRowSecurity)
		})
	}
}

// TestTenantsOfAnotherType: one that the policies cannot cast is an error of the tenant,
// which tells its type and not its value. An argument that cannot be cast is none.
func TestTenantsOfAnotherType(t *testing.T) {
	l := newLibrary(t)
	bound := l.bound(t)
	r := repo.New(bound, books)
	every := query.All[book]()
	const sql = "SELECT id FROM books"
	calls := map[string]func(context.Context) error{
		"Find":     func(ctx context.Context) error { _, err := r.Find(ctx, every); return err },
		"Create":   func(ctx context.Context) error { return r.Create(ctx, &book{TenantID: 1, Title: "new"}) },
		"Exec":     func(ctx context.Context) error { _, err := bound.Exec(ctx, sql); return err },
		"QueryRow": func(ctx context.Context) error { return bound.QueryRow(ctx, sql).Scan(new(int64)) },
		"in a transaction of its own": func(ctx context.Context) error {
			return bound.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(new(int64))
		},
		"SendBatch": func(ctx context.Context) error {
			var b pgx.Batch
			b.Queue(sql)
			return bound.SendBatch(ctx, &b).Close()
		},
		"a callback": func(ctx context.Context) (err error) {
			var b pgx.Batch
			b.Queue(sql).QueryRow(func(row pgx.Row) error { err = row.Scan(new(int64)); return nil })
			closing := bound.SendBatch(ctx, &b).Close()
			return cmp.Or(err, closing)
		},
		"Run": func(ctx context.Context) error {
			return txn.Run(ctx, bound, func(ctx context.Context, tx pgx.Tx) error {
				_, err := r.With(tx).Count(ctx, every)
				return err
			})
		},
	}
	for _, id := range []any{"acme", name("acme"), "nul\x00", "\xff", uint64(1) << 63} {
		for what, call := range calls {
			err := call(smrt.WithTenant(t.Context(), id))
			check.Error(t, what, err, smrt.ErrBadOptions)
			var of *smrt.OptionsError
			var pg *pgconn.PgError
			check.Same(t, what+": the option", errors.As(err, &of) && of.Option == "tenant", true)
			check.Same(t, what+": an error of the server, which has the value", errors.As(err, &pg), false)
			for _, secret := range []string{"acme", "nul", "9223372036854775808"} {
				check.Same(t, what+": "+err.Error()+": has the value", strings.Contains(err.Error(), secret), false)
			}
		}
	}
	err := calls["Find"](smrt.WithTenant(t.Context(), name("acme")))
	if !strings.Contains(err.Error(), "is a rowsecurity_test.name, whose text the server does not take") {
		t.Error(err)
	}
	var pg *pgconn.PgError
	for _, argument := range []string{"x1", "1x", "one"} {
		_, err = bound.Exec(of(t, 1), "SELECT $1::text::bigint", argument)
		check.Same(t, argument+": an error of the server", errors.As(err, &pg), true)
	}
}
