package billing

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/preload"
)

// The relations.
var (
	InvoiceCustomer  = preload.BelongsTo(Invoices, Customers, func(i *Invoice) *int64 { return &i.CustomerID })
	CustomerInvoices = preload.HasMany(Customers, Invoices, func(i *Invoice) *int64 { return &i.CustomerID })
	LinesOfInvoice   = preload.HasMany(Invoices, InvoiceLines, func(l *InvoiceLine) *pgtype.UUID { return &l.InvoiceID })
	LineProduct      = preload.BelongsTo(InvoiceLines, Products, func(l *InvoiceLine) *int64 { return &l.ProductID })
	CustomerUsage    = preload.HasMany(Customers, UsageData, func(u *Usage) *int64 { return &u.CustomerID })
)
