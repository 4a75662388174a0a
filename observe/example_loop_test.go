package observe_test

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// printer stands for a *testing.T, which examples do not have.
type printer struct{}

func (printer) Helper() {}

func (printer) Errorf(format string, args ...any) {
	f := args[0].(observe.Finding)
	_, from, _ := strings.Cut(f.SQL, " FROM ")
	fmt.Println("FAIL:", path.Base(f.Site.Function), "repeats SELECT ... FROM", from)
}

// A test fails when what it calls reads row by row.
func ExampleFail() {
	ctx := context.Background()
	pool, _ := openShop(ctx) // attached
	defer pool.Close()
	products, categories := repo.New(pool, Products), repo.New(pool, Categories, repo.Options{Batching: repo.Batching{Off: true}})
	var t printer // a *testing.T

	ctx = observe.WithScope(ctx, observe.Options{Policy: observe.Fail(t)})

	found, err := products.Find(ctx, query.All[Product]())
	if err != nil {
		panic(err)
	}
	for _, p := range found {
		if _, err := categories.Get(ctx, p.CategoryID); err != nil {
			panic(err)
		}
	}
	fmt.Println(len(found), "products")
	// Output:
	// FAIL: observe_test.ExampleFail repeats SELECT ... FROM "categories" WHERE "id" = $1
	// 10 products
}

// The same work in one statement is no finding.
func ExampleFindings() {
	ctx := context.Background()
	pool, _ := openShop(ctx) // attached
	defer pool.Close()
	products, categories := repo.New(pool, Products), repo.New(pool, Categories, repo.Options{Batching: repo.Batching{Off: true}})

	ctx = observe.WithScope(ctx, observe.Options{Policy: observe.Ignore})
	found, err := products.Find(ctx, query.All[Product]())
	if err != nil {
		panic(err)
	}
	keys := make([]int64, len(found))
	for i, p := range found {
		keys[i] = p.CategoryID
	}
	if _, err := categories.GetMany(ctx, keys); err != nil {
		panic(err)
	}
	fmt.Println(len(observe.Findings(ctx)), "findings")

	for _, key := range keys {
		if _, err := categories.Get(ctx, key); err != nil {
			panic(err)
		}
	}
	for _, f := range observe.Findings(ctx) {
		fmt.Println(f.Repeats, "times")
	}
	// Output:
	// 0 findings
	// 10 times
}
