// Package fill makes data up for a shop.
package fill

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"

	"github.com/smrt-go/smrt/examples/shop/db"
	"github.com/smrt-go/smrt/examples/shop/tables"
)

// Tenants makes categories, products and reviews for two tenants, unless they have some.
func Tenants(ctx context.Context, p smrt.DB, products int) error {
	for tenant := range int64(2) {
		ctx := smrt.WithTenant(ctx, tenant+1)
		switch filled, err := repo.New(p, tables.Products.Table).Exists(ctx, query.All[db.Product]()); {
		case err != nil:
			return err
		case filled:
			continue
		}
		if err := fillTenant(ctx, p, rand.New(rand.NewPCG(1, uint64(tenant))), products); err != nil {
			return err
		}
	}
	// Until the server knows how many rows there are its plans are guesses, and until what was added to the index
	// for search is in its place it reads the whole table instead.
	_, err := p.Exec(ctx, "VACUUM ANALYZE categories, products, reviews")
	return err
}

var (
	things = []string{"Kettle", "Teapot", "Mug", "Tray", "Spoon", "Jar", "Lamp", "Chair", "Table", "Shelf"}
	kinds  = []string{"red", "blue", "old", "small", "large", "wooden", "iron", "light", "round", "plain"}
)

// fillTenant fills the shop of the tenant of ctx.
func fillTenant(ctx context.Context, p smrt.DB, random *rand.Rand, n int) error {
	categories := make([]db.Category, len(things))
	for i, thing := range things {
		categories[i] = db.Category{Name: thing + "s"}
	}
	if err := repo.New(p, tables.Categories.Table).CreateMany(ctx, categories); err != nil {
		return err
	}
	products := make([]db.Product, n)
	for i := range products {
		thing, kind, other := i%10, kinds[i/10%10], kinds[i/100%10] // of a thousand, one of each
		products[i] = db.Product{
			CategoryID: categories[thing].ID, SKU: fmt.Sprintf("%s-%06d", things[thing][:2], i),
			Name:        fmt.Sprintf("%s %d", things[thing], i),
			Description: fmt.Sprintf("A %s and %s %s, made by hand and sent in a day.", kind, other, things[thing]),
			PriceCents:  100 + int64(random.IntN(100_00)), Stock: 1_000_000,
		}
	}
	if err := repo.New(p, tables.Products.Table).CreateMany(ctx, products); err != nil {
		return err
	}
	reviews := make([]db.Review, 0, 3*n)
	for i := range 3 * n {
		reviews = append(reviews, db.Review{
			ProductID: products[i%n].ID, Rating: int16(1 + random.IntN(5)), Body: "As it is described, " + kinds[random.IntN(len(kinds))] + ".",
		})
	}
	return repo.New(p, tables.Reviews.Table).CreateMany(ctx, reviews)
}
