package preload_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Find parents by what they lead to.
func ExampleToMany_Has() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)
	products := repo.New(pool, Products)
	names := func(q query.Query[Product]) (out []string) {
		found, err := products.Find(ctx, q)
		if err != nil {
			panic(err)
		}
		for _, p := range found {
			out = append(out, p.Name)
		}
		return out
	}

	fmt.Println(names(query.Where(ProductReviews.Has(Rating.Ge(4)))))
	fmt.Println(names(query.Where(ProductReviews.HasNot())))
	fmt.Println(names(query.Where(ProductCategory.Has(CategoryParent.Has(CategorySlug.Eq("kitchen")))).
		OrderBy(ProductReviews.Count().Desc(), ProductID.Asc())))
	// Output:
	// [Green tea]
	// [Black tea]
	// [Green tea Iron pot Black tea]
}

// Compare a column with one of a related row: lines that were sold for less than
// their product costs today.
func ExampleValue() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	stockExampleShop(ctx, pool)
	if _, err := repo.New(pool, Products).UpdateWhere(ctx, query.Where(ProductID.Eq(3)), query.Add(Price, 1000)); err != nil {
		panic(err)
	}

	today := preload.Value(LineProduct, Price)
	cheaper, err := repo.New(pool, OrderItems).Find(ctx,
		query.Where(query.Compare(UnitPrice, "<", today)).OrderBy(LineOrder.Asc()))
	if err != nil {
		panic(err)
	}
	for _, line := range cheaper {
		fmt.Println(line.OrderID, line.LineNo, line.UnitPriceCents)
	}
	// Output: 1 2 9000
}
