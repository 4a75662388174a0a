package smrt_test

import "github.com/smrt-go/smrt/query"

// The tables that the examples use.
type (
	Customer struct {
		ID      int64
		Email   string
		Name    string
		Country string
	}
	Product struct {
		ID   int64
		Name string
	}
	Order struct {
		ID         int64
		CustomerID int64
		TotalCents int64
		Note       *string
		Version    int64
	}
)

var (
	Customers = query.NewTable("customers", func(c *Customer) *int64 { return &c.ID })
	Products  = query.NewTable("products", func(p *Product) *int64 { return &p.ID })
	Orders    = query.NewTable("orders", func(o *Order) *int64 { return &o.ID },
		query.Version(func(o *Order) *int64 { return &o.Version }))
)
