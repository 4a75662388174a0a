package preload_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Find parents by what they lead to.
func ExampleToMany_Has() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	stockExampleShop(ctx, pool)
	products := repo.New(pool, shop.Products)
	names := func(q query.Query[shop.Product]) (out []string) {
		found, err := products.Find(ctx, q)
		if err != nil {
			panic(err)
		}
		for _, p := range found {
			out = append(out, p.Name)
		}
		return out
	}

	fmt.Println(names(query.Where(shop.ProductReviews.Has(shop.Rating.Ge(4)))))
	fmt.Println(names(query.Where(shop.ProductReviews.HasNot())))
	fmt.Println(names(query.Where(shop.ProductCategory.Has(shop.CategoryParent.Has(shop.CategorySlug.Eq("kitchen")))).
		OrderBy(shop.ProductReviews.Count().Desc(), shop.ProductID.Asc())))
	// Output:
	// [Green tea]
	// [Black tea]
	// [Green tea Iron pot Black tea]
}
