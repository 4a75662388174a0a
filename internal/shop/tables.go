package shop

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/query"
)

// The tables of the shop.
var (
	Customers = query.NewTable("customers", func(c *Customer) *int64 { return &c.ID },
		query.CreatedAt(func(c *Customer) *time.Time { return &c.CreatedAt }),
		query.UpdatedAt(func(c *Customer) *time.Time { return &c.UpdatedAt }),
		query.Default(CustomerTierColumn))

	Categories = query.NewTable("categories", func(c *Category) *int64 { return &c.ID },
		query.CreatedAt(func(c *Category) *time.Time { return &c.CreatedAt }),
		query.UpdatedAt(func(c *Category) *time.Time { return &c.UpdatedAt }))

	Products = query.NewTable("products", func(p *Product) *int64 { return &p.ID },
		query.CreatedAt(func(p *Product) *time.Time { return &p.CreatedAt }),
		query.UpdatedAt(func(p *Product) *time.Time { return &p.UpdatedAt }),
		query.SoftDelete(func(p *Product) **time.Time { return &p.DeletedAt }),
		query.Default(Tags, Attributes),
		query.Computed(ProductSearch))

	Warehouses = query.NewTable("warehouses", func(w *Warehouse) *int64 { return &w.ID },
		query.CreatedAt(func(w *Warehouse) *time.Time { return &w.CreatedAt }),
		query.UpdatedAt(func(w *Warehouse) *time.Time { return &w.UpdatedAt }))

	Inventories = query.NewCompositeTable("inventory", query.Key[Inventory, InventoryKey]{
		query.Part(func(i *Inventory) *int64 { return &i.WarehouseID }, func(k *InventoryKey) *int64 { return &k.WarehouseID }),
		query.Part(func(i *Inventory) *int64 { return &i.ProductID }, func(k *InventoryKey) *int64 { return &k.ProductID }),
	}, query.UpdatedAt(func(i *Inventory) *time.Time { return &i.UpdatedAt }))

	Orders = query.NewTable("orders", func(o *Order) *int64 { return &o.ID },
		query.CreatedAt(func(o *Order) *time.Time { return &o.PlacedAt }),
		query.UpdatedAt(func(o *Order) *time.Time { return &o.UpdatedAt }),
		query.Version(func(o *Order) *int64 { return &o.Version }),
		query.Default(Status))

	OrderItems = query.NewCompositeTable("order_items", query.Key[OrderItem, OrderItemKey]{
		query.Part(func(i *OrderItem) *int64 { return &i.OrderID }, func(k *OrderItemKey) *int64 { return &k.OrderID }),
		query.Part(func(i *OrderItem) *int32 { return &i.LineNo }, func(k *OrderItemKey) *int32 { return &k.LineNo }),
	})

	Reviews = query.NewTable("reviews", func(r *Review) *int64 { return &r.ID },
		query.CreatedAt(func(r *Review) *time.Time { return &r.CreatedAt }),
		query.UpdatedAt(func(r *Review) *time.Time { return &r.UpdatedAt }))

	PriceChanges = query.NewTable("price_history", func(h *PriceHistory) *int64 { return &h.ID },
		query.CreatedAt(func(h *PriceHistory) *time.Time { return &h.ChangedAt }))

	TagWords = query.NewTable("tags", func(t *Tag) *int64 { return &t.ID },
		query.CreatedAt(func(t *Tag) *time.Time { return &t.CreatedAt }))

	ProductTags = query.NewCompositeTable("product_tags", query.Key[ProductTag, ProductTagKey]{
		query.Part(func(t *ProductTag) *int64 { return &t.ProductID }, func(k *ProductTagKey) *int64 { return &k.ProductID }),
		query.Part(func(t *ProductTag) *int64 { return &t.TagID }, func(k *ProductTagKey) *int64 { return &k.TagID }),
	})

	Carts = query.NewTable("carts", func(c *Cart) *pgtype.UUID { return &c.ID },
		query.KeyByDatabase[Cart](),
		query.Default(CartExpires),
		query.CreatedAt(func(c *Cart) *time.Time { return &c.CreatedAt }),
		query.UpdatedAt(func(c *Cart) *time.Time { return &c.UpdatedAt }))

	CartItems = query.NewCompositeTable("cart_items", query.Key[CartItem, CartItemKey]{
		query.Part(func(i *CartItem) *pgtype.UUID { return &i.CartID }, func(k *CartItemKey) *pgtype.UUID { return &k.CartID }),
		query.Part(func(i *CartItem) *int64 { return &i.ProductID }, func(k *CartItemKey) *int64 { return &k.ProductID }),
	}, query.CreatedAt(func(i *CartItem) *time.Time { return &i.AddedAt }))
)

