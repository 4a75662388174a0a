package analyze_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/schema"
)

type Customer struct{ ID int64 }

type Review struct{ ID, CustomerID int64 }

var (
	Customers = query.NewTable("customers", func(c *Customer) *int64 { return &c.ID })
	Reviews   = query.NewTable("reviews", func(r *Review) *int64 { return &r.ID })

	ReviewAuthor = preload.BelongsTo(Reviews, Customers, func(r *Review) *int64 { return &r.CustomerID })
)

// A test fails where loads and deletes have no index.
func ExampleRun() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "DROP INDEX reviews_customer_id_idx"); err != nil {
		panic(err)
	}

	report, err := analyze.Run(ctx, pool, analyze.Options{
		Declarations: []schema.Declaration{Customers, Reviews},
	})
	if err != nil {
		panic(err)
	}
	for _, f := range report.Findings {
		fmt.Println(f)
	}
	// Output:
	// warning C1 foreign key without index: public.reviews (customer_id)
	//     the columns of the foreign key reviews_customer_id_fkey begin no index
	//     a DELETE in public.customers reads all of public.reviews, and so does each load of the relation
	//     in the database: CREATE INDEX CONCURRENTLY ON public.reviews (customer_id)
	//     at: analyze/example_run_test.go:22
}

// Err is for tests and for what runs at the start.
func ExampleFindings_Err() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "ALTER TABLE products ADD old_price money"); err != nil {
		panic(err)
	}

	report, err := analyze.Run(ctx, pool, analyze.Options{})
	if err == nil {
		err = report.Findings.Err()
	}
	var found *analyze.FoundError
	if errors.As(err, &found) {
		fmt.Println(found.Findings[0].ID, found.Findings[0].Object, found.Findings[0].Evidence)
	}
	// Output: C8 public.products (old_price) its type is money
}

// Notes are left out by AtLeast.
func ExampleFindings_AtLeast() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "ALTER TABLE products ADD a char(4), ADD b timestamp"); err != nil {
		panic(err)
	}

	report, err := analyze.Run(ctx, pool, analyze.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(len(report.Findings), len(report.Findings.AtLeast(schema.Warning)))
	// Output: 2 1
}
