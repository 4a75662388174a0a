package bypgx

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/bench/internal/model"
)

const (
	orderColumns = `o.id, o.customer_id, o.status, o.version, o.total_cents, o.note, o.shipping_address, o.placed_at, o.paid_at,
		o.shipped_at, o.updated_at`
	selectOrders = "SELECT " + orderColumns + " FROM orders AS o "
)

func orderTargets(o *model.Order) []any {
	return []any{
		&o.ID, &o.CustomerID, &o.Status, &o.Version, &o.TotalCents, &o.Note, &o.ShippingAddress, &o.PlacedAt, &o.PaidAt,
		&o.ShippedAt, &o.UpdatedAt,
	}
}

// withCustomer joins: what is one row of two tables comes in one round trip.
func (s shop) withCustomer(ctx context.Context, n int) (any, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+orderColumns+`, c.id, c.email, c.name, c.phone, c.country, c.tier, c.born_on,
		c.marketing_opt_in, c.created_at, c.updated_at FROM orders AS o JOIN customers AS c ON c.id = o.customer_id ORDER BY o.id LIMIT $1`, n)
	if err != nil {
		return nil, err
	}
	orders, customers := make([]model.Order, 0, n), make([]model.Customer, n)
	var o model.Order
	var c model.Customer
	_, err = pgx.ForEachRow(rows, append(orderTargets(&o), targets(&c)...), func() error {
		own := &customers[len(orders)]
		*own, o.Customer = c, own
		orders = append(orders, o)
		o, c = model.Order{}, model.Customer{}
		return nil
	})
	return orders, err
}

// graph reads three tables with a statement each, whatever the number of orders.
func (s shop) graph(ctx context.Context, n int) (any, error) {
	rows, err := s.pool.Query(ctx, selectOrders+"ORDER BY o.id LIMIT $1", n)
	orders, err := collect(rows, err, n, orderTargets)
	if err != nil {
		return nil, err
	}
	ids, place := make([]int64, n), make(map[int64]int, n)
	for i := range orders {
		ids[i], place[orders[i].ID] = orders[i].ID, i
	}
	rows, err = s.pool.Query(ctx, `SELECT order_id, line_no, product_id, quantity, unit_price_cents, discount_cents FROM order_items
		WHERE order_id = ANY($1) ORDER BY order_id, line_no`, ids)
	items, err := collect(rows, err, 4*n, func(i *model.OrderItem) []any {
		return []any{&i.OrderID, &i.LineNo, &i.ProductID, &i.Quantity, &i.UnitPriceCents, &i.DiscountCents}
	})
	if err != nil {
		return nil, err
	}
	products, err := s.products(ctx, items)
	if err != nil {
		return nil, err
	}
	for first := 0; first < len(items); {
		end := first
		for ; end < len(items) && items[end].OrderID == items[first].OrderID; end++ {
			items[end].Product = products[items[end].ProductID]
		}
		orders[place[items[first].OrderID]].Items = items[first:end:end]
		first = end
	}
	return orders, nil
}

func (s shop) products(ctx context.Context, items []model.OrderItem) (map[int64]*model.Product, error) {
	products, ids := make(map[int64]*model.Product, len(items)), make([]int64, 0, len(items))
	for i := range items {
		if id := items[i].ProductID; products[id] == nil {
			products[id] = &model.Product{}
			ids = append(ids, id)
		}
	}
	rows, err := s.pool.Query(ctx, "SELECT id, category_id, sku, name, price_cents, stock FROM products WHERE id = ANY($1)", ids)
	if err != nil {
		return nil, err
	}
	var p model.Product
	_, err = pgx.ForEachRow(rows, []any{&p.ID, &p.CategoryID, &p.SKU, &p.Name, &p.PriceCents, &p.Stock}, func() error {
		*products[p.ID] = p
		return nil
	})
	return products, err
}

// place sends two pipelines: the items need the order's key.
func (s shop) place(ctx context.Context, o model.Order) (int64, error) {
	err := s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return placeOn(ctx, conn.Conn(), &o) })
	return o.ID, err
}

func placeOn(ctx context.Context, conn *pgx.Conn, o *model.Order) error {
	var first, second pgx.Batch
	first.Queue("begin")
	first.Queue(`INSERT INTO orders (customer_id, status, version, total_cents, note, shipping_address, placed_at, paid_at, shipped_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`, o.CustomerID, o.Status, o.Version, o.TotalCents, o.Note,
		o.ShippingAddress, o.PlacedAt, o.PaidAt, o.ShippedAt, o.UpdatedAt).
		QueryRow(func(row pgx.Row) error { return row.Scan(&o.ID) })
	if err := conn.SendBatch(ctx, &first).Close(); err != nil {
		_, _ = conn.Exec(ctx, "rollback")
		return err
	}
	n := len(o.Items)
	lines, products, quantities := make([]int32, n), make([]int64, n), make([]int32, n)
	prices, discounts := make([]int64, n), make([]int64, n)
	for i := range o.Items {
		item := &o.Items[i]
		item.OrderID = o.ID
		lines[i], products[i], quantities[i] = item.LineNo, item.ProductID, item.Quantity
		prices[i], discounts[i] = item.UnitPriceCents, item.DiscountCents
	}
	second.Queue(`INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents)
		SELECT $1, * FROM unnest($2::integer[], $3::bigint[], $4::integer[], $5::bigint[], $6::bigint[])`,
		o.ID, lines, products, quantities, prices, discounts)
	second.Queue("commit")
	if err := conn.SendBatch(ctx, &second).Close(); err != nil {
		_, _ = conn.Exec(ctx, "rollback")
		return err
	}
	return nil
}

func (s shop) page(ctx context.Context, after model.Position) (any, error) {
	rows, err := s.pool.Query(ctx, selectOrders+"WHERE (o.placed_at, o.id) < ($1, $2) ORDER BY o.placed_at DESC, o.id DESC LIMIT 20",
		after.PlacedAt, after.ID)
	return collect(rows, err, model.PageSize, orderTargets)
}

func (s shop) offset(ctx context.Context, n int) (any, error) {
	rows, err := s.pool.Query(ctx, selectOrders+"ORDER BY o.placed_at DESC, o.id DESC LIMIT 20 OFFSET $1", n)
	return collect(rows, err, model.PageSize, orderTargets)
}

func (s shop) stream(ctx context.Context) (sum int64, err error) {
	rows, err := s.pool.Query(ctx, "SELECT order_id, line_no, product_id, quantity, unit_price_cents, discount_cents FROM order_items")
	if err != nil {
		return 0, err
	}
	var i model.OrderItem
	targets := []any{&i.OrderID, &i.LineNo, &i.ProductID, &i.Quantity, &i.UnitPriceCents, &i.DiscountCents}
	_, err = pgx.ForEachRow(rows, targets, func() error {
		sum += int64(i.Quantity)
		return nil
	})
	return sum, err
}
