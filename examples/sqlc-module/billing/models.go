// Package billing has all names of the service's data: its entities, which are sqlc's models, and their tables, columns
// and relations, which repositories use.
package billing

import (
	"github.com/jackc/pgx/v5/pgtype"

	"example.com/billing/internal/billingdb"
	"example.com/billing/internal/values"
)

// The entities are aliases of sqlc's models and no copies: what a query returns is what a repository takes.
type (
	Customer    = billingdb.Customer
	Product     = billingdb.Product
	Invoice     = billingdb.Invoice
	InvoiceLine = billingdb.InvoiceLine
	Usage       = billingdb.Usage
)

// Attributes is the document of a product.
type Attributes = values.Attributes

// LineKey is the key of an InvoiceLine.
type LineKey struct {
	InvoiceID pgtype.UUID
	LineNo    int32
}

// Status is how far an invoice has come.
type Status = billingdb.InvoiceStatus

// The states of an invoice.
const (
	Draft = billingdb.InvoiceStatusDraft
	Open  = billingdb.InvoiceStatusOpen
	Paid  = billingdb.InvoiceStatusPaid
	Void  = billingdb.InvoiceStatusVoid
)
