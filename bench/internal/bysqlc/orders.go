package bysqlc

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/bench/internal/bysqlc/db"
	"github.com/smrt-go/smrt/bench/internal/model"
)

func (s shop) withCustomer(ctx context.Context, n int) (any, error) {
	return s.q.OrdersWithCustomer(ctx, int64(n))
}

// order and item are rows with what belongs to them, which sqlc leaves to the program.
type (
	order struct {
		db.Order
		Items []item
	}
	item struct {
		db.OrderItem
		Product *db.ProductsByKeysRow
	}
)

func (s shop) graph(ctx context.Context, n int) (any, error) {
	rows, err := s.q.ReadOrders(ctx, int64(n))
	if err != nil {
		return nil, err
	}
	orders, ids, place := make([]order, len(rows)), make([]int64, len(rows)), make(map[int64]int, len(rows))
	for i := range rows {
		orders[i].Order, ids[i], place[rows[i].ID] = rows[i], rows[i].ID, i
	}
	lines, err := s.q.ItemsOfOrders(ctx, ids)
	if err != nil {
		return nil, err
	}
	products, err := s.products(ctx, lines)
	if err != nil {
		return nil, err
	}
	for i := range lines {
		o := &orders[place[lines[i].OrderID]]
		o.Items = append(o.Items, item{lines[i], products[lines[i].ProductID]})
	}
	return orders, nil
}

func (s shop) products(ctx context.Context, lines []db.OrderItem) (map[int64]*db.ProductsByKeysRow, error) {
	products, ids := make(map[int64]*db.ProductsByKeysRow, len(lines)), make([]int64, 0, len(lines))
	for i := range lines {
		id := lines[i].ProductID
		if _, known := products[id]; !known {
			products[id] = nil
			ids = append(ids, id)
		}
	}
	rows, err := s.q.ProductsByKeys(ctx, ids)
	for i := range rows {
		products[rows[i].ID] = &rows[i]
	}
	return products, err
}

func (s shop) place(ctx context.Context, o model.Order) (id int64, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		q := s.q.WithTx(tx)
		id, err = q.CreateOrder(ctx, db.CreateOrderParams{
			CustomerID: o.CustomerID, Status: db.OrderStatus(o.Status), Version: o.Version, TotalCents: o.TotalCents, Note: o.Note,
			ShippingAddress: o.ShippingAddress, PlacedAt: o.PlacedAt, PaidAt: o.PaidAt, ShippedAt: o.ShippedAt, UpdatedAt: o.UpdatedAt,
		})
		if err != nil {
			return err
		}
		n := len(o.Items)
		p := db.CreateItemsParams{
			OrderID: id, Lines: make([]int32, n), Products: make([]int64, n), Quantities: make([]int32, n),
			Prices: make([]int64, n), Discounts: make([]int64, n),
		}
		for i := range o.Items {
			line := &o.Items[i]
			p.Lines[i], p.Products[i], p.Quantities[i] = line.LineNo, line.ProductID, line.Quantity
			p.Prices[i], p.Discounts[i] = line.UnitPriceCents, line.DiscountCents
		}
		return q.CreateItems(ctx, p)
	})
	return id, err
}

func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	return s.q.OrdersAfter(ctx, db.OrdersAfterParams{PlacedAt: after.PlacedAt, ID: after.ID, Most: model.PageSize})
}

func (s shop) offset(ctx context.Context, n int) (any, error) {
	return s.q.OrdersOffset(ctx, db.OrdersOffsetParams{Skipped: int64(n), Most: model.PageSize})
}
