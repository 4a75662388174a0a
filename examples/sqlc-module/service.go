package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"

	"example.com/billing/billing"
	"example.com/billing/internal/billingdb"
)

// Service has the repositories and sqlc's queries on one pool.
type Service struct {
	pool      *pgxpool.Pool
	queries   *billingdb.Queries
	customers *repo.Repository[billing.Customer, int64]
	products  *repo.Repository[billing.Product, int64]
	invoices  *repo.Repository[billing.Invoice, pgtype.UUID]
	lines     *repo.Repository[billing.InvoiceLine, billing.LineKey]
	views     *repo.Reader[billing.Invoice, pgtype.UUID, InvoiceView]
}

// NewService returns a service on a pool.
func NewService(pool *pgxpool.Pool) *Service {
	invoices := repo.New(pool, billing.Invoices)
	return &Service{
		pool:      pool,
		queries:   billingdb.New(txn.Checked(pool)),
		customers: repo.New(pool, billing.Customers),
		products:  repo.New(pool, billing.Products),
		invoices:  invoices,
		lines:     repo.New(pool, billing.InvoiceLines),
		views:     repo.View(invoices, func(v *InvoiceView) *billing.Invoice { return &v.Invoice }),
	}
}

// InvoiceView is an invoice with what belongs to it. sqlc's models have no fields for that.
type InvoiceView struct {
	billing.Invoice
	Customer *billing.Customer
	Lines    []LineView
}

// LineView is a line with its product.
type LineView struct {
	billing.InvoiceLine
	Product *billing.Product
}

var (
	withCustomer = preload.One(billing.InvoiceCustomer, func(v *InvoiceView) **billing.Customer { return &v.Customer })
	withLines    = preload.Many(billing.LinesOfInvoice.OrderBy(billing.LineNo.Asc()),
		func(v *InvoiceView) *[]LineView { return &v.Lines },
		preload.One(billing.LineProduct, func(l *LineView) **billing.Product { return &l.Product }))
)

// Filter is what a user may search by; zero values do not restrict.
type Filter struct {
	Statuses []billing.Status
	Customer string // a part of the name
	DueBy    time.Time
}

// Find returns the invoices that match, with customer, lines and products: four statements, however many invoices.
func (s *Service) Find(ctx context.Context, f Filter) ([]InvoiceView, error) {
	q := query.All[billing.Invoice]().OrderBy(billing.DueOn.Asc(), billing.Total.Desc()).Limit(50)
	if len(f.Statuses) > 0 {
		q = q.Where(billing.InvoiceStatus.In(f.Statuses...))
	}
	if f.Customer != "" {
		q = q.Where(billing.InvoiceCustomer.Has(billing.CustomerName.ContainsFold(f.Customer)))
	}
	if !f.DueBy.IsZero() {
		q = q.Where(billing.DueOn.Le(f.DueBy))
	}
	return s.views.Find(ctx, q, withCustomer, withLines)
}

// Item is one line of an order.
type Item struct {
	SKU      string
	Quantity int32
}

// ErrOutOfStock says that there is less of a product than was ordered.
var ErrOutOfStock = errors.New("out of stock")

// Bill takes items out of the stock and opens an invoice over them, all or nothing. Repositories and sqlc's queries
// share the transaction.
func (s *Service) Bill(ctx context.Context, customer int64, due time.Time, items ...Item) (invoice billing.Invoice, err error) {
	// Rows are locked in one order, so that two calls never wait for each other.
	items = slices.SortedFunc(slices.Values(items), func(a, b Item) int { return strings.Compare(a.SKU, b.SKU) })
	err = txn.Run(ctx, s.pool, func(ctx context.Context, tx pgx.Tx) error {
		draft := billing.Invoice{CustomerID: customer}
		if err := s.invoices.With(tx).Create(ctx, &draft); err != nil {
			return err
		}
		queries := billingdb.New(tx)
		lines, err := takeStock(ctx, queries, draft.ID, items)
		if err != nil {
			return err
		}
		if err := s.lines.With(tx).CreateMany(ctx, lines); err != nil {
			return err
		}
		invoice, err = queries.CloseInvoice(ctx, billingdb.CloseInvoiceParams{ID: draft.ID, DueOn: &due})
		return txn.Translate(err)
	})
	return invoice, err
}

// takeStock takes items out of the stock in one round trip, and returns their lines.
func takeStock(ctx context.Context, queries *billingdb.Queries, invoice pgtype.UUID, items []Item) ([]billing.InvoiceLine, error) {
	params := make([]billingdb.TakeStockParams, len(items))
	for i, item := range items {
		params[i] = billingdb.TakeStockParams{SKU: item.SKU, Quantity: item.Quantity}
	}
	lines := make([]billing.InvoiceLine, len(items))
	var errs []error
	queries.TakeStock(ctx, params).QueryRow(func(i int, taken billingdb.TakeStockRow, err error) {
		err = txn.Translate(err)
		if errors.Is(err, smrt.ErrNotFound) {
			err = fmt.Errorf("%s: %w", items[i].SKU, ErrOutOfStock)
		}
		errs = append(errs, err)
		lines[i] = billing.InvoiceLine{
			InvoiceID: invoice, LineNo: int32(i + 1),
			ProductID: taken.ID, Quantity: items[i].Quantity, UnitPrice: taken.UnitPrice,
		}
	})
	return lines, errors.Join(errs...)
}
