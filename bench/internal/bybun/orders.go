package bybun

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/smrt-go/smrt/bench/internal/model"
)

func (s shop) withCustomer(ctx context.Context, n int) (any, error) {
	orders := make([]model.Order, 0, n)
	err := s.db.NewSelect().Model(&orders).Relation("Customer").Order("order.id").Limit(int64(n)).Scan(ctx)
	return orders, err
}

func (s shop) graph(ctx context.Context, n int) (any, error) {
	orders := make([]model.Order, 0, n)
	err := s.db.NewSelect().Model(&orders).
		Relation("Items", func(q *bun.SelectQuery) *bun.SelectQuery { return q.Order("order_item.order_id", "order_item.line_no") }).
		Relation("Items.Product").Order("order.id").Limit(int64(n)).Scan(ctx)
	return orders, err
}

func (s shop) place(ctx context.Context, o model.Order) (int64, error) {
	err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&o).Exec(ctx); err != nil {
			return err
		}
		for i := range o.Items {
			o.Items[i].OrderID = o.ID
		}
		_, err := tx.NewInsert().Model(&o.Items).Exec(ctx)
		return err
	})
	return o.ID, err
}

func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	orders := make([]model.Order, 0, model.PageSize)
	err := s.db.NewSelect().Model(&orders).Where("(placed_at, id) < (?, ?)", after.PlacedAt, after.ID).
		Order("placed_at DESC", "id DESC").Limit(model.PageSize).Scan(ctx)
	return orders, err
}

func (s shop) offset(ctx context.Context, n int) (any, error) {
	orders := make([]model.Order, 0, model.PageSize)
	err := s.db.NewSelect().Model(&orders).Order("placed_at DESC", "id DESC").Limit(model.PageSize).Offset(int64(n)).Scan(ctx)
	return orders, err
}

func (s shop) stream(ctx context.Context) (sum int64, err error) {
	rows, err := s.db.NewSelect().Model((*model.OrderItem)(nil)).Rows(ctx)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var item model.OrderItem
		if err := s.db.ScanRow(ctx, rows, &item); err != nil {
			return 0, err
		}
		sum += int64(item.Quantity)
	}
	return sum, rows.Err()
}
