package shop

import "github.com/smrt-go/smrt/internal/shop/shopdb"

// The entities are sqlc's models. They are aliases, not copies: what a query of shopdb returns is what a repository
// takes.
type (
	// Customer is a person who buys.
	Customer = shopdb.Customer

	// Category is a node of the category tree; a root has no parent.
	Category = shopdb.Category

	// Product is an article of the catalog. It is deleted softly: DeletedAt is set and the row stays. Search is computed
	// by the server and cannot be written.
	Product = shopdb.Product

	// PriceHistory is one change of one price; rows are only ever added.
	PriceHistory = shopdb.PriceHistory

	// Tag is a word of the curated vocabulary that customers browse by.
	Tag = shopdb.Tag

	// ProductTag says that a product carries a tag. Its key is both of its columns.
	ProductTag = shopdb.ProductTag

	// Warehouse is a place that goods are shipped from.
	Warehouse = shopdb.Warehouse

	// Inventory is how many of a product a warehouse holds. Its key is the warehouse and the product.
	Inventory = shopdb.Inventory

	// Order is what a customer ordered at one time. Its Version grows with each update.
	Order = shopdb.Order

	// OrderItem is one line of an order. Its key is the order and the number of the line.
	OrderItem = shopdb.OrderItem

	// Review is what a customer says of a product.
	Review = shopdb.Review

	// Cart is what a visitor has put aside and not ordered yet. Its key is a uuid that the server makes.
	Cart = shopdb.Cart

	// CartItem is one product in a cart. Its key is the cart and the product.
	CartItem = shopdb.CartItem
)

// CustomerTier is how a customer is treated: better, the more they bought.
type CustomerTier = shopdb.CustomerTier

// The tiers, from the first to the last.
const (
	TierStandard = shopdb.CustomerTierStandard
	TierSilver   = shopdb.CustomerTierSilver
	TierGold     = shopdb.CustomerTierGold
)

// OrderStatus is how far an order has come.
type OrderStatus = shopdb.OrderStatus

// The states of an order. It passes through the first four in turn and may be cancelled until it is shipped.
const (
	OrderPending   = shopdb.OrderStatusPending
	OrderPaid      = shopdb.OrderStatusPaid
	OrderShipped   = shopdb.OrderStatusShipped
	OrderDelivered = shopdb.OrderStatusDelivered
	OrderCancelled = shopdb.OrderStatusCancelled
)
