package readreplica_test

import "github.com/smrt-go/smrt/query"

// Product is the table that the examples use.
type Product struct {
	ID         int64
	Name       string
	PriceCents int64
}

var (
	Products = query.NewTable("products", func(p *Product) *int64 { return &p.ID })

	ProductID   = query.Col(func(p *Product) *int64 { return &p.ID })
	ProductName = query.TextCol(func(p *Product) *string { return &p.Name })
	Price       = query.Col(func(p *Product) *int64 { return &p.PriceCents })
)
