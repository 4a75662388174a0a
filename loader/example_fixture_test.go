package loader_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/repo"
)

// newShelves makes categories named C1, C2, ... with some products each, named
// C1-P1, C1-P2, ...
func newShelves(ctx context.Context, db smrt.DB, sizes ...int) ([]shop.Category, []shop.Product) {
	categories := make([]shop.Category, len(sizes))
	for i := range categories {
		name := fmt.Sprint("C", i+1)
		categories[i] = shop.Category{Slug: strings.ToLower(name), Name: name}
	}
	if err := repo.New(db, shop.Categories).CreateMany(ctx, categories); err != nil {
		panic(err)
	}
	var products []shop.Product
	for i, size := range sizes {
		for k := range size {
			name := fmt.Sprintf("C%d-P%d", i+1, k+1)
			products = append(products, shop.Product{
				CategoryID: categories[i].ID, SKU: name, Name: name, PriceCents: int64(k+1) * 100,
			})
		}
	}
	if err := repo.New(db, shop.Products).CreateMany(ctx, products); err != nil {
		panic(err)
	}
	return categories, products
}
