package shop

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/preload"
)

// The relations of the shop.
var (
	ProductCategory  = preload.BelongsTo(Products, Categories, func(p *Product) *int64 { return &p.CategoryID })
	CategoryProducts = preload.HasMany(Categories, Products, func(p *Product) *int64 { return &p.CategoryID })

	CategoryParent   = preload.BelongsTo(Categories, Categories, func(c *Category) **int64 { return &c.ParentID })
	CategoryChildren = preload.HasMany(Categories, Categories, func(c *Category) **int64 { return &c.ParentID })

	CategoryAncestors   = preload.Recursive(CategoryParent, 20)
	CategoryDescendants = preload.Recursive(CategoryChildren, 20)

	ProductInventory = preload.HasMany(Products, Inventories, func(i *Inventory) *int64 { return &i.ProductID })
	InventoryPlace   = preload.BelongsTo(Inventories, Warehouses, func(i *Inventory) *int64 { return &i.WarehouseID })
	ProductReviews   = preload.HasMany(Products, Reviews, func(r *Review) *int64 { return &r.ProductID })
	ProductPrices    = preload.HasMany(Products, PriceChanges, func(h *PriceHistory) *int64 { return &h.ProductID })
	ProductTagWords  = preload.ManyToMany(Products, ProductTags, TagWords,
		func(t *ProductTag) *int64 { return &t.ProductID }, func(t *ProductTag) *int64 { return &t.TagID })
	TagProducts = preload.ManyToMany(TagWords, ProductTags, Products,
		func(t *ProductTag) *int64 { return &t.TagID }, func(t *ProductTag) *int64 { return &t.ProductID })

	CustomerOrders  = preload.HasMany(Customers, Orders, func(o *Order) *int64 { return &o.CustomerID })
	CustomerReviews = preload.HasMany(Customers, Reviews, func(r *Review) *int64 { return &r.CustomerID })
	OrderBuyer      = preload.BelongsTo(Orders, Customers, func(o *Order) *int64 { return &o.CustomerID })
	OrderLines      = preload.HasMany(Orders, OrderItems, func(i *OrderItem) *int64 { return &i.OrderID })
	LineOrder       = preload.BelongsTo(OrderItems, Orders, func(i *OrderItem) *int64 { return &i.OrderID })
	LineProduct     = preload.BelongsTo(OrderItems, Products, func(i *OrderItem) *int64 { return &i.ProductID })
	ReviewOf        = preload.BelongsTo(Reviews, Products, func(r *Review) *int64 { return &r.ProductID })
	ReviewBy        = preload.BelongsTo(Reviews, Customers, func(r *Review) *int64 { return &r.CustomerID })

	CartLines    = preload.HasMany(Carts, CartItems, func(i *CartItem) *pgtype.UUID { return &i.CartID })
	CartProducts = preload.ManyToMany(Carts, CartItems, Products,
		func(i *CartItem) *pgtype.UUID { return &i.CartID }, func(i *CartItem) *int64 { return &i.ProductID })
)
