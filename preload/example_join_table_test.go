package preload_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Word is one column of a tag: a struct that names some columns reads no more.
type Word struct{ Name string }

// Offering is a product with the words for it and its two best reviews.
type Offering struct {
	Product
	Words   []Word
	Best    []Review
	Reviews int64
}

// Load through a join table, a few rows for each parent, and a count.
func ExampleToMany_Limit() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)
	products := repo.View(repo.New(pool, Products), func(o *Offering) *Product { return &o.Product })

	found, err := products.Find(ctx, query.All[Product]().OrderBy(ProductID.Asc()),
		preload.Many(ProductTagWords, func(o *Offering) *[]Word { return &o.Words }),
		preload.Many(ProductReviews.OrderBy(Rating.Desc()).Limit(1), func(o *Offering) *[]Review { return &o.Best }),
		preload.Count(ProductReviews, func(o *Offering) *int64 { return &o.Reviews }))
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
