// Package schema declares the tables of the shop for ent, which makes package db of it. In the directory bench:
//
//	go run entgo.io/ent/cmd/ent@v0.14.5 generate --target internal/byent/db --feature sql/upsert ./internal/byent/schema
package schema

import (
	"encoding/json"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Customer is a row of customers.
type Customer struct{ ent.Schema }

// Fields are its columns.
func (Customer) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("email"),
		field.String("name"),
		field.String("phone").Optional().Nillable(),
		field.String("country"),
		field.Enum("tier").Values("standard", "silver", "gold"),
		field.Time("born_on").Optional().Nillable(),
		field.Bool("marketing_opt_in"),
		field.Time("created_at"),
		field.Time("updated_at"),
	}
}

// Edges are its relations.
func (Customer) Edges() []ent.Edge { return []ent.Edge{edge.To("orders", Order.Type)} }

// Order is a row of orders.
type Order struct{ ent.Schema }

// Fields are its columns.
func (Order) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.Int64("customer_id"),
		field.Enum("status").Values("pending", "paid", "shipped", "delivered", "cancelled"),
		field.Int64("version"),
		field.Int64("total_cents"),
		field.String("note").Optional().Nillable(),
		field.JSON("shipping_address", json.RawMessage{}).Optional(),
		field.Time("placed_at"),
		field.Time("paid_at").Optional().Nillable(),
		field.Time("shipped_at").Optional().Nillable(),
		field.Time("updated_at"),
	}
}

// Edges are its relations.
func (Order) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("customer", Customer.Type).Ref("orders").Field("customer_id").Unique().Required(),
		edge.To("products", Product.Type).Through("items", OrderItem.Type),
	}
}

// Product is the part of a row of products that a list of orders shows.
type Product struct{ ent.Schema }

// Fields are its columns.
func (Product) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.Int64("category_id"),
		field.String("sku").StructTag(`json:"sku"`),
		field.String("name"),
		field.Int64("price_cents"),
		field.Int32("stock"),
	}
}

// Edges are its relations.
func (Product) Edges() []ent.Edge {
	return []ent.Edge{edge.From("orders", Order.Type).Ref("products").Through("items", OrderItem.Type)}
}

// OrderItem is a row of order_items. An entity of ent has a key of one column, but what lies between two others has theirs:
// an order of the shop has a product once.
type OrderItem struct{ ent.Schema }

// Annotations name the key.
func (OrderItem) Annotations() []schema.Annotation {
	return []schema.Annotation{field.ID("order_id", "product_id"), entsql.Table("order_items")}
}

// Fields are its columns.
func (OrderItem) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("order_id"),
		field.Int32("line_no"),
		field.Int64("product_id"),
		field.Int32("quantity"),
		field.Int64("unit_price_cents"),
		field.Int64("discount_cents"),
	}
}

// Edges are its relations.
func (OrderItem) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("order", Order.Type).Unique().Required().Field("order_id"),
		edge.To("product", Product.Type).Unique().Required().Field("product_id"),
	}
}
