package preload_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Find parents by what they lead to.
func ExampleToMany_Has() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)
	products := repo.New(pool, Products)
	names := func(q query.Query[Product]) (out []string) {
		found, err := products.Find(ctx, q)
		if err != nil {
			panic(err)
		}
		for _, p := range found {
			out = append(out, p.Name)
		}
		return out
	}

	fmt.Println(names(query.Where(ProductReviews.Has(Rating.Ge(4)))))
	fmt.Println(names(query.Where(ProductReviews.HasNot())))
	fmt.Println(names(query.Where(ProductCategory.Has(CategoryParent.Has(CategorySlug.Eq("kitchen")))).
		OrderBy(ProductReviews.Count().Desc(), ProductID.Asc())))
	// Output:
	// [Green tea]
	// [Black tea]
	// [Green tea Iron pot Black tea]
}
