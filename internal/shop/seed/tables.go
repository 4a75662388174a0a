package seed

// tables lists what there is to fill. Where several may start, the first ones do, so the large ones stand first.
func tables(size Size) []table {
	m := maker{size}
	return []table{
		{
			name: "customers",
			columns: []string{
				"id", "email", "name", "phone", "country", "tier", "born_on", "marketing_opt_in", "created_at", "updated_at",
			},
			things: size.Customers, total: size.Customers, rows: m.customers, parts: 1,
		},
		{
			name:    "categories",
			columns: []string{"id", "parent_id", "slug", "name", "position", "created_at", "updated_at"},
			things:  len(categories), total: len(categories), rows: m.categories, parts: 1,
		},
		{
			name: "products",
			columns: []string{
				"id", "category_id", "sku", "name", "description", "price_cents", "stock", "weight_grams", "tags", "attributes",
				"created_at", "updated_at", "deleted_at",
			},
			after:  []string{"categories"},
			things: size.Products, total: size.Products, rows: m.products, parts: 2,
		},
		{
			name: "orders",
			columns: []string{
				"id", "customer_id", "status", "version", "total_cents", "note", "shipping_address",
				"placed_at", "paid_at", "shipped_at", "updated_at",
			},
			after:  []string{"customers"},
			things: size.Orders, total: size.Orders, rows: m.orders, parts: 1,
		},
		{
			name:    "order_items",
			columns: []string{"order_id", "line_no", "product_id", "quantity", "unit_price_cents", "discount_cents"},
			after:   []string{"orders", "products"},
			things:  size.Orders, total: linesOfOrder.upTo(size.Orders), rows: m.orderItems, parts: 2,
		},
		{
			name:    "warehouses",
			columns: []string{"id", "code", "name", "country", "latitude", "longitude", "active", "created_at", "updated_at"},
			things:  len(warehouses), total: len(warehouses), rows: m.warehouses, parts: 1,
		},
		{
			name:    "inventory",
			columns: []string{"warehouse_id", "product_id", "quantity", "reserved", "reorder_at", "updated_at"},
			after:   []string{"warehouses", "products"},
			things:  size.Products, total: placesOfProduct.upTo(size.Products), rows: m.inventory, parts: 1,
		},
		{
			name:    "reviews",
			columns: []string{"id", "product_id", "customer_id", "rating", "title", "body", "verified", "created_at", "updated_at"},
			after:   []string{"products", "customers"},
			things:  size.Products, total: reviewsOfProduct.upTo(size.Products), rows: m.reviews, parts: 1,
		},
		{
			name:    "price_history",
			columns: []string{"id", "product_id", "old_price_cents", "new_price_cents", "reason", "changed_at"},
			after:   []string{"products"},
			things:  size.Products, total: changesOfProduct.upTo(size.Products), rows: m.priceHistory, parts: 1,
		},
		{
			name:    "tags",
			columns: []string{"id", "name", "created_at"},
			things:  len(tags), total: len(tags), rows: m.tags, parts: 1,
		},
		{
			name:    "product_tags",
			columns: []string{"product_id", "tag_id"},
			after:   []string{"products", "tags"},
			things:  size.Products, total: tagsOfProduct.upTo(size.Products), rows: m.productTags, parts: 1,
		},
		{
			name:    "carts",
			columns: []string{"id", "customer_id", "created_at", "updated_at", "expires_at"},
			after:   []string{"customers"},
			things:  size.Carts, total: size.Carts, rows: m.carts, parts: 1,
		},
		{
			name:    "cart_items",
			columns: []string{"cart_id", "product_id", "quantity", "added_at"},
			after:   []string{"carts", "products"},
			things:  size.Carts, total: productsOfCart.upTo(size.Carts), rows: m.cartItems, parts: 1,
		},
	}
}
