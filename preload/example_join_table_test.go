package preload_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Word is one column of a tag: a struct that names some columns reads no more.
type Word struct{ Name string }

// Offering is a product with the words for it and its two best reviews.
type Offering struct {
	shop.Product
	Words   []Word
	Best    []shop.Review
	Reviews int64
}

// Load through a join table, a few rows for each parent, and a count.
func ExampleToMany_Limit() {
	ctx := context.Background()
	pool, done := testdb.ExamplePool(shop.Schema)
	defer done()
	stockExampleShop(ctx, pool)
	products := repo.View(repo.New(pool, shop.Products), func(o *Offering) *shop.Product { return &o.Product })

	found, err := products.Find(ctx, query.All[shop.Product]().OrderBy(shop.ProductID.Asc()),
		preload.Many(shop.ProductTagWords, func(o *Offering) *[]Word { return &o.Words }),
		preload.Many(shop.ProductReviews.OrderBy(shop.Rating.Desc()).Limit(1), func(o *Offering) *[]shop.Review { return &o.Best }),
		preload.Count(shop.ProductReviews, func(o *Offering) *int64 { return &o.Reviews }))
	if err != nil {
		panic(err)
	}
	for _, o := range found {
		fmt.Print(o.Name, " ", o.Words, " ", o.Reviews)
		for _, r := range o.Best {
			fmt.Print(", best ", r.Rating)
		}
		fmt.Println()
	}
	// Output:
	// Green tea [{organic} {gift}] 2, best 5
	// Black tea [] 0
	// Iron pot [{gift}] 1, best 2
}
