package shop

import "github.com/jackc/pgx/v5/pgtype"

// InventoryKey is the key of an [Inventory].
type InventoryKey struct{ WarehouseID, ProductID int64 }

// OrderItemKey is the key of an [OrderItem].
type OrderItemKey struct {
	OrderID int64
	LineNo  int32
}

// CartItemKey is the key of a [CartItem].
type CartItemKey struct {
	CartID    pgtype.UUID
	ProductID int64
}

// ProductTagKey is the key of a [ProductTag].
type ProductTagKey struct{ ProductID, TagID int64 }
