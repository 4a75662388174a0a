package unit_test

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
)

// The tables that the examples use.
type (
	Customer struct {
		ID   int64
		Name string
		Tier string
	}
	Category struct {
		ID         int64
		ParentID   *int64
		Slug, Name string
	}
	Product struct {
		ID         int64
		CategoryID int64
		SKU, Name  string
		PriceCents int64
	}
	Order struct {
		ID         int64
		CustomerID int64
		Status     string
		TotalCents int64
		Version    int64
	}
	OrderItem struct {
		OrderID        int64
		LineNo         int32
		ProductID      int64
		Quantity       int32
		UnitPriceCents int64
	}
	LineKey struct {
		OrderID int64
		LineNo  int32
	}
)

var (
	Customers  = query.NewTable("customers", func(c *Customer) *int64 { return &c.ID })
	Categories = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })
	Products   = query.NewTable("products", func(p *Product) *int64 { return &p.ID })
	Orders     = query.NewTable("orders", func(o *Order) *int64 { return &o.ID },
		query.Version(func(o *Order) *int64 { return &o.Version }),
		query.Default(query.Col(func(o *Order) *string { return &o.Status })))
	OrderItems = query.NewCompositeTable("order_items", query.Key[OrderItem, LineKey]{
		query.Part(func(i *OrderItem) *int64 { return &i.OrderID }, func(k *LineKey) *int64 { return &k.OrderID }),
		query.Part(func(i *OrderItem) *int32 { return &i.LineNo }, func(k *LineKey) *int32 { return &k.LineNo }),
	})

	CustomerTier      = query.Col(func(c *Customer) *string { return &c.Tier })
	CategoryParentID  = query.NullCol(func(c *Category) **int64 { return &c.ParentID })
	ProductCategoryID = query.Col(func(p *Product) *int64 { return &p.CategoryID })
	Total             = query.Col(func(o *Order) *int64 { return &o.TotalCents })
	ItemOrder         = query.Col(func(i *OrderItem) *int64 { return &i.OrderID })
)

// stockShop adds a customer, 1, and products 1 to 3.
func stockShop(ctx context.Context, pool *pgxpool.Pool) {
	_, err := pool.Exec(ctx, `
		INSERT INTO customers (name, email, country) VALUES ('Ada', 'ada@example.com', 'AT');
		INSERT INTO categories (slug, name) VALUES ('tea', 'Tea');
		INSERT INTO products (category_id, sku, name, price_cents)
			SELECT 1, 's' || i, 'Tea', 100 FROM generate_series(1, 3) AS i`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		panic(err)
	}
}
