// Command injected is handed sqlc's queries from outside, as an interface whose methods take the handle. It needs
// DATABASE_URL, as the command billing does.
package main

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/slots"

	"example.com/billing/injected/db"
)

// The tables whose slots are filled, over sqlc's models.
var (
	Customers = query.NewTable("customers", func(c *db.Customer) *int64 { return &c.ID })
	Invoices  = query.NewTable("invoices", func(i *db.Invoice) *pgtype.UUID { return &i.ID })

	Name  = query.TextCol(func(c *db.Customer) *string { return &c.Name })
	Total = query.Col(func(i *db.Invoice) *pgtype.Numeric { return &i.Total })
)

// Handler lists invoices.
type Handler struct {
	pool    *pgxpool.Pool
	queries db.Querier // sqlc's, or those of a test
}

// Largest returns the largest invoices of customers with a name.
func (h *Handler) Largest(ctx context.Context, name string, n int) ([]db.ListInvoicesRow, error) {
	return h.queries.ListInvoices(ctx, slots.On(h.pool,
		slots.For(Customers, query.Where(Name.Eq(name))),
		slots.For(Invoices, query.All[db.Invoice]().OrderBy(Total.Desc()).Limit(n))))
}

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
	_, err := pool.Exec(ctx, `WITH made AS (INSERT INTO customers (email, name) VALUES ('a', 'Eve'), ('b', 'Abe'), ('c', 'Eve') RETURNING id)
		INSERT INTO invoices (customer_id, total) SELECT id, row_number() OVER (ORDER BY id) FROM made`)
	if err != nil {
		return err
	}
	rows, err := (&Handler{pool, db.New()}).Largest(ctx, "Eve", 5)
	for _, row := range rows {
		fmt.Println(row.Customer, row.Total.Int, row.Total.Exp)
	}
	return err
}
