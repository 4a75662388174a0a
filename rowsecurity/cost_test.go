package rowsecurity_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/repo"
)

// BenchmarkGet reads a row under a policy on a bound handle, and without either: by a
// role that policies do not hold, and by BEGIN, SET LOCAL, SELECT and COMMIT, which is
// what is commonly done by hand.
func BenchmarkGet(b *testing.B) {
	l := newLibrary(b)
	ctx := of(b, 1)
	bound, bare := repo.New(l.bound(b), books), repo.New(l.admin, books)
	limited := repo.New(guard.On(l.bound(b), guard.Limits{Timeout: time.Minute}), books)
	check.Compare(b, func() error { _, err := bound.Get(ctx, 2); return err },
		check.Twin{Name: "with-a-time", Run: func() error { _, err := limited.Get(ctx, 2); return err }},
		check.Twin{Name: "bare", Run: func() error { _, err := bare.Get(ctx, 2); return err }},
		check.Twin{Name: "by-hand", Run: func() error {
			return pgx.BeginFunc(ctx, l.app, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "SET LOCAL app.tenant = '1'"); err != nil {
					return err
				}
				var v book
				return tx.QueryRow(ctx, "SELECT id, tenant_id, title, mark FROM books WHERE id = $1", 2).Scan(&v.ID, &v.TenantID, &v.Title, &v.Mark)
			})
		}})
}
