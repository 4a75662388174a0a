package repo_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/repo"
)

// newCategory makes a category for the products of an example.
func newCategory(ctx context.Context, db smrt.DB, slug string) int64 {
	c := shop.Category{Slug: slug, Name: slug}
	if err := repo.New(db, shop.Categories).Create(ctx, &c); err != nil {
		panic(err)
	}
	return c.ID
}

// newShelf makes n products named P1, P2, ... at 1.00, 2.00, ... each.
func newShelf(ctx context.Context, db smrt.DB, n int) []shop.Product {
	category := newCategory(ctx, db, "shelf")
	ps := make([]shop.Product, n)
	for i := range ps {
		name := fmt.Sprint("P", i+1)
		ps[i] = shop.Product{CategoryID: category, SKU: name, Name: name, PriceCents: int64(i+1) * 100, Stock: int32(i)}
	}
	if err := repo.New(db, shop.Products).CreateMany(ctx, ps); err != nil {
		panic(err)
	}
	return ps
}
