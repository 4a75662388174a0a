package bysqlx

import (
	"context"

	"github.com/smrt-go/smrt/bench/internal/model"
)

const selectOrders = `SELECT id, customer_id, status, version, total_cents, note, shipping_address, placed_at, paid_at, shipped_at,
	updated_at FROM orders `

// order reads a document into bytes: database/sql has no way to put NULL into a json.RawMessage.
type order struct {
	model.Order
	ShippingAddress []byte `db:"shipping_address"`
}

// joined is a row of orders and customers. The columns of the latter have a prefix, as sqlx's guide does it.
type joined struct {
	order
	Customer model.Customer `db:"customer"`
}

func (s shop) withCustomer(ctx context.Context, n int) (any, error) {
	rows := make([]joined, 0, n)
	err := s.db.SelectContext(ctx, &rows, `SELECT o.id, o.customer_id, o.status, o.version, o.total_cents, o.note, o.shipping_address,
		o.placed_at, o.paid_at, o.shipped_at, o.updated_at, c.id "customer.id", c.email "customer.email", c.name "customer.name",
		c.phone "customer.phone", c.country "customer.country", c.tier "customer.tier", c.born_on "customer.born_on",
		c.marketing_opt_in "customer.marketing_opt_in", c.created_at "customer.created_at", c.updated_at "customer.updated_at"
		FROM orders AS o JOIN customers AS c ON c.id = o.customer_id ORDER BY o.id LIMIT $1`, n)
	return rows, err
}

func (s shop) graph(ctx context.Context, n int) (any, error) {
	orders := make([]order, 0, n)
	if err := s.db.SelectContext(ctx, &orders, selectOrders+"ORDER BY id LIMIT $1", n); err != nil {
		return nil, err
	}
	ids, place := make([]int64, len(orders)), make(map[int64]int, len(orders))
	for i := range orders {
		ids[i], place[orders[i].ID] = orders[i].ID, i
	}
	var items []model.OrderItem
	err := s.db.SelectContext(ctx, &items, `SELECT order_id, line_no, product_id, quantity, unit_price_cents, discount_cents
		FROM order_items WHERE order_id = ANY($1) ORDER BY order_id, line_no`, ids)
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
	err := s.db.SelectContext(ctx, &rows, "SELECT id, category_id, sku, name, price_cents, stock FROM products WHERE id = ANY($1)", ids)
	for i := range rows {
		products[rows[i].ID] = &rows[i]
	}
	return products, err
}

func (s shop) place(ctx context.Context, o model.Order) (int64, error) {
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // nothing, after a commit
	sql, args, err := tx.BindNamed(`INSERT INTO orders (customer_id, status, version, total_cents, note, shipping_address, placed_at,
		paid_at, shipped_at, updated_at) VALUES (:customer_id, :status, :version, :total_cents, :note, :shipping_address, :placed_at,
		:paid_at, :shipped_at, :updated_at) RETURNING id`, o)
	if err != nil {
		return 0, err
	}
	if err := tx.GetContext(ctx, &o.ID, sql, args...); err != nil {
		return 0, err
	}
	for i := range o.Items {
		o.Items[i].OrderID = o.ID
	}
	_, err = tx.NamedExecContext(ctx, `INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents)
		VALUES (:order_id, :line_no, :product_id, :quantity, :unit_price_cents, :discount_cents)`, o.Items)
	if err != nil {
		return 0, err
	}
	return o.ID, tx.Commit()
}

func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	orders := make([]order, 0, model.PageSize)
	err := s.db.SelectContext(ctx, &orders, selectOrders+"WHERE (placed_at, id) < ($1, $2) ORDER BY placed_at DESC, id DESC LIMIT 20",
		after.PlacedAt, after.ID)
	return orders, err
}

func (s shop) offset(ctx context.Context, n int) (any, error) {
	orders := make([]order, 0, model.PageSize)
	err := s.db.SelectContext(ctx, &orders, selectOrders+"ORDER BY placed_at DESC, id DESC LIMIT 20 OFFSET $1", n)
	return orders, err
}

func (s shop) stream(ctx context.Context) (sum int64, err error) {
	rows, err := s.db.QueryxContext(ctx, "SELECT order_id, line_no, product_id, quantity, unit_price_cents, discount_cents FROM order_items")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var item model.OrderItem
	for rows.Next() {
		if err := rows.StructScan(&item); err != nil {
			return 0, err
		}
		sum += int64(item.Quantity)
	}
	return sum, rows.Err()
}
