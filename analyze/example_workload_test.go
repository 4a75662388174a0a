package analyze_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
)

// A statement is looked at by its text, and by what was seen of its calls.
func ExampleWorkload() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	report, err := analyze.Run(ctx, pool, analyze.Options{Workload: analyze.Workload{
		{Name: "products.page", SQL: "SELECT id, name FROM products ORDER BY id LIMIT 20 OFFSET $1", MaxOffset: 50_000},
	}})
	if err != nil {
		panic(err)
	}
	for _, f := range report.Findings {
		fmt.Println(f)
	}
	// Output:
	// warning P4 deep offset: products.page
	//     an OFFSET of 50000 was seen
	//     the rows before it are read and dropped, for each page anew
	//     plan:
	//         Limit
	//           Index Scan by products_pkey on public.products
	//     in the program: page by key: Page of a repository goes on after the last row that was read
}

// What is known and stays is accepted.
func ExampleBaseline() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "ALTER TABLE products ADD old_price money, ADD seen_at timestamp"); err != nil {
		panic(err)
	}

	known, err := analyze.ParseBaseline("C8 public.products (old_price)  # until the import is rewritten\n")
	if err != nil {
		panic(err)
	}
	report, err := analyze.Run(ctx, pool, analyze.Options{})
	if err != nil {
		panic(err)
	}
	fresh, accepted, gone := known.Split(report.Findings)
	fmt.Println(fresh[0].Object, len(accepted), gone)
	// Output: public.products (seen_at) 1 []
}
