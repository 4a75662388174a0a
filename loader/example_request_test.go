package loader_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/loader"
	"github.com/smrt-go/smrt/repo"
)

// Loaders are what the resolvers of one request share.
type Loaders struct {
	Categories *loader.Loader[int64, *Category]
}

type loadersKey struct{}

func loadersOf(ctx context.Context) *Loaders { return ctx.Value(loadersKey{}).(*Loaders) }

// withLoaders is the middleware that makes them.
func withLoaders(categories *repo.Repository[Category, int64], next http.Handler) http.Handler {
	byID := func(ctx context.Context, ids []int64) (map[int64]*Category, error) {
		rows, err := categories.GetMany(ctx, ids)
		return loader.Index(rows, categories.Key), err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		loaders := &Loaders{Categories: loader.NewPerRequest(ctx, byID)}
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, loadersKey{}, loaders)))
	})
}

// resolveCategory is what a resolver of GraphQL looks like.
func resolveCategory(ctx context.Context, p *Product) (*Category, error) {
	return loadersOf(ctx).Categories.Load(ctx, p.CategoryID)
}

// One loader for each request: the category of each of a list of products is
// resolved by a goroutine of its own, and each category is read once.
func ExampleNewPerRequest() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	_, products := newShelves(ctx, pool, 3, 2)

	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		names := make([]string, len(products))
		var resolvers sync.WaitGroup
		for i := range products {
			resolvers.Go(func() {
				category, err := resolveCategory(r.Context(), &products[i])
				if err != nil {
					panic(err)
				}
				names[i] = category.Name
			})
		}
		resolvers.Wait()
		fmt.Fprint(w, names)
	})

	answer := httptest.NewRecorder()
	withLoaders(repo.New(pool, Categories), handler).ServeHTTP(answer, httptest.NewRequest("GET", "/products", nil))
	fmt.Println(answer.Body)
	// Output: [C1 C1 C1 C2 C2]
}
