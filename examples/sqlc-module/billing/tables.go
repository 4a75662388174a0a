package billing

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/query"
)

// The tables.
var (
	Customers = query.NewTable("customers", func(c *Customer) *int64 { return &c.ID },
		query.Default(TaxIDs),
		query.CreatedAt(func(c *Customer) *time.Time { return &c.CreatedAt }),
		query.UpdatedAt(func(c *Customer) *time.Time { return &c.UpdatedAt }),
		query.SoftDelete(func(c *Customer) **time.Time { return &c.DeletedAt }))

	Products = query.NewTable("products", func(p *Product) *int64 { return &p.ID })

	Invoices = query.NewTable("invoices", func(i *Invoice) *pgtype.UUID { return &i.ID },
		query.KeyByDatabase[Invoice](),
		query.Default(InvoiceStatus, Total),
		query.Computed(LedgerEntry),
		query.Version(func(i *Invoice) *int64 { return &i.Version }),
		query.CreatedAt(func(i *Invoice) *time.Time { return &i.CreatedAt }),
		query.UpdatedAt(func(i *Invoice) *time.Time { return &i.UpdatedAt }))

	InvoiceLines = query.NewCompositeTable("invoice_lines", query.Key[InvoiceLine, LineKey]{
		query.Part(func(l *InvoiceLine) *pgtype.UUID { return &l.InvoiceID }, func(k *LineKey) *pgtype.UUID { return &k.InvoiceID }),
		query.Part(func(l *InvoiceLine) *int32 { return &l.LineNo }, func(k *LineKey) *int32 { return &k.LineNo }),
	}, query.Computed(LineAmount))

	UsageData = query.NewTable("usage_data", func(u *Usage) *int64 { return &u.ID })
)

// The columns that queries and declarations use.
var (
	CustomerID    = query.Col(func(c *Customer) *int64 { return &c.ID })
	CustomerName  = query.TextCol(func(c *Customer) *string { return &c.Name })
	CustomerPhone = query.NullTextCol(func(c *Customer) **string { return &c.Phone })
	TaxIDs        = query.ArrayCol(func(c *Customer) *[]string { return &c.TaxIDs })

	SKU               = query.TextCol(func(p *Product) *string { return &p.SKU })
	UnitPrice         = query.Col(func(p *Product) *pgtype.Numeric { return &p.UnitPrice })
	ProductAttributes = query.JSONCol(func(p *Product) *Attributes { return &p.Attributes })

	InvoiceStatus = query.Col(func(i *Invoice) *Status { return &i.Status })
	VoidFrom      = query.NullCol(func(i *Invoice) **Status { return &i.VoidFrom })
	DueOn         = query.NullCol(func(i *Invoice) **time.Time { return &i.DueOn })
	PaidAt        = query.NullCol(func(i *Invoice) **time.Time { return &i.PaidAt })
	Total         = query.Col(func(i *Invoice) *pgtype.Numeric { return &i.Total })
	Notes         = query.JSONCol(func(i *Invoice) *json.RawMessage { return &i.Notes })
	LedgerEntry   = query.NullTextCol(func(i *Invoice) **string { return &i.LedgerEntry })

	LineNo     = query.Col(func(l *InvoiceLine) *int32 { return &l.LineNo })
	LineAmount = query.Col(func(l *InvoiceLine) *pgtype.Numeric { return &l.Amount })

	Meter = query.TextCol(func(u *Usage) *string { return &u.Meter })
	Units = query.Col(func(u *Usage) *int32 { return &u.Units })
)
