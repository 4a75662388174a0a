package query_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Ne and Not match rows where the column is NULL, as != does in Go.
func ExampleNullTextCol() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	customers := repo.New(pool, Customers)
	phone := query.NullTextCol(func(c *Customer) **string { return &c.Phone })

	number := "+44 20"
	if err := customers.CreateMany(ctx, []Customer{
		{Name: "Ada", Email: "ada@example.com", Country: "GB", Phone: &number},
		{Name: "Grace", Email: "grace@example.com", Country: "US"},
	}); err != nil {
		panic(err)
	}

	for _, p := range []query.Predicate[Customer]{
		phone.Eq("+44 20"), phone.Ne("+44 20"), phone.IsNull(), query.Not(phone.HasPrefix("+1")),
	} {
		n, err := customers.Count(ctx, query.Where(p))
		if err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
	// Output:
	// 1
	// 1
	// 1
	// 2
}
