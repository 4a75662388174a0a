package loader_test

import (
	"context"
	"sync"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/loader"
)

// TestLoadsOfTwoTenantsDoNotMeet loads one key under two tenants and under none at
// the same time. Each gets the value of its own, also from calls that are shared.
func TestLoadsOfTwoTenantsDoNotMeet(t *testing.T) {
	t.Parallel()
	begin := make(chan struct{})
	l := loader.New(func(ctx context.Context, keys []int) (map[int]any, error) {
		<-begin // so that others wait for it, and share the next
		values := map[int]any{}
		for _, key := range keys {
			values[key] = smrt.TenantOf(ctx).ID
		}
		return values, nil
	}, loader.Options{MaxInFlight: 1})
	var wg sync.WaitGroup
	for i := range 60 {
		ctx, want := t.Context(), any(nil)
		if tenant := i % 3; tenant > 0 {
			ctx, want = smrt.WithTenant(ctx, tenant), tenant
		}
		wg.Go(func() {
			got, err := l.Load(ctx, i)
			check.NoError(t, err)
			check.Same(t, "tenant", got, want)
		})
	}
	close(begin)
	wg.Wait()
}

// TestLoaderOfARequestIsOfOneTenant refuses Loads under another tenant than that of
// the request, whose values it remembers.
func TestLoaderOfARequestIsOfOneTenant(t *testing.T) {
	t.Parallel()
	request := smrt.WithTenant(t.Context(), 1)
	l := loader.NewPerRequest(request, func(ctx context.Context, keys []int) (map[int]any, error) {
		return map[int]any{7: smrt.TenantOf(ctx).ID}, nil
	})
	check.Same(t, "value", check.Value(l.Load(request, 7))(t), any(1))
	for _, ctx := range []context.Context{smrt.WithTenant(t.Context(), 2), smrt.AllTenants(t.Context(), "test")} {
		_, err := l.Load(ctx, 7)
		check.Error(t, "another tenant", err, smrt.ErrTenantMismatch)
		_, err = l.LoadMany(ctx, []int{7})
		check.Error(t, "another tenant", err, smrt.ErrTenantMismatch)
	}
}
