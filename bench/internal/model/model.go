// Package model has what the contestants read and write: rows of the shop, and the values that tasks are given.
//
// Those whose structs are written by hand share these, with the tags that each of them documents. Those that generate
// structs have their own, with fields of the same names.
package model

import (
	"encoding/json"
	"time"
)

// Customer is a row of customers.
type Customer struct {
	ID             int64      `db:"id" gorm:"primaryKey" bun:"id,pk,autoincrement"`
	Email          string     `db:"email"`
	Name           string     `db:"name"`
	Phone          *string    `db:"phone"`
	Country        string     `db:"country"`
	Tier           string     `db:"tier"`
	BornOn         *time.Time `db:"born_on"`
	MarketingOptIn bool       `db:"marketing_opt_in"`
	CreatedAt      time.Time  `db:"created_at"`
	UpdatedAt      time.Time  `db:"updated_at" gorm:"autoUpdateTime:false"`
}

// Order is a row of orders, with what belongs to it where a task asks for that.
type Order struct {
	ID              int64           `db:"id" gorm:"primaryKey" bun:"id,pk,autoincrement"`
	CustomerID      int64           `db:"customer_id"`
	Status          string          `db:"status"`
	Version         int64           `db:"version"`
	TotalCents      int64           `db:"total_cents"`
	Note            *string         `db:"note"`
	ShippingAddress json.RawMessage `db:"shipping_address" gorm:"type:jsonb" bun:"type:jsonb"`
	PlacedAt        time.Time       `db:"placed_at"`
	PaidAt          *time.Time      `db:"paid_at"`
	ShippedAt       *time.Time      `db:"shipped_at"`
	UpdatedAt       time.Time       `db:"updated_at" gorm:"autoUpdateTime:false"`

	Customer *Customer   `db:"-" bun:"rel:belongs-to,join:customer_id=id"`
	Items    []OrderItem `db:"-" bun:"rel:has-many,join:id=order_id"`
}

// OrderItem is a row of order_items.
type OrderItem struct {
	OrderID        int64 `db:"order_id" gorm:"primaryKey;autoIncrement:false" bun:"order_id,pk"`
	LineNo         int32 `db:"line_no" gorm:"primaryKey;autoIncrement:false" bun:"line_no,pk"`
	ProductID      int64 `db:"product_id"`
	Quantity       int32 `db:"quantity"`
	UnitPriceCents int64 `db:"unit_price_cents"`
	DiscountCents  int64 `db:"discount_cents"`

	Product *Product `db:"-" bun:"rel:belongs-to,join:product_id=id"`
}

// Product is the part of a row of products that a list of orders shows.
type Product struct {
	ID         int64  `db:"id" gorm:"primaryKey" bun:"id,pk,autoincrement"`
	CategoryID int64  `db:"category_id"`
	SKU        string `db:"sku" bun:"sku"`
	Name       string `db:"name"`
	PriceCents int64  `db:"price_cents"`
	Stock      int32  `db:"stock"`
}

// Group is what a report says of the customers of one country and tier.
type Group struct {
	Country string    `db:"country"`
	Tier    string    `db:"tier"`
	Number  int64     `db:"number"`
	Newest  time.Time `db:"newest"`
}
