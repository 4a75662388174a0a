package observe_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/smrt-go/smrt/observe"
)

// A middleware begins a scope for each request. Here it logs to the standard
// output, and leaves out what differs from machine to machine.
func ExampleWithScope() {
	s, done := openStore()
	defer done()
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
			ctx := observe.WithScope(r.Context(), observe.NPlusOne{Policy: observe.Log(logger)})
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}

	names := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, p := range s.shelf {
			nameOf(r.Context(), s.pool, p.CategoryID)
		}
		fmt.Println(len(s.shelf), "names")
	})
	watched(names).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	// Output:
	// level=WARN msg="N+1: a statement is sent in a loop" repeats=6 sql="SELECT name FROM categories WHERE id = $1"
	// 10 names
}

// A loop that is meant as it is says so.
func ExampleDeliberate() {
	s, done := openStore()
	defer done()
	ctx := observe.WithScope(context.Background(), observe.NPlusOne{Policy: observe.Ignore})

	for _, p := range s.shelf { // one by one, so that each holds its lock only briefly
		if err := s.products.Delete(observe.Deliberate(ctx), p.ID); err != nil {
			panic(err)
		}
	}
	fmt.Println(len(observe.Findings(ctx)), "findings")
	// Output:
	// 0 findings
}
