package bybob

import (
	"context"

	"github.com/stephenafamo/bob"
	"github.com/stephenafamo/bob/dialect/psql"
	"github.com/stephenafamo/bob/dialect/psql/dialect"
	"github.com/stephenafamo/bob/dialect/psql/im"
	"github.com/stephenafamo/bob/dialect/psql/sm"
	"github.com/stephenafamo/scan"

	"github.com/smrt-go/smrt/bench/internal/model"
)

var (
	orderMapper = scan.StructMapper[model.Order]()
	itemMapper  = scan.StructMapper[model.OrderItem]()
)

func (s shop) place(ctx context.Context, o model.Order) (int64, error) {
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return 0, err
	}
	if err := placeIn(ctx, tx, &o); err != nil {
		_ = tx.Rollback(ctx) // the first error is the one that counts
		return 0, err
	}
	return o.ID, tx.Commit(ctx)
}

func placeIn(ctx context.Context, tx bob.Executor, o *model.Order) (err error) {
	o.ID, err = bob.One(ctx, tx, psql.Insert(
		im.Into("orders", "customer_id", "status", "version", "total_cents", "note", "shipping_address", "placed_at", "paid_at",
			"shipped_at", "updated_at"),
		im.Values(psql.Arg(o.CustomerID, o.Status, o.Version, o.TotalCents, o.Note, o.ShippingAddress, o.PlacedAt, o.PaidAt,
			o.ShippedAt, o.UpdatedAt)),
		im.Returning("id")), keyMapper)
	if err != nil {
		return err
	}
	mods := []bob.Mod[*dialect.InsertQuery]{
		im.Into("order_items", "order_id", "line_no", "product_id", "quantity", "unit_price_cents", "discount_cents"),
	}
	for i := range o.Items {
		item := &o.Items[i]
		mods = append(mods, im.Values(psql.Arg(o.ID, item.LineNo, item.ProductID, item.Quantity, item.UnitPriceCents,
			item.DiscountCents)))
	}
	_, err = bob.Exec(ctx, tx, psql.Insert(mods...))
	return err
}

func latest(mods ...bob.Mod[*dialect.SelectQuery]) bob.Query {
	return psql.Select(append(mods,
		sm.Columns("id", "customer_id", "status", "version", "total_cents", "note", "shipping_address", "placed_at", "paid_at",
			"shipped_at", "updated_at"),
		sm.From("orders"), sm.OrderBy("placed_at").Desc(), sm.OrderBy("id").Desc(), sm.Limit(psql.Arg(model.PageSize)))...)
}

func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	return bob.All(ctx, s.db, latest(sm.Where(psql.Group(psql.Quote("placed_at"), psql.Quote("id")).
		LT(psql.ArgGroup(after.PlacedAt, after.ID)))), orderMapper)
}

func (s shop) offset(ctx context.Context, n int) (any, error) {
	return bob.All(ctx, s.db, latest(sm.Offset(psql.Arg(n))), orderMapper)
}

func (s shop) stream(ctx context.Context) (sum int64, err error) {
	rows, err := bob.Cursor(ctx, s.db, psql.Select(
		sm.Columns("order_id", "line_no", "product_id", "quantity", "unit_price_cents", "discount_cents"), sm.From("order_items")), itemMapper)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		item, err := rows.Get()
		if err != nil {
			return 0, err
		}
		sum += int64(item.Quantity)
	}
	return sum, rows.Err()
}
