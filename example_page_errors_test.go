package smrt_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A cursor comes from outside. One that cannot be used is answered with the
// first page, a size that is out of range with what is allowed.
func ExampleCursorError() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	products := repo.New(pool, Products, repo.Options{CursorSecrets: [][]byte{[]byte("a secret of the service")}})

	_, err = products.Page(ctx, query.All[Product](), query.Page{Size: 10, After: "what a user typed"})
	var unusable *smrt.CursorError
	if errors.As(err, &unusable) {
		fmt.Println(unusable.Reason)
		_, err = products.Page(ctx, query.All[Product](), query.Page{Size: 10})
		fmt.Println(err)
	}

	_, err = products.Page(ctx, query.All[Product](), query.Page{Size: -1})
	var outside *smrt.PageError
	if errors.As(err, &outside) {
		fmt.Println("at least", outside.Min)
	}
	// Output:
	// malformed
	// <nil>
	// at least 1
}
