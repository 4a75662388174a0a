// Fill puts made-up categories, products and reviews of two tenants into the database at
// DATABASE_URL, whose tables the migrations have made. A tenant that has some already is left alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/smrt-go/smrt/pool"

	"github.com/smrt-go/smrt/examples/shop/internal/fill"
)

func main() {
	products := flag.Int("products", 10_000, "how many products each tenant has")
	flag.Parse()
	if err := run(context.Background(), os.Getenv("DATABASE_URL"), *products); err != nil {
		fmt.Fprintln(os.Stderr, "fill:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string, products int) error {
	p, err := pool.Open(ctx, pool.Config{URL: url})
	if err != nil {
		return err
	}
	defer p.Close()
	return fill.Tenants(ctx, p, products)
}
