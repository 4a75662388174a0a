package rowsecurity_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/loader"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

type (
	named int32
	uuid  [16]byte
	other [16]byte
)

// TestTenantsOfOneKind are one, whatever their types are called and however large they
// are, wherever tenants are compared. Others are not.
func TestTenantsOfOneKind(t *testing.T) {
	t.Parallel()
	kinds := [][]any{
		{1, int8(1), int64(1), uint16(1), named(1), uint64(1)},
		{"1", name("1")},
		{uuid{1}, other{1}, [16]byte{1}},
		{uint64(1) << 63},
		{2},
		{"2"},
		{uuid{2}},
		{true},
		{1.0},
		{nil},
		{int64(-1) << 63},
	}
	for i, kind := range kinds {
		for _, a := range kind {
			for j, others := range kinds {
				for _, b := range others {
					if same := handle.SameTenant(smrt.Tenant{ID: a}, smrt.Tenant{ID: b}); same != (i == j) {
						t.Errorf("%T(%v) and %T(%v): %v", a, a, b, b, same)
					}
				}
			}
		}
	}
	if handle.SameTenant(smrt.Tenant{All: true}, smrt.Tenant{}) || !handle.SameTenant(smrt.Tenant{All: true, Reason: "a"}, smrt.Tenant{All: true}) {
		t.Error("all tenants are none of them, whatever the reason")
	}

	l := newLibrary(t)
	bound := l.bound(t)
	of := func(ctx context.Context) []context.Context {
		return []context.Context{smrt.WithTenant(ctx, 1), smrt.WithTenant(ctx, named(1)), smrt.WithTenant(ctx, uint8(1))}
	}
	finds := func(what string, on smrt.DB, ctx context.Context) {
		t.Helper()
		found, err := repo.New(on, declared).Find(ctx, query.All[book]())
		check.Same(t, what+": error", err, nil)
		check.Same(t, what+": rows", len(found), 20)
	}
	begun := smrt.WithTenant(t.Context(), int64(1))
	for what, db := range map[string]interface {
		smrt.Pool
		txn.Beginner
	}{"bound": bound, "plain": l.admin} {
		check.NoError(t, txn.Run(begun, db, func(ctx context.Context, tx pgx.Tx) error {
			for _, ctx := range of(ctx) {
				finds(what+", Run", tx, ctx)
				check.NoError(t, txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error { finds(what+", nested", tx, ctx); return nil }))
				check.NoError(t, txn.Pipeline(ctx, tx, func(_ context.Context, db smrt.DB) error { finds(what+", Pipeline", db, ctx); return nil }))
			}
			for _, other := range []context.Context{smrt.WithTenant(ctx, 2), smrt.WithTenant(ctx, "1")} {
				err := txn.Run(other, db, func(context.Context, pgx.Tx) error { t.Error("the closure of another tenant runs"); return nil })
				check.Error(t, what+": a nested Run", err, smrt.ErrTenantMismatch)
			}
			return nil
		}))
		check.NoError(t, preload.Snapshot(begun, db, func(snapshot smrt.DB) error {
			for _, ctx := range of(t.Context()) {
				finds(what+", Snapshot", snapshot, ctx)
			}
			return nil
		}))
	}
	ofRequest := loader.NewPerRequest(begun, func(_ context.Context, keys []int) (map[int]int, error) {
		return map[int]int{keys[0]: keys[0]}, nil
	})
	for _, ctx := range of(t.Context()) {
		check.Same(t, "loaded", check.Value(ofRequest.Load(ctx, 7))(t), 7)
	}
}
