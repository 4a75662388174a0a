package pool_test

import (
	"context"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/repo"
)

// exampleShop is the URL of a shop for an example, in place of
// os.Getenv("DATABASE_URL").
func exampleShop() (ctx context.Context, url string, done func()) {
	ctx = context.Background()
	db, done := testdb.ExamplePool(shop.Schema, testdb.Direct())
	tea := shop.Category{Slug: "tea", Name: "Tea"}
	if err := repo.New(db, shop.Categories).Create(ctx, &tea); err != nil {
		panic(err)
	}
	for i, name := range []string{"Assam", "Keemun"} {
		p := shop.Product{CategoryID: tea.ID, SKU: name, Name: name, PriceCents: int64(i+5) * 100}
		if err := repo.New(db, shop.Products).Create(ctx, &p); err != nil {
			panic(err)
		}
	}
	return ctx, db.Config().ConnString(), done
}
