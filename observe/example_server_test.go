package observe_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/repo"
)

// A middleware begins a scope for each request. Here it logs to the standard
// output, and leaves out what differs from machine to machine.
func ExampleWithScope() {
	ctx := context.Background()
	pool, shelf := openShop(ctx) // attached
	defer pool.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "site" || a.Key == "instead" {
				return slog.Attr{}
			}
			return a
		},
	}))

	watched := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := observe.WithScope(r.Context(), observe.Options{Policy: observe.Log(logger)})
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}

	names := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, p := range shelf {
			var name string
			row := pool.QueryRow(r.Context(), "SELECT name FROM categories WHERE id = $1", p.CategoryID)
			if err := row.Scan(&name); err != nil {
				panic(err)
			}
		}
		fmt.Println(len(shelf), "names")
	})
	watched(names).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	// Output:
	// level=WARN msg="N+1: a statement is sent in a loop" repeats=6 sql="SELECT name FROM categories WHERE id = $1"
	// 10 names
}

// A loop that is meant as it is says so.
func ExampleWithoutCounting() {
	ctx := context.Background()
	pool, shelf := openShop(ctx) // attached
	defer pool.Close()
	products := repo.New(pool, Products)

	ctx = observe.WithScope(ctx, observe.Options{Policy: observe.Ignore})

	for _, p := range shelf { // one by one, so that each holds its lock only briefly
		if err := products.Delete(observe.WithoutCounting(ctx), p.ID); err != nil {
			panic(err)
		}
	}
	fmt.Println(len(observe.Findings(ctx)), "findings")
	// Output:
	// 0 findings
}
