package repo_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Catalog is a repository of a program's own: it has all methods of the one it
// embeds, some of its own, and one that it overrides.
type Catalog struct {
	*repo.Repository[Product, int64]
}

// NewCatalog returns the catalog in a database.
func NewCatalog(db smrt.DB) *Catalog { return &Catalog{repo.New(db, Products)} }

// With keeps the type when the catalog is bound to a transaction.
func (c *Catalog) With(db smrt.DB) *Catalog { return &Catalog{c.Repository.With(db)} }

// BySKU returns the product on sale that has the SKU.
func (c *Catalog) BySKU(ctx context.Context, sku string) (*Product, error) {
	return c.One(ctx, query.Where(SKU.Eq(sku)))
}

// Create refuses what the shop would not sell.
func (c *Catalog) Create(ctx context.Context, p *Product) error {
	if p.PriceCents == 0 {
		return errors.New("a product has a price")
	}
	return c.Repository.Create(ctx, p)
}

// Embed a repository in a type of your own.
func Example_embedding() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 3)
	catalog := NewCatalog(pool)

	p, err := catalog.BySKU(ctx, "P2")
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Name, p.PriceCents)
	fmt.Println(catalog.Create(ctx, &Product{SKU: "free"}))
	// Output:
	// P2 200
	// a product has a price
}
