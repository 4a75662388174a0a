package loader_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// The tables that the examples use.
type (
	Category struct {
		ID         int64
		Slug, Name string
	}
	Product struct {
		ID         int64
		CategoryID int64
		SKU, Name  string
		PriceCents int64
	}
)

var (
	Categories = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })
	Products   = query.NewTable("products", func(p *Product) *int64 { return &p.ID })

	SKU               = query.TextCol(func(p *Product) *string { return &p.SKU })
	ProductCategoryID = query.Col(func(p *Product) *int64 { return &p.CategoryID })
)

// newShelves makes categories named C1, C2, ... with some products each, named
// C1-P1, C1-P2, ...
func newShelves(ctx context.Context, db smrt.DB, sizes ...int) ([]Category, []Product) {
	categories := make([]Category, len(sizes))
	for i := range categories {
		name := fmt.Sprint("C", i+1)
		categories[i] = Category{Slug: strings.ToLower(name), Name: name}
	}
	if err := repo.New(db, Categories).CreateMany(ctx, categories); err != nil {
		panic(err)
	}
	var products []Product
	for i, size := range sizes {
		for k := range size {
			name := fmt.Sprintf("C%d-P%d", i+1, k+1)
			products = append(products, Product{
				CategoryID: categories[i].ID, SKU: name, Name: name, PriceCents: int64(k+1) * 100,
			})
		}
	}
	if err := repo.New(db, Products).CreateMany(ctx, products); err != nil {
		panic(err)
	}
	return categories, products
}
