package repo_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Walk through a result page by page. The cursor goes to the browser and comes
// back with the next request.
func ExampleReader_Page() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 5)
	products := repo.New(pool, Products, repo.Options{CursorSecrets: [][]byte{[]byte("a secret of the service")}})

	q := query.Where(Price.Gt(0)).OrderBy(Price.Desc())
	for cursor := ""; ; {
		page, err := products.Page(ctx, q, query.Page{Size: 2, After: cursor})
		if err != nil {
			panic(err)
		}
		for _, p := range page.Items {
			fmt.Print(p.Name, " ")
		}
		fmt.Println("- more:", page.Next != "")
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	// Output:
	// P5 P4 - more: true
	// P3 P2 - more: true
	// P1 - more: false
}
