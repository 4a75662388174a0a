package byent

import (
	"context"

	"entgo.io/ent/dialect/sql"

	"github.com/smrt-go/smrt/bench/internal/byent/db"
	"github.com/smrt-go/smrt/bench/internal/byent/db/order"
	"github.com/smrt-go/smrt/bench/internal/byent/db/orderitem"
	"github.com/smrt-go/smrt/bench/internal/model"
)

func (s shop) withCustomer(ctx context.Context, n int) (any, error) {
	return s.client.Order.Query().WithCustomer().Order(order.ByID()).Limit(n).All(ctx)
}

func (s shop) graph(ctx context.Context, n int) (any, error) {
	return s.client.Order.Query().WithItems(func(q *db.OrderItemQuery) {
		q.WithProduct().Order(orderitem.ByOrderID(), orderitem.ByLineNo())
	}).Order(order.ByID()).Limit(n).All(ctx)
}

func (s shop) place(ctx context.Context, o model.Order) (id int64, err error) {
	tx, err := s.client.Tx(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // nothing, after a commit
	placed, err := tx.Order.Create().SetCustomerID(o.CustomerID).SetStatus(order.Status(o.Status)).SetVersion(o.Version).
		SetTotalCents(o.TotalCents).SetNillableNote(o.Note).SetShippingAddress(o.ShippingAddress).SetPlacedAt(o.PlacedAt).
		SetNillablePaidAt(o.PaidAt).SetNillableShippedAt(o.ShippedAt).SetUpdatedAt(o.UpdatedAt).Save(ctx)
	if err != nil {
		return 0, err
	}
	builders := make([]*db.OrderItemCreate, len(o.Items))
	for i := range o.Items {
		item := &o.Items[i]
		builders[i] = tx.OrderItem.Create().SetOrderID(placed.ID).SetLineNo(item.LineNo).SetProductID(item.ProductID).
			SetQuantity(item.Quantity).SetUnitPriceCents(item.UnitPriceCents).SetDiscountCents(item.DiscountCents)
	}
	if err := tx.OrderItem.CreateBulk(builders...).Exec(ctx); err != nil {
		return 0, err
	}
	return placed.ID, tx.Commit()
}

func (s shop) latest() *db.OrderQuery {
	return s.client.Order.Query().Order(order.ByPlacedAt(sql.OrderDesc()), order.ByID(sql.OrderDesc())).Limit(model.PageSize)
}

func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	return s.latest().Where(func(q *sql.Selector) {
		q.Where(sql.CompositeLT([]string{q.C(order.FieldPlacedAt), q.C(order.FieldID)}, after.PlacedAt, after.ID))
	}).All(ctx)
}

func (s shop) offset(ctx context.Context, n int) (any, error) { return s.latest().Offset(n).All(ctx) }
