package bypgkit

import (
	"context"
	"encoding/json"
	"time"

	"github.com/Masterminds/squirrel"
	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/bench/internal/model"
)

// order is a record of an order.
type order struct {
	ID              int64           `db:"id,omitempty"`
	CustomerID      int64           `db:"customer_id"`
	Status          string          `db:"status"`
	Version         int64           `db:"version"`
	TotalCents      int64           `db:"total_cents"`
	Note            *string         `db:"note"`
	ShippingAddress json.RawMessage `db:"shipping_address"`
	PlacedAt        time.Time       `db:"placed_at"`
	PaidAt          *time.Time      `db:"paid_at"`
	ShippedAt       *time.Time      `db:"shipped_at"`
	UpdatedAt       time.Time       `db:"updated_at"`
}

// GetID returns the key.
func (o *order) GetID() int64 { return o.ID }

// Validate accepts all orders.
func (o *order) Validate() error { return nil }

// item is what is written of a line.
type item struct {
	OrderID        int64 `db:"order_id"`
	LineNo         int32 `db:"line_no"`
	ProductID      int64 `db:"product_id"`
	Quantity       int32 `db:"quantity"`
	UnitPriceCents int64 `db:"unit_price_cents"`
	DiscountCents  int64 `db:"discount_cents"`
}

func (s shop) place(ctx context.Context, o model.Order) (int64, error) {
	record := order{
		0, o.CustomerID, o.Status, o.Version, o.TotalCents, o.Note, o.ShippingAddress, o.PlacedAt, o.PaidAt, o.ShippedAt, o.UpdatedAt,
	}
	err := pgx.BeginFunc(ctx, s.Conn, func(tx pgx.Tx) error {
		if err := s.orders.WithTx(tx).Insert(ctx, &record); err != nil {
			return err
		}
		items := make([]*item, len(o.Items))
		for i := range o.Items {
			line := &o.Items[i]
			items[i] = &item{record.ID, line.LineNo, line.ProductID, line.Quantity, line.UnitPriceCents, line.DiscountCents}
		}
		_, err := s.TxQuery(tx).Exec(ctx, s.SQL.InsertRecords(items, "order_items"))
		return err
	})
	return record.ID, err
}

func (s shop) latest() squirrel.SelectBuilder {
	return s.SQL.Select("*").From("orders").OrderBy("placed_at DESC", "id DESC").Limit(model.PageSize)
}

// page does without pgkit's own pages, whose cursors are of the key alone.
func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	var orders []order
	err := s.Query.GetAll(ctx, s.latest().Where("(placed_at, id) < (?, ?)", after.PlacedAt, after.ID), &orders)
	return orders, err
}

func (s shop) offset(ctx context.Context, n int) (any, error) {
	var orders []order
	err := s.Query.GetAll(ctx, s.latest().Offset(uint64(n)), &orders)
	return orders, err
}

func (s shop) stream(ctx context.Context) (sum int64, err error) {
	rows, err := s.Query.QueryRows(ctx, s.SQL.Select("*").From("order_items"))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	scanner := s.Query.Scan.NewRowScanner(rows)
	var line item
	for rows.Next() {
		if err := scanner.Scan(&line); err != nil {
			return 0, err
		}
		sum += int64(line.Quantity)
	}
	return sum, rows.Err()
}
