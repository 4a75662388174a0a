package repo_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	pool := testdb.Pool(t, shop.Schema)
	categories := repo.New(pool, shop.Categories)
	products := repo.New(pool, shop.Products)
	c := &shop.Category{Slug: "books", Name: "Books"}
	if err := categories.Create(ctx, c); err != nil {
		t.Fatal(err)
	}
	if c.ID == 0 || c.CreatedAt.IsZero() || c.UpdatedAt.IsZero() {
		t.Fatalf("not read back: %+v", c)
	}
	ps := make([]shop.Product, 5)
	for i := range ps {
		ps[i] = shop.Product{CategoryID: c.ID, SKU: "sku-" + string(rune('a'+i)), Name: "Book", PriceCents: int64(100 * i), Tags: []string{"x", `q"u\o`}}
	}
	if err := products.CreateMany(ctx, ps); err != nil {
		t.Fatal(err)
	}
	got, err := products.Get(ctx, ps[3].ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.PriceCents != 300 || got.Tags[1] != `q"u\o` || got.Search.String() == "" {
		t.Fatalf("%+v", got)
	}
	cheap, err := products.Find(ctx, query.Where(shop.Price.Lt(300), shop.Tags.Has("x")).OrderBy(shop.Price.Desc()).Limit(20))
	if err != nil || len(cheap) != 3 || cheap[0].PriceCents != 200 {
		t.Fatal(err, cheap)
	}
	if err := products.Patch(ctx, ps[0].ID, shop.Stock.Add(7), shop.Price.Set(0)); err != nil {
		t.Fatal(err)
	}
	ps[1].Name = "Other"
	ps[2].Name = "Third"
	if n, err := products.UpdateMany(ctx, ps[1:3]); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if err := products.Delete(ctx, ps[4].ID); err != nil {
		t.Fatal(err)
	}
	_, err = products.Get(ctx, ps[4].ID)
	if !errors.Is(err, smrt.ErrNotFound) || !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	out, err := products.UpsertMany(ctx, ps[:2], query.OnConflict(shop.ProductID))
	if err != nil || out[0] != repo.Updated {
		t.Fatal(out, err)
	}
	many, err := products.GetMany(ctx, []int64{ps[2].ID, 999, ps[0].ID})
	if err != nil || many[1] != nil || many[0].Name != "Third" {
		t.Fatal(many, err)
	}
	n, err := products.Count(ctx, query.All[shop.Product]())
	if err != nil || n != 4 {
		t.Fatal(n, err)
	}
}
