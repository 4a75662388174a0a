package observe_test

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
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
	s, done := openStore()
	defer done()
	var t printer // a *testing.T

	ctx := observe.WithScope(context.Background(), observe.NPlusOne{Policy: observe.Fail(t)})

	products, err := s.products.Find(ctx, query.All[shop.Product]())
	if err != nil {
		panic(err)
	}
	for _, p := range products {
		if _, err := s.categories.Get(ctx, p.CategoryID); err != nil {
			panic(err)
		}
	}
	fmt.Println(len(products), "products")
	// Output:
	// FAIL: observe_test.ExampleFail repeats SELECT ... FROM "categories" WHERE "id" = $1
	// 10 products
}

// The same work in one statement is no finding.
func ExampleFindings() {
	s, done := openStore()
	defer done()
	ctx := observe.WithScope(context.Background(), observe.NPlusOne{Policy: observe.Ignore})

	products, err := s.products.Find(ctx, query.All[shop.Product]())
	if err != nil {
		panic(err)
	}
	keys := make([]int64, len(products))
	for i, p := range products {
		keys[i] = p.CategoryID
	}
	if _, err := s.categories.GetMany(ctx, keys); err != nil {
		panic(err)
	}
	fmt.Println(len(observe.Findings(ctx)), "findings")

	for _, key := range keys {
		if _, err := s.categories.Get(ctx, key); err != nil {
			panic(err)
		}
	}
	for _, f := range observe.Findings(ctx) {
		fmt.Println(f.Repeats, "repeats")
	}
	// Output:
	// 0 findings
	// 9 repeats
}
