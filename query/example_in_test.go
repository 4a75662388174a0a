package query_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

var (
	CategoryID      = query.Col(func(c *Category) *int64 { return &c.ID })
	CategorySlug    = query.TextCol(func(c *Category) *string { return &c.Slug })
	ProductCategory = query.Col(func(p *Product) *int64 { return &p.CategoryID })
	ProductName     = query.TextCol(func(p *Product) *string { return &p.Name })
)

// Take rows by a query of another table, and the others by its opposite.
func ExampleInSelect() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	products := repo.New(pool, Products)
	fillShelves(ctx, repo.New(pool, Categories), products)

	hot := query.InSelect(ProductCategory, Categories, CategoryID, query.Where(CategorySlug.Regexp("^(tea|coffee)$")))

	drinks, err := products.Find(ctx, query.Where(hot, Stock.Gt(0)).OrderBy(ProductName.Asc()))
	if err != nil {
		panic(err)
	}
	others, err := products.Count(ctx, query.Where(query.Not(hot)))
	if err != nil {
		panic(err)
	}
	for _, p := range drinks {
		fmt.Println(p.Name)
	}
	fmt.Println(others, "other")
	// Output:
	// Arabica
	// Assam
	// 1 other
}

// Compare several columns at once with a list of any length.
func ExampleKey_In() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	products := repo.New(pool, Products)
	fillShelves(ctx, repo.New(pool, Categories), products)

	type Offer struct {
		SKU   string
		Cents int64
	}
	offer := query.Key[Product, Offer]{
		query.Part(func(p *Product) *string { return &p.SKU }, func(o *Offer) *string { return &o.SKU }),
		query.Part(func(p *Product) *int64 { return &p.PriceCents }, func(o *Offer) *int64 { return &o.Cents }),
	}
	printed := []Offer{{"T1", 490}, {"C1", 999}, {"M1", 1290}}

	right, err := products.Find(ctx, query.Where(offer.In(printed...)).OrderBy(ProductName.Asc()))
	if err != nil {
		panic(err)
	}
	for _, p := range right {
		fmt.Println(p.Name, p.PriceCents)
	}
	// Output:
	// Assam 490
	// Mug 1290
}

// fillShelves makes three categories with a product each.
func fillShelves(ctx context.Context, categories *repo.Repository[Category, int64], products *repo.Repository[Product, int64]) {
	cs := []Category{{Slug: "tea", Name: "Tea"}, {Slug: "coffee", Name: "Coffee"}, {Slug: "cups", Name: "Cups"}}
	if err := categories.CreateMany(ctx, cs); err != nil {
		panic(err)
	}
	if err := products.CreateMany(ctx, []Product{
		{CategoryID: cs[0].ID, SKU: "T1", Name: "Assam", PriceCents: 490, Stock: 3},
		{CategoryID: cs[1].ID, SKU: "C1", Name: "Arabica", PriceCents: 990, Stock: 8},
		{CategoryID: cs[2].ID, SKU: "M1", Name: "Mug", PriceCents: 1290, Stock: 5},
	}); err != nil {
		panic(err)
	}
}