// The columns that queries use.
var (
	CustomerID         = query.Col(func(c *Customer) *int64 { return &c.ID })
	CustomerName       = query.TextCol(func(c *Customer) *string { return &c.Name })
	CustomerEmail      = query.TextCol(func(c *Customer) *string { return &c.Email })
	CustomerPhone      = query.NullTextCol(func(c *Customer) **string { return &c.Phone })
	CustomerTierColumn = query.Col(func(c *Customer) *CustomerTier { return &c.Tier })

	CategoryID       = query.Col(func(c *Category) *int64 { return &c.ID })
	CategoryParentID = query.NullCol(func(c *Category) **int64 { return &c.ParentID })
	CategorySlug     = query.TextCol(func(c *Category) *string { return &c.Slug })

	ProductID         = query.Col(func(p *Product) *int64 { return &p.ID })
	ProductCategoryID = query.Col(func(p *Product) *int64 { return &p.CategoryID })
	SKU               = query.TextCol(func(p *Product) *string { return &p.SKU })
	ProductName       = query.TextCol(func(p *Product) *string { return &p.Name })
	Price             = query.Col(func(p *Product) *int64 { return &p.PriceCents })
	Stock             = query.Col(func(p *Product) *int32 { return &p.Stock })
	Weight            = query.NullCol(func(p *Product) **int32 { return &p.WeightGrams })
	Tags              = query.ArrayCol(func(p *Product) *[]string { return &p.Tags })
	Attributes        = query.JSONCol(func(p *Product) *json.RawMessage { return &p.Attributes })
	ProductCreated    = query.Col(func(p *Product) *time.Time { return &p.CreatedAt })
	ProductSearch     = query.SearchCol("english", func(p *Product) *pgtype.TSVector { return &p.Search })

	InventoryWarehouse = query.Col(func(i *Inventory) *int64 { return &i.WarehouseID })
	InventoryProduct   = query.Col(func(i *Inventory) *int64 { return &i.ProductID })
	Quantity           = query.Col(func(i *Inventory) *int32 { return &i.Quantity })

	OrderID       = query.Col(func(o *Order) *int64 { return &o.ID })
	OrderCustomer = query.Col(func(o *Order) *int64 { return &o.CustomerID })
	Status        = query.Col(func(o *Order) *OrderStatus { return &o.Status })
	Total         = query.Col(func(o *Order) *int64 { return &o.TotalCents })
	PlacedAt      = query.Col(func(o *Order) *time.Time { return &o.PlacedAt })
	PaidAt        = query.NullCol(func(o *Order) **time.Time { return &o.PaidAt })

	ItemOrder   = query.Col(func(i *OrderItem) *int64 { return &i.OrderID })
	ItemProduct = query.Col(func(i *OrderItem) *int64 { return &i.ProductID })

	ReviewProduct  = query.Col(func(r *Review) *int64 { return &r.ProductID })
	ReviewCustomer = query.Col(func(r *Review) *int64 { return &r.CustomerID })
	Rating         = query.Col(func(r *Review) *int16 { return &r.Rating })

	CartExpires = query.Col(func(c *Cart) *time.Time { return &c.ExpiresAt })
)
