package shop

import "github.com/smrt-go/smrt/internal/shop/tables"

// The tables of the shop, under shorter names than those that smrt gen writes.
var (
	Customers    = tables.Customers.Table
	Categories   = tables.Categories.Table
	Products     = tables.Products.Table
	Warehouses   = tables.Warehouses.Table
	Inventories  = tables.Inventory.Table
	Orders       = tables.Orders.Table
	OrderItems   = tables.OrderItems.Table
	Reviews      = tables.Reviews.Table
	PriceChanges = tables.PriceHistory.Table
	TagWords     = tables.Tags.Table
	ProductTags  = tables.ProductTags.Table
	Carts        = tables.Carts.Table
	CartItems    = tables.CartItems.Table
)

// The columns that queries use.
var (
	CustomerID         = tables.Customers.ID
	CustomerName       = tables.Customers.Name
	CustomerEmail      = tables.Customers.Email
	CustomerPhone      = tables.Customers.Phone
	CustomerTierColumn = tables.Customers.Tier

	CategoryID       = tables.Categories.ID
	CategoryParentID = tables.Categories.ParentID
	CategorySlug     = tables.Categories.Slug

	ProductID         = tables.Products.ID
	ProductCategoryID = tables.Products.CategoryID
	SKU               = tables.Products.SKU
	ProductName       = tables.Products.Name
	Price             = tables.Products.PriceCents
	Stock             = tables.Products.Stock
	Weight            = tables.Products.WeightGrams
	Tags              = tables.Products.Tags
	Attributes        = tables.Products.Attributes
	ProductCreated    = tables.Products.CreatedAt
	ProductSearch     = tables.Products.Search

	InventoryWarehouse = tables.Inventory.WarehouseID
	InventoryProduct   = tables.Inventory.ProductID
	Quantity           = tables.Inventory.Quantity

	OrderID       = tables.Orders.ID
	OrderCustomer = tables.Orders.CustomerID
	Status        = tables.Orders.Status
	Total         = tables.Orders.TotalCents
	PlacedAt      = tables.Orders.PlacedAt
	PaidAt        = tables.Orders.PaidAt

	ItemOrder   = tables.OrderItems.OrderID
	ItemProduct = tables.OrderItems.ProductID

	ReviewProduct  = tables.Reviews.ProductID
	ReviewCustomer = tables.Reviews.CustomerID
	Rating         = tables.Reviews.Rating

	CartExpires = tables.Carts.ExpiresAt
)
