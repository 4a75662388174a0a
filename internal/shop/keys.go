package shop

import "github.com/smrt-go/smrt/internal/shop/tables"

type (
	// InventoryKey is the key of an [Inventory].
	InventoryKey = tables.InventoryKey

	// OrderItemKey is the key of an [OrderItem].
	OrderItemKey = tables.OrderItemKey

	// CartItemKey is the key of a [CartItem].
	CartItemKey = tables.CartItemKey

	// ProductTagKey is the key of a [ProductTag].
	ProductTagKey = tables.ProductTagKey
)
