package preload_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/preload"
)

// SalesRow stands for what sqlc generates for a query: columns of some tables, and sums.
type SalesRow struct {
	ID     int64
	Pieces int64
}

// ProductSales is such a row with what the program wants to know besides.
type ProductSales struct {
	SalesRow
	Reviews []Review
	Tags    []Tag
}

// The relations of products, for rows that have the key of one.
var (
	SalesReviews = preload.ToManyBy(ProductReviews, func(r *SalesRow) *int64 { return &r.ID })
	SalesTags    = preload.ToManyBy(ProductTagWords, func(r *SalesRow) *int64 { return &r.ID })
)

// Rows of a query of sqlc load the relations of the table whose key they have, each by
// one statement.
func ExampleToManyBy() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)

	found, err := pool.Query(ctx, "SELECT product_id, sum(quantity) FROM order_items GROUP BY product_id ORDER BY product_id")
	if err != nil {
		panic(err)
	}
	rows, err := pgx.CollectRows(found, pgx.RowToStructByPos[SalesRow]) // queries.ProductSales(ctx), with sqlc
	if err != nil {
		panic(err)
	}
	sales := make([]ProductSales, len(rows))
	for i, row := range rows {
		sales[i].SalesRow = row
	}
	err = preload.Fill(ctx, pool, sales,
		preload.Many(SalesReviews, func(s *ProductSales) *[]Review { return &s.Reviews }),
		preload.Many(SalesTags, func(s *ProductSales) *[]Tag { return &s.Tags }))
	if err != nil {
		panic(err)
	}
	for _, s := range sales {
		fmt.Println("product", s.ID, "sold", s.Pieces, "reviews", len(s.Reviews), "tags", len(s.Tags))
	}
	// Output:
	// product 1 sold 2 reviews 2 tags 2
	// product 2 sold 1 reviews 0 tags 0
	// product 3 sold 1 reviews 1 tags 1
}
