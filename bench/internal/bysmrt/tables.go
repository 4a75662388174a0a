package bysmrt

import (
	"time"

	"github.com/smrt-go/smrt/bench/internal/model"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// itemKey is the key of an item.
type itemKey struct {
	OrderID int64
	LineNo  int32
}

var (
	customers = query.NewTable("customers", func(c *model.Customer) *int64 { return &c.ID })
	orders    = query.NewTable("orders", func(o *model.Order) *int64 { return &o.ID })
	products  = query.NewTable("products", func(p *model.Product) *int64 { return &p.ID })
	items     = query.NewCompositeTable("order_items", query.Key[model.OrderItem, itemKey]{
		query.Part(func(i *model.OrderItem) *int64 { return &i.OrderID }, func(k *itemKey) *int64 { return &k.OrderID }),
		query.Part(func(i *model.OrderItem) *int32 { return &i.LineNo }, func(k *itemKey) *int32 { return &k.LineNo }),
	})
)

var (
	customerID      = query.Col(func(c *model.Customer) *int64 { return &c.ID })
	customerEmail   = query.TextCol(func(c *model.Customer) *string { return &c.Email })
	customerName    = query.TextCol(func(c *model.Customer) *string { return &c.Name })
	customerCountry = query.TextCol(func(c *model.Customer) *string { return &c.Country })
	customerTier    = query.TextCol(func(c *model.Customer) *string { return &c.Tier })
	customerOptIn   = query.Col(func(c *model.Customer) *bool { return &c.MarketingOptIn })
	customerCreated = query.Col(func(c *model.Customer) *time.Time { return &c.CreatedAt })

	orderID     = query.Col(func(o *model.Order) *int64 { return &o.ID })
	orderPlaced = query.Col(func(o *model.Order) *time.Time { return &o.PlacedAt })
	itemOrder   = query.Col(func(i *model.OrderItem) *int64 { return &i.OrderID })
	itemLine    = query.Col(func(i *model.OrderItem) *int32 { return &i.LineNo })
)

// What is loaded with orders.
var (
	buyer = preload.One(preload.BelongsTo(orders, customers, func(o *model.Order) *int64 { return &o.CustomerID }),
		func(o *model.Order) **model.Customer { return &o.Customer })
	lines = preload.Many(preload.HasMany(orders, items, func(i *model.OrderItem) *int64 { return &i.OrderID }).
		OrderBy(itemLine.Asc()),
		func(o *model.Order) *[]model.OrderItem { return &o.Items },
		preload.One(preload.BelongsTo(items, products, func(i *model.OrderItem) *int64 { return &i.ProductID }),
			func(i *model.OrderItem) **model.Product { return &i.Product }))
)
