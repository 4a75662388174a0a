package loader_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/loader"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A key may have many rows, or none.
func ExampleGroup() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	categories, _ := newShelves(ctx, pool, 2, 0, 1)
	products := repo.New(pool, Products)

	ofCategory := loader.NewPerRequest(ctx, func(ctx context.Context, ids []int64) (map[int64][]Product, error) {
		rows, err := products.Find(ctx, query.Where(ProductCategoryID.In(ids...)).OrderBy(SKU.Asc()))
		return loader.Group(rows, func(p *Product) int64 { return p.CategoryID }), err
	}, loader.Options{ZeroIfMissing: true})

	lists, err := ofCategory.LoadMany(ctx, []int64{categories[0].ID, categories[1].ID, categories[2].ID})
	if err != nil {
		panic(err)
	}
	for i, list := range lists {
		fmt.Print(categories[i].Name, ":")
		for _, p := range list {
			fmt.Print(" ", p.SKU)
		}
		fmt.Println()
	}
	// Output:
	// C1: C1-P1 C1-P2
	// C2:
	// C3: C3-P1
}

// Some keys may have no value: the others are there all the same.
func ExampleLoader_LoadMany() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	_, stock := newShelves(ctx, pool, 2)
	products := repo.New(pool, Products)

	byID := loader.New(func(ctx context.Context, ids []int64) (map[int64]*Product, error) {
		rows, err := products.GetMany(ctx, ids)
		return loader.Index(rows, products.Key), err
	})

	found, err := byID.LoadMany(ctx, []int64{stock[1].ID, -1, stock[0].ID})
	fmt.Println(err)
	fmt.Println(found[0].Name, found[1] == nil, found[2].Name)
	// Output:
	// 1 of the keys have no value, the first is key 1: not found
	// C1-P2 true C1-P1
}
