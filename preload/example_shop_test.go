package preload_test

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// The tables that the examples use. The structs may as well be sqlc's.
type (
	Category struct {
		ID       int64
		ParentID *int64
		Slug     string
		Name     string
	}
	Product struct {
		ID         int64
		CategoryID int64
		Name       string
		PriceCents int64
	}
	Tag struct {
		ID   int64
		Name string
	}
	ProductTag struct{ ProductID, TagID int64 }
	Review     struct {
		ID        int64
		ProductID int64
		Rating    int16
	}
	Order struct {
		ID         int64
		CustomerID int64
		TotalCents int64
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
	Categories  = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })
	Products    = query.NewTable("products", func(p *Product) *int64 { return &p.ID })
	Tags        = query.NewTable("tags", func(t *Tag) *int64 { return &t.ID })
	Reviews     = query.NewTable("reviews", func(r *Review) *int64 { return &r.ID })
	Orders      = query.NewTable("orders", func(o *Order) *int64 { return &o.ID })
	ProductTags = query.NewCompositeTable("product_tags", query.Key[ProductTag, ProductTag]{
		query.Part(func(t *ProductTag) *int64 { return &t.ProductID }, func(k *ProductTag) *int64 { return &k.ProductID }),
		query.Part(func(t *ProductTag) *int64 { return &t.TagID }, func(k *ProductTag) *int64 { return &k.TagID }),
	})
	OrderItems = query.NewCompositeTable("order_items", query.Key[OrderItem, LineKey]{
		query.Part(func(i *OrderItem) *int64 { return &i.OrderID }, func(k *LineKey) *int64 { return &k.OrderID }),
		query.Part(func(i *OrderItem) *int32 { return &i.LineNo }, func(k *LineKey) *int32 { return &k.LineNo }),
	})

	CategorySlug  = query.TextCol(func(c *Category) *string { return &c.Slug })
	ProductID     = query.Col(func(p *Product) *int64 { return &p.ID })
	Price         = query.Col(func(p *Product) *int64 { return &p.PriceCents })
	LineOrder     = query.Col(func(i *OrderItem) *int64 { return &i.OrderID })
	UnitPrice     = query.Col(func(i *OrderItem) *int64 { return &i.UnitPriceCents })
	Rating        = query.Col(func(r *Review) *int16 { return &r.Rating })
	OrderID       = query.Col(func(o *Order) *int64 { return &o.ID })
	OrderCustomer = query.Col(func(o *Order) *int64 { return &o.CustomerID })
)

// Their relations, each declared once.
var (
	CategoryParent      = preload.BelongsTo(Categories, Categories, func(c *Category) **int64 { return &c.ParentID })
	CategoryChildren    = preload.HasMany(Categories, Categories, func(c *Category) **int64 { return &c.ParentID })
	CategoryAncestors   = preload.Recursive(CategoryParent, 20)
	CategoryDescendants = preload.Recursive(CategoryChildren, 20)
	ProductCategory     = preload.BelongsTo(Products, Categories, func(p *Product) *int64 { return &p.CategoryID })
	ProductReviews      = preload.HasMany(Products, Reviews, func(r *Review) *int64 { return &r.ProductID })
	OrderLines          = preload.HasMany(Orders, OrderItems, func(i *OrderItem) *int64 { return &i.OrderID })
	LineProduct         = preload.BelongsTo(OrderItems, Products, func(i *OrderItem) *int64 { return &i.ProductID })
	ProductTagWords     = preload.ManyToMany(Products, ProductTags, Tags,
		func(t *ProductTag) *int64 { return &t.ProductID }, func(t *ProductTag) *int64 { return &t.TagID })
)

// stockExampleShop makes what the examples read: a tea, a pot and two orders.
func stockExampleShop(ctx context.Context, db smrt.DB) {
	_, err := db.Exec(ctx, `
		INSERT INTO categories (slug, name) VALUES ('kitchen', 'Kitchen');
		INSERT INTO categories (slug, name, parent_id) VALUES ('tea', 'Tea', 1), ('pots', 'Pots', 1);
		INSERT INTO products (category_id, sku, name, price_cents) VALUES (2, 'T1', 'Green tea', 500), (2, 'T2', 'Black tea', 450), (3, 'P1', 'Iron pot', 9000);
		INSERT INTO customers (email, name, country) VALUES ('ann@example.org', 'Ann', 'NO'), ('bob@example.org', 'Bob', 'NO');
		INSERT INTO orders (customer_id, total_cents) VALUES (1, 10000), (1, 450);
		INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents)
			VALUES (1, 1, 1, 2, 500, 0), (1, 2, 3, 1, 9000, 0), (2, 1, 2, 1, 450, 0);
		INSERT INTO reviews (product_id, customer_id, rating) VALUES (1, 1, 5), (1, 2, 4), (3, 1, 2);
		INSERT INTO tags (name) VALUES ('organic'), ('gift');
		INSERT INTO product_tags (product_id, tag_id) VALUES (1, 1), (1, 2), (3, 2)`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		panic(err)
	}
}
