package preload_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// PathView is a category with those that it is in, the nearest first.
type PathView struct {
	Category
	Path []Category
}

// Follow a relation of a table with itself: load the path of each category, and find
// the products in one category and in all below it.
func ExampleRecursive() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)

	paths := repo.View(repo.New(pool, Categories), func(v *PathView) *Category { return &v.Category })
	found, err := paths.Find(ctx, query.Where(CategorySlug.In("kitchen", "tea")).OrderBy(CategorySlug.Asc()),
		preload.Many(CategoryAncestors, func(v *PathView) *[]Category { return &v.Path }))
	if err != nil {
		panic(err)
	}
	for _, v := range found {
		fmt.Print(v.Name)
		for _, c := range v.Path {
			fmt.Print(" in ", c.Name)
		}
		fmt.Println()
	}

	// Each row of what is below has its ParentID, of which a program makes a tree.
	below, err := CategoryDescendants.Load(ctx, pool, []Category{found[0].Category})
	if err != nil {
		panic(err)
	}
	for _, c := range below[0] {
		fmt.Println("in", found[0].Name, "is", c.Name)
	}

	// A category is not among those above it, so both conditions are needed.
	kitchen := CategorySlug.Eq("kitchen")
	n, err := repo.New(pool, Products).Count(ctx,
		query.Where(ProductCategory.Has(query.Or(kitchen, CategoryAncestors.Has(kitchen)))))
	if err != nil {
		panic(err)
	}
	fmt.Println(n, "products in Kitchen and below")
	// Output:
	// Kitchen
	// Tea in Kitchen
	// in Kitchen is Tea
	// in Kitchen is Pots
	// 3 products in Kitchen and below
}
