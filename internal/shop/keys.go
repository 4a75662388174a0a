package shop

// InventoryKey is the key of an [Inventory].
type InventoryKey struct{ WarehouseID, ProductID int64 }

// OrderItemKey is the key of an [OrderItem].
type OrderItemKey struct {
	OrderID int64
	LineNo  int32
}

// ProductTagKey is the key of a [ProductTag].
type ProductTagKey struct{ ProductID, TagID int64 }
