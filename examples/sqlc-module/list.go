package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"

	"example.com/billing/billing"
	"example.com/billing/internal/billingdb"
)

// Listing is what a user of the list of invoices chooses; zero values do not restrict.
type Listing struct {
	Statuses []billing.Status
	Customer string // a part of the name
	Largest  bool   // first
	Rows     int
}

// fills returns what goes into the slots of ListInvoices.
func (l Listing) fills() []slots.Fill {
	invoices, customers := query.All[billing.Invoice](), query.All[billing.Customer]()
	if len(l.Statuses) > 0 {
		invoices = invoices.Where(billing.InvoiceStatus.In(l.Statuses...))
	}
	if l.Customer != "" {
		customers = customers.Where(billing.CustomerName.ContainsFold(l.Customer))
	}
	if l.Largest {
		invoices = invoices.OrderBy(billing.Total.Desc())
	}
	if l.Rows > 0 {
		invoices = invoices.Limit(l.Rows)
	}
	return []slots.Fill{slots.For(billing.Invoices, invoices), slots.For(billing.Customers, customers)}
}

// ListedInvoice is a row of the list with what is loaded into it.
type ListedInvoice struct {
	billingdb.ListInvoicesRow
	Items []LineView
}

var (
	linesOfRow = preload.ToManyBy(billing.LinesOfInvoice.OrderBy(billing.LineNo.Asc()),
		func(r *billingdb.ListInvoicesRow) *pgtype.UUID { return &r.ID })
	withItems = preload.Many(linesOfRow, func(v *ListedInvoice) *[]LineView { return &v.Items },
		preload.One(billing.LineProduct, func(l *LineView) **billing.Product { return &l.Product }))
)

// List lists invoices. It knows the queries as an interface, and how they are made on a handle, so that it can fill their
// slots, and a test can hand in other ones.
type List struct {
	db      smrt.DB
	queries func(billingdb.DBTX) billingdb.Querier
}

// NewList returns a list on a pool or a transaction, with the queries that sqlc generated.
func NewList(db smrt.DB) *List {
	return &List{db, func(db billingdb.DBTX) billingdb.Querier { return billingdb.New(db) }}
}

// Rows returns the invoices that match with their lines and products, and how many there are without the limit.
func (l *List) Rows(ctx context.Context, chosen Listing) (listed []ListedInvoice, total int64, err error) {
	fills := chosen.fills()
	rows, err := l.queries(slots.On(l.db, fills...)).ListInvoices(ctx)
	if err != nil {
		return nil, 0, err
	}
	listed = make([]ListedInvoice, len(rows))
	for i, row := range rows {
		listed[i].ListInvoicesRow = row
	}
	if err := preload.Fill(ctx, l.db, listed, withItems); err != nil {
		return nil, 0, err
	}
	total, err = slots.Count(ctx, l.db, func(db smrt.DB) error {
		_, err := l.queries(db).ListInvoices(ctx)
		return err
	}, fills...)
	return listed, total, err
}

// Note writes a note on the open invoices of a customer, in a transaction of the caller's.
func Note(ctx context.Context, queries *billingdb.Queries, tx pgx.Tx, customer int64, note []byte) (int64, error) {
	theirs := query.Where(billing.InvoiceCustomer.Has(billing.CustomerID.Eq(customer)))
	return queries.WithTx(slots.Tx(tx, slots.For(billing.Invoices, theirs))).NoteInvoices(ctx, note)
}
