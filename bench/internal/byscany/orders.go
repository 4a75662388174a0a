package byscany

import (
	"context"

	"github.com/Masterminds/squirrel"
	"github.com/georgysavva/scany/v2/pgxscan"
	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/bench/internal/model"
)

func (s shop) orders() squirrel.SelectBuilder {
	return s.sql.Select("id", "customer_id", "status", "version", "total_cents", "note", "shipping_address", "placed_at", "paid_at",
		"shipped_at", "updated_at").From("orders")
}

func (s shop) latest() squirrel.SelectBuilder {
	return s.orders().OrderBy("placed_at DESC", "id DESC").Limit(model.PageSize)
}

func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	orders := make([]model.Order, 0, model.PageSize)
	err := s.all(ctx, &orders, s.latest().Where("(placed_at, id) < (?, ?)", after.PlacedAt, after.ID))
	return orders, err
}

func (s shop) offset(ctx context.Context, n int) (any, error) {
	orders := make([]model.Order, 0, model.PageSize)
	err := s.all(ctx, &orders, s.latest().Offset(uint64(n)))
	return orders, err
}

func (s shop) stream(ctx context.Context) (sum int64, err error) {
	sql, args, err := s.sql.Select("order_id", "line_no", "product_id", "quantity", "unit_price_cents", "discount_cents").
		From("order_items").ToSql()
	if err != nil {
		return 0, err
	}
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	scanner := pgxscan.NewRowScanner(rows)
	var item model.OrderItem
	for rows.Next() {
		if err := scanner.Scan(&item); err != nil {
			return 0, err
		}
		sum += int64(item.Quantity)
	}
	return sum, rows.Err()
}

// joined is a row of orders and customers. The columns of the latter have a prefix, as scany's documentation does it.
type joined struct {
	model.Order
	Customer model.Customer `db:"customer"`
}

func (s shop) withCustomer(ctx context.Context, n int) (any, error) {
	rows := make([]joined, 0, n)
	err := s.all(ctx, &rows, s.sql.Select("o.id", "o.customer_id", "o.status", "o.version", "o.total_cents", "o.note",
		"o.shipping_address", "o.placed_at", "o.paid_at", "o.shipped_at", "o.updated_at", `c.id "customer.id"`,
		`c.email "customer.email"`, `c.name "customer.name"`, `c.phone "customer.phone"`, `c.country "customer.country"`,
		`c.tier "customer.tier"`, `c.born_on "customer.born_on"`, `c.marketing_opt_in "customer.marketing_opt_in"`,
		`c.created_at "customer.created_at"`, `c.updated_at "customer.updated_at"`).
		From("orders AS o").Join("customers AS c ON c.id = o.customer_id").OrderBy("o.id").Limit(uint64(n)))
	return rows, err
}

func (s shop) graph(ctx context.Context, n int) (any, error) {
	orders := make([]model.Order, 0, n)
	if err := s.all(ctx, &orders, s.orders().OrderBy("id").Limit(uint64(n))); err != nil {
		return nil, err
	}
	ids, place := make([]int64, len(orders)), make(map[int64]int, len(orders))
	for i := range orders {
		ids[i], place[orders[i].ID] = orders[i].ID, i
	}
	var items []model.OrderItem
	err := s.all(ctx, &items, s.sql.Select("order_id", "line_no", "product_id", "quantity", "unit_price_cents", "discount_cents").
		From("order_items").Where("order_id = ANY(?)", ids).OrderBy("order_id", "line_no"))
	if err != nil {
		return nil, err
	}
	products, err := s.products(ctx, items)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		item.Product = products[item.ProductID]
		o := &orders[place[item.OrderID]]
		o.Items = append(o.Items, item)
	}
	return orders, nil
}

func (s shop) products(ctx context.Context, items []model.OrderItem) (map[int64]*model.Product, error) {
	products, ids := make(map[int64]*model.Product, len(items)), make([]int64, 0, len(items))
	for i := range items {
		id := items[i].ProductID
		if _, known := products[id]; !known {
			products[id] = nil
			ids = append(ids, id)
		}
	}
	var rows []model.Product
	err := s.all(ctx, &rows, s.sql.Select("id", "category_id", "sku", "name", "price_cents", "stock").From("products").
		Where("id = ANY(?)", ids))
	for i := range rows {
		products[rows[i].ID] = &rows[i]
	}
	return products, err
}

func (s shop) place(ctx context.Context, o model.Order) (int64, error) {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		sql, args, err := s.sql.Insert("orders").
			Columns("customer_id", "status", "version", "total_cents", "note", "shipping_address", "placed_at", "paid_at", "shipped_at",
				"updated_at").
			Values(o.CustomerID, o.Status, o.Version, o.TotalCents, o.Note, o.ShippingAddress, o.PlacedAt, o.PaidAt, o.ShippedAt,
				o.UpdatedAt).
			Suffix("RETURNING id").ToSql()
		if err != nil {
			return err
		}
		if err := pgxscan.Get(ctx, tx, &o.ID, sql, args...); err != nil {
			return err
		}
		lines := s.sql.Insert("order_items").
			Columns("order_id", "line_no", "product_id", "quantity", "unit_price_cents", "discount_cents")
		for i := range o.Items {
			item := &o.Items[i]
			lines = lines.Values(o.ID, item.LineNo, item.ProductID, item.Quantity, item.UnitPriceCents, item.DiscountCents)
		}
		if sql, args, err = lines.ToSql(); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sql, args...)
		return err
	})
	return o.ID, err
}
