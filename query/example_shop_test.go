package query_test

import "github.com/smrt-go/smrt/query"

// The tables that the examples use.
type (
	Category struct {
		ID         int64
		Slug, Name string
	}
	Product struct {
		ID         int64
		CategoryID int64
		SKU, Name  string
		PriceCents int64
		Stock      int32
	}
	Customer struct {
		ID      int64
		Name    string
		Email   string
		Country string
		Phone   *string
		Tier    Tier
	}
	Tag struct {
		ID   int64
		Name string
	}

	// Tier is an enum of the database.
	Tier string
)

const (
	Silver Tier = "silver"
	Gold   Tier = "gold"
)

var (
	Categories = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })
	Products   = query.NewTable("products", func(p *Product) *int64 { return &p.ID })
	Tags       = query.NewTable("tags", func(t *Tag) *int64 { return &t.ID })
	Customers  = query.NewTable("customers", func(c *Customer) *int64 { return &c.ID },
		query.Default(CustomerTier))

	Price        = query.Col(func(p *Product) *int64 { return &p.PriceCents })
	Stock        = query.Col(func(p *Product) *int32 { return &p.Stock })
	CustomerName = query.TextCol(func(c *Customer) *string { return &c.Name })
	CustomerTier = query.Col(func(c *Customer) *Tier { return &c.Tier })
)
