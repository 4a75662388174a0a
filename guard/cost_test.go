package guard_test

import (
	"testing"
	"time"

	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// everything is limits that no call of the benchmarks goes beyond.
var everything = guard.Limits{
	MaxLimit: 10_000, MaxLoaded: 10_000, MaxDepth: 3, MaxList: 1000, MaxText: 1000, MaxAffected: 1000, MaxBytes: 10 << 20, MaxStatements: 100, MaxComplexity: 1000, MaxPlanCost: 1_000_000, BoundedWrites: true, Timeout: time.Minute, Logger: quiet,
}

// TestOff: limits that are off, or that nobody declared, allocate nothing.
func TestOff(t *testing.T) {
	check.Plain(t)
	pool := testdb.Pool(t, filledShop)
	bare := repo.New(pool, shop.Customers)
	off := everything
	off.Mode = guard.Off
	few := query.Where(shop.CustomerID.In(keys...))
	for what, c := range map[string]struct {
		customers *repo.Repository[shop.Customer, int64]
	}{
		"off on a handle":     {repo.New(guard.On(pool, off), shop.Customers)},
		"off of a repository": {repo.New(pool, shop.Customers, repo.Options{Limits: off})},
	} {
		calls := func(r *repo.Repository[shop.Customer, int64]) map[string]func() error {
			return map[string]func() error{
				"Get":   func() error { _, err := r.Get(t.Context(), 1); return err },
				"Find":  func() error { _, err := r.Find(t.Context(), few); return err },
				"Patch": func() error { return r.Patch(t.Context(), 1, shop.CustomerName.Set("x")) },
			}
		}
		for name, call := range calls(c.customers) {
			got, want := check.Allocations(call), check.Allocations(calls(bare)[name])
			if got > want {
				t.Errorf("%s %s: %v allocations, %v without", name, what, got, want)
			}
		}
	}
}

// BenchmarkGet reads a row with all limits on, and without.
func BenchmarkGet(b *testing.B) {
	pool := testdb.Pool(b, filledShop)
	on, bare := repo.New(guard.On(pool, everything), shop.Customers), repo.New(pool, shop.Customers)
	check.Compare(b, func() error { _, err := on.Get(b.Context(), 1); return err },
		check.Twin{Name: "bare", Run: func() error { _, err := bare.Get(b.Context(), 1); return err }})
}

// unused is a rate that no benchmark uses up.
var unused = guard.RateConfig{Points: 1_000_000, Burst: 1_000_000_000, Key: user}

// BenchmarkGetWithRate reads a row with a rate and without.
func BenchmarkGetWithRate(b *testing.B) {
	pool := testdb.Pool(b, filledShop)
	rated, bare := repo.New(guard.On(pool, guard.Limits{Rate: guard.NewRate(unused), Logger: quiet}), shop.Customers), repo.New(pool, shop.Customers)
	ctx := as(b.Context(), "ann")
	check.Compare(b, func() error { _, err := rated.Get(ctx, 1); return err },
		check.Twin{Name: "bare", Run: func() error { _, err := bare.Get(ctx, 1); return err }})
}

// BenchmarkFind1000WithRate reads 1,000 rows with a rate and without.
func BenchmarkFind1000WithRate(b *testing.B) {
	pool := testdb.Pool(b, filledShop)
	limits := guard.Limits{MaxLimit: 10_000, Rate: guard.NewRate(unused), Logger: quiet}
	rated, bare := repo.New(guard.On(pool, limits), shop.OrderItems), repo.New(pool, shop.OrderItems)
	q := query.All[shop.OrderItem]().Limit(1000)
	check.Compare(b, func() error { _, err := rated.Find(b.Context(), q); return err },
		check.Twin{Name: "bare", Run: func() error { _, err := bare.Find(b.Context(), q); return err }})
}

// BenchmarkFind1000 reads 1,000 rows with all limits on, and without.
func BenchmarkFind1000(b *testing.B) {
	pool := testdb.Pool(b, filledShop)
	lines := shop.OrderItems
	on, bare := repo.New(guard.On(pool, everything), lines), repo.New(pool, lines)
	q := query.All[shop.OrderItem]().Limit(1000)
	check.Compare(b, func() error { _, err := on.Find(b.Context(), q); return err },
		check.Twin{Name: "bare", Run: func() error { _, err := bare.Find(b.Context(), q); return err }})
}
