// Command pgtypes uses the models that sqlc makes without overrides: what can be NULL, and each time, is of package
// pgtype. It needs DATABASE_URL, as the command billing does.
package main

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"

	"example.com/billing/pgtypes/db"
)

// The tables, over sqlc's models.
var (
	Customers = query.NewTable("customers", func(c *db.Customer) *int64 { return &c.ID },
		query.Default(TaxIDs),
		query.CreatedAt(func(c *db.Customer) *pgtype.Timestamptz { return &c.CreatedAt }),
		query.UpdatedAt(func(c *db.Customer) *pgtype.Timestamptz { return &c.UpdatedAt }),
		query.SoftDelete(func(c *db.Customer) *pgtype.Timestamptz { return &c.DeletedAt }))

	Invoices = query.NewTable("invoices", func(i *db.Invoice) *pgtype.UUID { return &i.ID },
		query.KeyByDatabase[db.Invoice](),
		query.Default(Status, Total),
		query.Computed(LedgerEntry),
		query.Version(func(i *db.Invoice) *int64 { return &i.Version }),
		query.CreatedAt(func(i *db.Invoice) *pgtype.Timestamptz { return &i.CreatedAt }),
		query.UpdatedAt(func(i *db.Invoice) *pgtype.Timestamptz { return &i.UpdatedAt }))

	CustomerInvoices = preload.HasMany(Customers, Invoices, func(i *db.Invoice) *int64 { return &i.CustomerID })
)

// The columns. One that can be NULL is declared with Col or TextCol, not with NullCol: its type says so itself.
var (
	Phone  = query.TextCol(func(c *db.Customer) *pgtype.Text { return &c.Phone })
	TaxIDs = query.ArrayCol(func(c *db.Customer) *[]string { return &c.TaxIds })

	Status      = query.Col(func(i *db.Invoice) *db.InvoiceStatus { return &i.Status })
	VoidFrom    = query.Col(func(i *db.Invoice) *db.NullInvoiceStatus { return &i.VoidFrom })
	DueOn       = query.Col(func(i *db.Invoice) *pgtype.Date { return &i.DueOn })
	Total       = query.Col(func(i *db.Invoice) *pgtype.Numeric { return &i.Total })
	LedgerEntry = query.TextCol(func(i *db.Invoice) *pgtype.Text { return &i.LedgerEntry })
)

func main() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if err := walk(ctx, pool); err != nil {
		log.Fatal(err)
	}
}

func walk(ctx context.Context, pool *pgxpool.Pool) error {
	customers, invoices := repo.New(pool, Customers), repo.New(pool, Invoices)
	queries := db.New(txn.Checked(pool))

	eve := db.Customer{Email: "eve@example.com", Name: "Eve", Phone: pgtype.Text{String: "+33 1 23 45 67 89", Valid: true}}
	var draft db.Invoice
	err := txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		if err := customers.With(tx).Create(ctx, &eve); err != nil {
			return err
		}
		draft = db.Invoice{CustomerID: eve.ID, DueOn: day(2026, 3, 1)}
		if err := invoices.With(tx).Create(ctx, &draft); err != nil {
			return err
		}
		return invoices.With(tx).Patch(ctx, draft.ID, Status.Set(db.InvoiceStatusOpen))
	})
	if err != nil {
		return err
	}
	reachable, err := customers.Find(ctx, query.Where(Phone.HasPrefix("+33"), CustomerInvoices.Has(VoidFrom.IsNull())))
	if err != nil {
		return err
	}
	overdue, err := queries.Overdue(ctx, db.OverdueParams{Today: day(2026, 3, 31), Statuses: []string{"open"}})
	if err != nil {
		return err
	}
	fmt.Println("reachable:", len(reachable), "overdue:", overdue[0].Customer.Name, overdue[0].Days, "days")

	err = invoices.Patch(ctx, draft.ID, Status.Set(db.InvoiceStatusVoid),
		VoidFrom.Set(db.NullInvoiceStatus{InvoiceStatus: db.InvoiceStatusOpen, Valid: true}), DueOn.SetNull())
	if err != nil {
		return err
	}
	voided, err := invoices.One(ctx, query.Where(VoidFrom.IsNotNull()))
	if err != nil {
		return err
	}
	fmt.Println("void:", voided.VoidFrom.InvoiceStatus, "due:", voided.DueOn.Valid, "version", voided.Version)
	return nil
}

func day(year int, month time.Month, n int) pgtype.Date {
	return pgtype.Date{Time: time.Date(year, month, n, 0, 0, 0, 0, time.UTC), Valid: true}
}
