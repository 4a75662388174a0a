package unit_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/unit"
)

// openShop is a shop with a customer, 1, and a few products.
func openShop() (*pgxpool.Pool, func()) {
	pool, done := testdb.ExamplePool(shop.Schema)
	for _, sql := range []string{
		"INSERT INTO customers (name, email, country) VALUES ('Ada', 'ada@example.com', 'AT')",
		"INSERT INTO categories (slug, name) VALUES ('tea', 'Tea')",
		"INSERT INTO products (category_id, sku, name, price_cents) SELECT 1, 's' || i, 'Tea', 100 FROM generate_series(1, 3) AS i",
	} {
		if _, err := pool.Exec(context.Background(), sql); err != nil {
			panic(err)
		}
	}
	return pool, done
}

// An order and its items are written in one round trip. The key of the order,
// which the database makes, reaches the items by itself.
func ExampleCreate() {
	pool, done := openShop()
	defer done()
	ctx := context.Background()

	order := &shop.Order{CustomerID: 1, TotalCents: 300}
	items := []shop.OrderItem{
		{LineNo: 1, ProductID: 1, Quantity: 1, UnitPriceCents: 100},
		{LineNo: 2, ProductID: 2, Quantity: 2, UnitPriceCents: 100},
	}

	u := unit.New()
	placed := unit.Create(u, shop.Orders, order)
	unit.CreateMany(u, shop.OrderItems, items, unit.Refer(shop.ItemOrder, placed))
	unit.Patch(u, shop.Customers, 1, shop.CustomerTierColumn.Set(shop.TierSilver))

	summary, err := u.Flush(ctx, pool)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary)
	fmt.Println("order", order.ID, order.Status, "version", order.Version)
	for _, item := range items {
		fmt.Println("item", item.LineNo, "of order", item.OrderID)
	}
	// Output:
	// orders: 1 created; order_items: 2 created; customers: 1 patched
	// order 1 pending version 1
	// item 1 of order 1
	// item 2 of order 1
}
