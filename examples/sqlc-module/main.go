// Command billing is a service in small that uses sqlc and smrt side by side, as docs/guides/sqlc.md describes. It needs
// DATABASE_URL, the URL of a database with the tables of migrations and nothing in them.
package main

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"

	"example.com/billing/billing"
	"example.com/billing/internal/billingdb"
)

func main() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if err := walk(ctx, NewService(pool)); err != nil {
		log.Fatal(err)
	}
}

// walk creates customers and products, bills some, and prints what it finds.
func walk(ctx context.Context, s *Service) error {
	ada := billing.Customer{Email: "ada@example.com", Name: "Ada Lovelace", Phone: new("+44 20 7946 0000"), TaxIDs: []string{"GB123"}}
	bob := billing.Customer{Email: "bob@example.com", Name: "Bob Byte"}
	for _, c := range []*billing.Customer{&ada, &bob} {
		if err := s.customers.Create(ctx, c); err != nil {
			return err
		}
	}
	products := []billing.Product{
		{SKU: "LAMP", Name: "Lamp", UnitPrice: money("49.90"), Stock: 10, Attributes: billing.Attributes{Color: "red"}},
		{SKU: "RUG", Name: "Rug", UnitPrice: money("120.00"), Stock: 1, Attributes: billing.Attributes{Sizes: []string{"S", "L"}}},
	}
	if err := s.products.CreateMany(ctx, products); err != nil {
		return err
	}
	red, err := s.products.Find(ctx, query.Where(billing.ProductAttributes.PathText("red", "color")))
	if err != nil {
		return err
	}
	fmt.Println("red:", len(red), red[0].SKU)

	for _, step := range []func(context.Context, *Service, *billing.Customer, *billing.Customer) error{bill, find, report, list, usage, remove} {
		if err := step(ctx, s, &ada, &bob); err != nil {
			return err
		}
	}
	return nil
}

var today = time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)

// bill makes two invoices; a third fails, and leaves nothing behind.
func bill(ctx context.Context, s *Service, ada, bob *billing.Customer) error {
	first, err := s.Bill(ctx, ada.ID, today.AddDate(0, 0, -10), Item{"RUG", 1}, Item{"LAMP", 2})
	if err != nil {
		return err
	}
	if _, err := s.Bill(ctx, bob.ID, today.AddDate(0, 0, 20), Item{"LAMP", 1}); err != nil {
		return err
	}
	_, err = s.Bill(ctx, bob.ID, today, Item{"LAMP", 1}, Item{"RUG", 1})
	if !errors.Is(err, ErrOutOfStock) {
		return fmt.Errorf("out of stock was expected: %w", err)
	}
	fmt.Println("refused:", err)
	n, err := s.invoices.Count(ctx, query.All[billing.Invoice]())
	if err != nil {
		return err
	}
	fmt.Println("invoices:", n, "first:", first.Status, text(first.Total), "version", first.Version)

	// What sqlc's query returned is an entity: a repository updates it, if nobody changed it meanwhile.
	first.Notes = []byte(`{"po": 4711}`)
	return s.invoices.Update(ctx, &first)
}

// find filters by what is known at run time only, and loads what belongs to the rows.
func find(ctx context.Context, s *Service, _, _ *billing.Customer) error {
	for _, f := range []Filter{
		{Statuses: []billing.Status{billing.Open, billing.Paid}},
		{Customer: "lovelace", DueBy: today},
	} {
		found, err := s.Find(ctx, f)
		if err != nil {
			return err
		}
		for _, v := range found {
			fmt.Printf("found: %s %s %q %s\n", v.Customer.Name, v.DueOn.Format(time.DateOnly), v.Notes, text(v.Total))
			for _, l := range v.Lines {
				fmt.Println("  ", l.LineNo, l.Product.Name, l.Quantity, text(l.Amount))
			}
		}
	}
	return nil
}

// report runs a query of sqlc on the pool, and loads relations into its rows.
func report(ctx context.Context, s *Service, _, _ *billing.Customer) error {
	rows, err := s.queries.Overdue(ctx, billingdb.OverdueParams{Today: today, Statuses: []string{string(billing.Open)}})
	if err != nil {
		return err
	}
	views := make([]InvoiceView, len(rows))
	for i, r := range rows {
		views[i].Invoice, views[i].Customer = r.Invoice, &r.Customer
	}
	if err := preload.Fill(ctx, s.pool, views, withLines); err != nil {
		return err
	}
	for i, v := range views {
		fmt.Println("overdue:", v.Customer.Email, rows[i].Days, "days", len(v.Lines), "lines")
	}
	return nil
}

// list fills the slots of queries of sqlc.
func list(ctx context.Context, s *Service, ada, _ *billing.Customer) error {
	rows, total, err := NewList(s.pool).Rows(ctx, Listing{Statuses: []billing.Status{billing.Open}, Largest: true, Rows: 1})
	if err != nil {
		return err
	}
	for _, row := range rows {
		fmt.Println("list:", row.Customer, text(row.Total), row.Lines, "lines, the first of", row.Items[0].Product.Name, "of", total)
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		n, err := Note(ctx, s.queries, tx, ada.ID, []byte(`{"po": 4712}`))
		fmt.Println("noted:", n)
		return err
	})
}

// usage loads rows with COPY, and reads what sqlc and a repository say of them.
func usage(ctx context.Context, s *Service, ada, bob *billing.Customer) error {
	n, err := s.queries.AddUsage(ctx, []billingdb.AddUsageParams{
		{CustomerID: ada.ID, Meter: "calls", Units: 7, MeasuredAt: today},
		{CustomerID: ada.ID, Meter: "calls", Units: 5, MeasuredAt: today.Add(time.Hour)},
		{CustomerID: bob.ID, Meter: "calls", Units: 1, MeasuredAt: today},
	})
	if err != nil {
		return err
	}
	sums, err := s.queries.UsageSince(ctx, today)
	if err != nil {
		return err
	}
	busy, err := s.customers.Count(ctx, query.Where(billing.CustomerUsage.Has(billing.Units.Gt(5))))
	if err != nil {
		return err
	}
	fmt.Println("usage:", n, "rows", len(sums), "sums, the first", sums[0].Units, "busy customers:", busy)
	return nil
}

// remove deletes a customer softly. A repository does not see it any more; sqlc's queries have to say so themselves.
func remove(ctx context.Context, s *Service, ada, _ *billing.Customer) error {
	if err := s.customers.Delete(ctx, ada.ID); err != nil {
		return err
	}
	left, err := s.customers.Count(ctx, query.All[billing.Customer]())
	if err != nil {
		return err
	}
	overdue, err := s.queries.Overdue(ctx, billingdb.OverdueParams{Today: today, Statuses: []string{string(billing.Open)}})
	fmt.Println("customers:", left, "overdue:", len(overdue))
	return err
}

// money returns an amount that is written in the program.
func money(amount string) (n pgtype.Numeric) {
	if err := n.Scan(amount); err != nil {
		panic(err)
	}
	return n
}

// text returns an amount as it is printed.
func text(n pgtype.Numeric) string {
	b, err := n.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return strings.Trim(string(b), `"`)
}
