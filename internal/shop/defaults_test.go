package shop_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/tables"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestGeneratedDefaults creates rows with Go's zero in every column that smrt gen
// has declared a Default, and finds the database's. Of a boolean it must declare
// none: as a control, with one a false is lost.
func TestGeneratedDefaults(t *testing.T) {
	ctx := t.Context()
	pool := testdb.Pool(t, shop.Schema)
	customer := shop.Customer{Email: "a@b.c", Name: "a", Country: "SE"}
	check.NoError(t, repo.New(pool, tables.Customers.Table).Create(ctx, &customer))
	category := shop.Category{Slug: "s", Name: "s"}
	check.NoError(t, repo.New(pool, tables.Categories.Table).Create(ctx, &category))
	product := shop.Product{CategoryID: category.ID, SKU: "s", Name: "s"}
	check.NoError(t, repo.New(pool, tables.Products.Table).Create(ctx, &product))
	order := shop.Order{CustomerID: customer.ID}
	check.NoError(t, repo.New(pool, tables.Orders.Table).Create(ctx, &order))
	cart := shop.Cart{}
	check.NoError(t, repo.New(pool, tables.Carts.Table).Create(ctx, &cart))
	check.Equal(t, "defaults", []any{customer.Tier, product.Tags, string(product.Attributes), order.Status},
		[]any{shop.TierStandard, []string{}, "{}", shop.OrderPending})
	if order.PlacedAt.IsZero() || !cart.ExpiresAt.After(cart.CreatedAt) {
		t.Errorf("an order placed at %v, a cart that expires at %v", order.PlacedAt, cart.ExpiresAt)
	}
	check.Equal(t, "how many are declared", []int{
		len(tables.Customers.Table.Plan().Defaults), len(tables.Products.Table.Plan().Defaults), len(tables.Orders.Table.Plan().Defaults),
		len(tables.Carts.Table.Plan().Defaults), len(tables.Warehouses.Table.Plan().Defaults), len(tables.Reviews.Table.Plan().Defaults),
	}, []int{1, 2, 1, 1, 0, 0})

	warehouse := shop.Warehouse{Code: "AAA1", Name: "a", Country: "SE"}
	check.NoError(t, repo.New(pool, tables.Warehouses.Table).Create(ctx, &warehouse))
	check.Same(t, "an inactive warehouse", warehouse.Active, false)
	wrong := query.NewTable("warehouses", func(w *shop.Warehouse) *int64 { return &w.ID }, query.Default(tables.Warehouses.Active))
	lost := shop.Warehouse{Code: "AAA2", Name: "a", Country: "SE"}
	check.NoError(t, repo.New(pool, wrong).Create(ctx, &lost))
	check.Same(t, "an inactive warehouse, with a Default", lost.Active, true)
}
