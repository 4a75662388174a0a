package observe_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/observe"
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
)

// openShop opens a pool that is observed, on a shop with ten products, each in
// a category of its own.
func openShop(ctx context.Context) (*pgxpool.Pool, []Product) {
	cfg, err := pgxpool.ParseConfig(dsn())
	if err != nil {
		panic(err)
	}
	observe.Attach(cfg.ConnConfig)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		panic(err)
	}
	shelf := make([]Product, 10)
	for i := range shelf {
		name := fmt.Sprint("p", i)
		c := Category{Slug: name, Name: name}
		if err := repo.New(pool, Categories).Create(ctx, &c); err != nil {
			panic(err)
		}
		shelf[i] = Product{CategoryID: c.ID, SKU: name, Name: name, PriceCents: 100}
	}
	if err := repo.New(pool, Products).CreateMany(ctx, shelf); err != nil {
		panic(err)
	}
	return pool, shelf
}
