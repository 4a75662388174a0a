// Package cookbook has the recipes of docs/guides/cookbook.md: functions of a small shop, each of
// which does one thing that services do. The tests of the package run all of them.
package cookbook

import (
	"encoding/json"
	"time"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// Customer is a row of customers.
type Customer struct {
	ID      int64
	Email   string
	Name    string
	Balance int64 // in cents
	Version int64
}

// Category is a row of categories, which form a tree.
type Category struct {
	ID       int64
	ParentID *int64
	Name     string
}

// Product is a row of products.
type Product struct {
	ID         int64
	CategoryID int64
	SKU        string
	Name       string
	PriceCents int64
	Stock      int32
	Tags       []string
	Attributes json.RawMessage
	CreatedAt  time.Time
	DeletedAt  *time.Time
}

// Order is a row of orders.
type Order struct {
	ID         int64
	CustomerID int64
	Status     string
	TotalCents int64
	PlacedAt   time.Time
}

// OrderLine is a row of order_lines, whose key has two columns.
type OrderLine struct {
	OrderID    int64
	ProductID  int64
	Quantity   int32
	PriceCents int64
}

// LineKey is the key of an OrderLine.
type LineKey struct{ OrderID, ProductID int64 }

// Job is a row of jobs.
type Job struct {
	ID      int64
	Payload string
	DoneAt  *time.Time
}

// The tables.
var (
	Customers = query.NewTable("customers", func(c *Customer) *int64 { return &c.ID },
		query.Version(func(c *Customer) *int64 { return &c.Version }))
	Categories = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })
	Products   = query.NewTable("products", func(p *Product) *int64 { return &p.ID },
		query.Default[Product](Tags, Attributes),
		query.Rules(query.NotBlank(Name), query.AtLeast(Price, 0)),
		query.CreatedAt(func(p *Product) *time.Time { return &p.CreatedAt }),
		query.SoftDelete(func(p *Product) **time.Time { return &p.DeletedAt }))
	Orders     = query.NewTable("orders", func(o *Order) *int64 { return &o.ID })
	OrderLines = query.NewCompositeTable("order_lines", query.Key[OrderLine, LineKey]{
		query.Part(func(l *OrderLine) *int64 { return &l.OrderID }, func(k *LineKey) *int64 { return &k.OrderID }),
		query.Part(func(l *OrderLine) *int64 { return &l.ProductID }, func(k *LineKey) *int64 { return &k.ProductID }),
	})
	Jobs = query.NewTable("jobs", func(j *Job) *int64 { return &j.ID })
)

// The columns that recipes use.
var (
	Email   = query.TextCol(func(c *Customer) *string { return &c.Email })
	Balance = query.Col(func(c *Customer) *int64 { return &c.Balance })

	CategoryID = query.Col(func(c *Category) *int64 { return &c.ID })

	ProductID  = query.Col(func(p *Product) *int64 { return &p.ID })
	SKU        = query.TextCol(func(p *Product) *string { return &p.SKU })
	Name       = query.TextCol(func(p *Product) *string { return &p.Name })
	Price      = query.Col(func(p *Product) *int64 { return &p.PriceCents })
	Stock      = query.Col(func(p *Product) *int32 { return &p.Stock })
	Tags       = query.ArrayCol(func(p *Product) *[]string { return &p.Tags })
	Attributes = query.JSONCol(func(p *Product) *json.RawMessage { return &p.Attributes })
	Created    = query.Col(func(p *Product) *time.Time { return &p.CreatedAt })

	OrderCustomer = query.Col(func(o *Order) *int64 { return &o.CustomerID })
	Status        = query.TextCol(func(o *Order) *string { return &o.Status })
	Total         = query.Col(func(o *Order) *int64 { return &o.TotalCents })
	PlacedAt      = query.Col(func(o *Order) *time.Time { return &o.PlacedAt })

	LineOrder   = query.Col(func(l *OrderLine) *int64 { return &l.OrderID })
	LineProduct = query.Col(func(l *OrderLine) *int64 { return &l.ProductID })

	JobID  = query.Col(func(j *Job) *int64 { return &j.ID })
	DoneAt = query.NullCol(func(j *Job) **time.Time { return &j.DoneAt })
)

// The relations.
var (
	ProductCategory = preload.BelongsTo(Products, Categories, func(p *Product) *int64 { return &p.CategoryID })
	Parent          = preload.BelongsTo(Categories, Categories, func(c *Category) **int64 { return &c.ParentID })
	Path            = preload.Recursive(Parent, 20) // from a category to those that it is in

	CustomerOrders = preload.HasMany(Customers, Orders, func(o *Order) *int64 { return &o.CustomerID })
	Lines          = preload.HasMany(Orders, OrderLines, func(l *OrderLine) *int64 { return &l.OrderID })
	LineOfProduct  = preload.BelongsTo(OrderLines, Products, func(l *OrderLine) *int64 { return &l.ProductID })
)
