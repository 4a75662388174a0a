package repo_test

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Category is what a product is in.
type Category struct {
	ID         int64
	Slug, Name string
}

// What the examples use besides Products, Price and Stock, see ExampleNew.
var (
	Categories = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })

	CategorySlug      = query.TextCol(func(c *Category) *string { return &c.Slug })
	ProductID         = query.Col(func(p *Product) *int64 { return &p.ID })
	ProductCategoryID = query.Col(func(p *Product) *int64 { return &p.CategoryID })
	SKU               = query.TextCol(func(p *Product) *string { return &p.SKU })
	ProductName       = query.TextCol(func(p *Product) *string { return &p.Name })
)

// newCategory makes a category for the products of an example.
func newCategory(ctx context.Context, db smrt.DB, slug string) int64 {
	c := Category{Slug: slug, Name: slug}
	if err := repo.New(db, Categories).Create(ctx, &c); err != nil {
		panic(err)
	}
	return c.ID
}

// newShelf makes n products named P1, P2, ... at 1.00, 2.00, ... each.
func newShelf(ctx context.Context, db smrt.DB, n int) []Product {
	category := newCategory(ctx, db, "shelf")
	ps := make([]Product, n)
	for i := range ps {
		name := fmt.Sprint("P", i+1)
		ps[i] = Product{CategoryID: category, SKU: name, Name: name, PriceCents: int64(i+1) * 100, Stock: int32(i)}
	}
	if err := repo.New(db, Products).CreateMany(ctx, ps); err != nil {
		panic(err)
	}
	return ps
}
