package repo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Order has a version, which counts the changes of its row.
type Order struct {
	ID         int64
	CustomerID int64
	TotalCents int64
	Version    int64
}

var (
	Orders = query.NewTable("orders", func(o *Order) *int64 { return &o.ID },
		query.Version(func(o *Order) *int64 { return &o.Version }))

	OrderTotal = query.Col(func(o *Order) *int64 { return &o.TotalCents })
)

// Read the row that exists, or create it: of callers who want the same row, one
// creates it.
func ExampleRepository_GetOrCreate() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	categories := repo.New(pool, Categories)

	for _, name := range []string{"Tea", "Tee"} {
		tea := Category{Slug: "tea", Name: name}
		created, err := categories.GetOrCreate(ctx, &tea, query.OnConflict(CategorySlug))
		if err != nil {
			panic(err)
		}
		fmt.Println(tea.ID, tea.Name, created)
	}
	// Output:
	// 1 Tea true
	// 1 Tea false
}

// Write all rows that match, and get them as they are then.
func ExampleRepository_UpdateReturning() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	newShelf(ctx, pool, 3)
	products := repo.New(pool, Products)

	raised, err := products.UpdateReturning(ctx, query.Where(Price.Lt(3_00)), query.Add(Price, 50))
	if err != nil {
		panic(err)
	}
	slices.SortFunc(raised, func(a, b Product) int { return int(a.ID - b.ID) })
	for _, p := range raised {
		fmt.Println(p.Name, "costs", p.PriceCents)
	}

	sold, err := products.DeleteReturning(ctx, query.Where(Stock.Eq(0)))
	if err != nil {
		panic(err)
	}
	fmt.Println(sold[0].Name, "is gone:", sold[0].DeletedAt != nil)
	// Output:
	// P1 costs 150
	// P2 costs 250
	// P1 is gone: true
}

// Change columns of a row that was read, unless somebody else has changed it
// since, and get the row.
func ExampleRepository_PatchEntity() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "INSERT INTO customers (name, email, country) VALUES ('Ada', 'ada@example.com', 'AT')"); err != nil {
		panic(err)
	}
	orders := repo.New(pool, Orders)
	order := Order{CustomerID: 1, TotalCents: 10_00}
	if err := orders.Create(ctx, &order); err != nil {
		panic(err)
	}
	mine, yours := order, order

	err = orders.PatchEntity(ctx, &mine, query.Add(OrderTotal, 2_50))
	fmt.Println(mine.TotalCents, "version", mine.Version, err)

	err = orders.PatchEntity(ctx, &yours, query.Add(OrderTotal, 4_00))
	fmt.Println(yours.TotalCents, "version", yours.Version, errors.Is(err, smrt.ErrStale))
	// Output:
	// 1250 version 2 <nil>
	// 1000 version 1 true
}
