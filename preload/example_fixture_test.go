package preload_test

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
)

// stockExampleShop makes what the examples read: a tea, a pot and two orders.
func stockExampleShop(ctx context.Context, db smrt.DB) {
	_, err := db.Exec(ctx, `
		INSERT INTO categories (slug, name) VALUES ('kitchen', 'Kitchen');
		INSERT INTO categories (slug, name, parent_id) VALUES ('tea', 'Tea', 1), ('pots', 'Pots', 1);
		INSERT INTO products (category_id, sku, name, price_cents) VALUES (2, 'T1', 'Green tea', 500), (2, 'T2', 'Black tea', 450), (3, 'P1', 'Iron pot', 9000);
		INSERT INTO customers (email, name, country) VALUES ('ann@example.org', 'Ann', 'NO'), ('bob@example.org', 'Bob', 'NO');
		INSERT INTO orders (customer_id, total_cents) VALUES (1, 10000), (1, 450);
		INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents, discount_cents)
			VALUES (1, 1, 1, 2, 500, 0), (1, 2, 3, 1, 9000, 0), (2, 1, 2, 1, 450, 0);
		INSERT INTO reviews (product_id, customer_id, rating) VALUES (1, 1, 5), (1, 2, 4), (3, 1, 2);
		INSERT INTO tags (name) VALUES ('organic'), ('gift');
		INSERT INTO product_tags (product_id, tag_id) VALUES (1, 1), (1, 2), (3, 2)`, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		panic(err)
	}
}
