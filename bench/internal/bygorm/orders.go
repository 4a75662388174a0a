package bygorm

import (
	"context"

	"gorm.io/gorm"

	"github.com/smrt-go/smrt/bench/internal/model"
)

// withCustomer joins, as GORM's page on preloading advises for a relation to one row.
func (s shop) withCustomer(ctx context.Context, n int) (any, error) {
	orders := make([]model.Order, 0, n)
	err := s.db.WithContext(ctx).Joins("Customer").Order("orders.id").Limit(n).Find(&orders).Error
	return orders, err
}

func (s shop) graph(ctx context.Context, n int) (any, error) {
	orders := make([]model.Order, 0, n)
	err := s.db.WithContext(ctx).
		Preload("Items", func(db *gorm.DB) *gorm.DB { return db.Order("order_items.order_id, order_items.line_no") }).
		Preload("Items.Product").Order("id").Limit(n).Find(&orders).Error
	return orders, err
}

// place creates the items with the order.
func (s shop) place(ctx context.Context, o model.Order) (int64, error) {
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error { return tx.Create(&o).Error })
	return o.ID, err
}

func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	orders := make([]model.Order, 0, model.PageSize)
	err := s.db.WithContext(ctx).Where("(placed_at, id) < (?, ?)", after.PlacedAt, after.ID).Order("placed_at DESC, id DESC").
		Limit(model.PageSize).Find(&orders).Error
	return orders, err
}

func (s shop) offset(ctx context.Context, n int) (any, error) {
	orders := make([]model.Order, 0, model.PageSize)
	err := s.db.WithContext(ctx).Order("placed_at DESC, id DESC").Limit(model.PageSize).Offset(n).Find(&orders).Error
	return orders, err
}

func (s shop) stream(ctx context.Context) (sum int64, err error) {
	rows, err := s.db.WithContext(ctx).Model(&model.OrderItem{}).Rows()
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var item model.OrderItem
		if err := s.db.ScanRows(rows, &item); err != nil {
			return 0, err
		}
		sum += int64(item.Quantity)
	}
	return sum, rows.Err()
}
