package rowsecurity_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// declared is the table of books with its tenant.
var declared = query.NewTable("books", func(b *book) *int64 { return &b.ID }, query.Tenant(func(b *book) *int64 { return &b.TenantID }))

// TestPipelinesKeepTheTenant refuses statements of a step under another tenant than that
// of the pipeline, which would be sent for that one: on bound handles, in transactions,
// and on a plain pool, where the other could read what the first has not committed.
func TestPipelinesKeepTheTenant(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	db := l.bound(t)
	others := map[context.Context]error{
		of(t, 2): smrt.ErrTenantMismatch, t.Context(): smrt.ErrNoTenant, smrt.AllTenants(t.Context(), "a test"): smrt.ErrTenantMismatch,
		smrt.WithTenant(t.Context(), "1"): smrt.ErrTenantMismatch,
	}
	pipe := func(what string, on smrt.DB, ctx context.Context, own int) {
		t.Helper()
		check.NoError(t, txn.Pipeline(ctx, on, func(ctx context.Context, db smrt.DB) error {
			for other, want := range others {
				seen, err := collect(db.Query(other, "SELECT tenant_id FROM books"))
				check.Error(t, what+": Query", err, want)
				check.Same(t, what+": rows", len(seen), 0)
				check.Error(t, what+": QueryRow", db.QueryRow(other, "SELECT 1").Scan(new(int)), want)
				_, err = db.Exec(other, "UPDATE books SET mark = 2 WHERE id = 2")
				check.Error(t, what+": Exec", err, want)
			}
			_, err := repo.New(db, declared).Find(smrt.WithTenant(ctx, int64(2)), query.All[book]())
			check.Error(t, what+": a repository", err, smrt.ErrTenantMismatch)
			seen, err := collect(db.Query(smrt.WithTenant(ctx, int32(1)), "SELECT tenant_id FROM books"))
			check.Same(t, what+": own rows", len(seen), own)
			return err
		}))
	}
	pipe("bound", db, of(t, 1), 20)
	pipe("guarded", guard.On(db, guard.Limits{MaxStatements: 100}), of(t, 1), 20)
	pipe("plain", l.admin, of(t, 1), 40)
	for what, pool := range map[string]smrt.Pool{"bound": db, "plain": l.admin} {
		own := map[string]int{"bound": 20, "plain": 40}[what]
		check.NoError(t, txn.Run(of(t, 1), pool.(txn.Beginner), func(ctx context.Context, tx pgx.Tx) error {
			pipe(what+", Run", tx, ctx, own)
			return nil
		}))
	}
	check.NoError(t, txn.Run(of(t, 1), l.admin, func(ctx context.Context, tx pgx.Tx) error {
		return txn.Pipeline(t.Context(), tx, func(_ context.Context, db smrt.DB) error {
			_, err := repo.New(db, declared).Find(smrt.WithTenant(ctx, int64(2)), query.All[book]())
			check.Error(t, "a pipeline without a tenant in a transaction of one", err, smrt.ErrTenantMismatch)
			return nil
		})
	}))
	check.NoError(t, txn.Pipeline(t.Context(), l.admin, func(ctx context.Context, db smrt.DB) error {
		for tenant := range 2 {
			check.Value(repo.New(db, declared).Find(smrt.WithTenant(ctx, tenant+1), query.All[book]()))(t)
		}
		return nil
	}))
	var marked int
	check.NoError(t, l.admin.QueryRow(t.Context(), "SELECT count(*) FROM books WHERE mark <> 0").Scan(&marked))
	check.Same(t, "rows that were changed", marked, 0)
}
