package repo_test

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// An entity is a plain struct; db tags are needed only where the column's name
// is not the field's in snake case.
type Product struct {
	ID         int64
	CategoryID int64
	SKU        string
	Name       string
	PriceCents int64
	Stock      int32
	DeletedAt  *time.Time
}

// The table and the columns that queries use are declared once. They hold no
// connection.
var (
	Products = query.NewTable("products", func(p *Product) *int64 { return &p.ID },
		query.SoftDelete(func(p *Product) **time.Time { return &p.DeletedAt }))

	Price = query.Col(func(p *Product) *int64 { return &p.PriceCents })
	Stock = query.Col(func(p *Product) *int32 { return &p.Stock })
)

// Declare a table, then create, find, change and delete its rows.
func ExampleNew() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	books := newCategory(ctx, pool, "books")

	products := repo.New(pool, Products)

	atlas := Product{CategoryID: books, SKU: "B-1", Name: "Atlas", PriceCents: 49_90, Stock: 3}
	if err := products.Create(ctx, &atlas); err != nil { // atlas.ID is set
		panic(err)
	}
	if err := products.CreateMany(ctx, []Product{
		{CategoryID: books, SKU: "B-2", Name: "Novel", PriceCents: 9_90, Stock: 12},
		{CategoryID: books, SKU: "B-3", Name: "Diary", PriceCents: 7_50},
	}); err != nil {
		panic(err)
	}

	cheap, err := products.Find(ctx,
		query.Where(Price.Lt(10_00), Stock.Gt(0)).OrderBy(Price.Asc()).Limit(20))
	if err != nil {
		panic(err)
	}
	for _, p := range cheap {
		fmt.Println(p.Name, p.PriceCents)
	}

	if err := products.Patch(ctx, atlas.ID, Price.Set(39_90), query.Add(Stock, -1)); err != nil {
		panic(err)
	}
	p, err := products.Get(ctx, atlas.ID)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Name, p.PriceCents, p.Stock)

	if err := products.Delete(ctx, atlas.ID); err != nil { // softly, as declared
		panic(err)
	}
	_, err = products.Get(ctx, atlas.ID)
	fmt.Println(err)
	// Output:
	// Novel 990
	// Atlas 3990 2
	// get products: not found
}
