package shop

import (
	"github.com/smrt-go/smrt/internal/shop/tables"
	"github.com/smrt-go/smrt/preload"
)

// The relations of the shop.
var (
	ProductCategory  = tables.Products.Category
	CategoryProducts = tables.Categories.Products

	CategoryParent   = tables.Categories.Parent
	CategoryChildren = tables.Categories.CategoriesByParent

	CategoryAncestors   = preload.Recursive(CategoryParent, 20)
	CategoryDescendants = preload.Recursive(CategoryChildren, 20)

	ProductInventory = tables.Products.Inventory
	InventoryPlace   = tables.Inventory.Warehouse
	ProductReviews   = tables.Products.Reviews
	ProductPrices    = tables.Products.PriceHistory
	ProductTagWords  = tables.Products.TagsViaProductTags
	TagProducts      = tables.Tags.Products

	CustomerOrders  = tables.Customers.Orders
	CustomerReviews = tables.Customers.Reviews
	OrderBuyer      = tables.Orders.Customer
	OrderLines      = tables.Orders.OrderItems
	LineOrder       = tables.OrderItems.Order
	LineProduct     = tables.OrderItems.Product
	ReviewOf        = tables.Reviews.Product
	ReviewBy        = tables.Reviews.Customer

	CartLines    = tables.Carts.CartItems
	CartProducts = tables.Carts.ProductsViaCartItems
)
