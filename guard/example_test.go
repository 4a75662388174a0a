package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// Category is a row of the table that the examples use.
type Category struct {
	ID         int64
	Slug, Name string
}

var (
	Categories   = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })
	CategoryName = query.TextCol(func(c *Category) *string { return &c.Name })
)

// logger is where the examples log to.
var logger = slog.New(slog.NewTextHandler(io.Discard, nil))

// openShop opens a pool on a shop with ten categories.
func openShop(ctx context.Context) *pgxpool.Pool {
	pool, err := pgxpool.New(ctx, dsn()) // os.Getenv("DATABASE_URL") in a program
	if err != nil {
		panic(err)
	}
	ten := make([]Category, 10)
	for i := range ten {
		ten[i] = Category{Slug: fmt.Sprint("c", i), Name: fmt.Sprint("Category ", i)}
	}
	if err := repo.New(pool, Categories).CreateMany(ctx, ten); err != nil {
		panic(err)
	}
	return pool
}

// Limits are declared where the pool is opened.
func ExampleOn() {
	ctx := context.Background()
	pool := openShop(ctx)
	defer pool.Close()

	db := guard.On(pool, guard.Limits{MaxLimit: 5, Timeout: 10 * time.Second, Logger: logger})
	categories := repo.New(db, Categories)

	_, err := categories.Find(ctx, query.All[Category]())
	fmt.Println(errors.Is(err, smrt.ErrRowLimit))
	fmt.Println(err)

	some, err := categories.Find(ctx, query.All[Category]().Limit(5))
	fmt.Println(len(some), err)
	// Output:
	// true
	// find categories: the read has more rows than are allowed: MaxLimit is 5, this is 6: set a Limit, read pages, or call guard.Allow(ctx, guard.Rows(n), reason)
	// 5 <nil>
}

// What has a reason may go beyond a limit, as far as it says.
func ExampleAllow() {
	ctx := context.Background()
	pool := openShop(ctx)
	defer pool.Close()
	categories := repo.New(guard.On(pool, guard.Limits{MaxLimit: 5, Logger: logger}), Categories)

	ctx = guard.Allow(ctx, guard.Rows(50_000), "nightly export")
	all, err := categories.Find(ctx, query.All[Category]())
	fmt.Println(len(all), err)
	// Output: 10 <nil>
}

// Requests of some clients may do less than others.
func ExampleWith() {
	ctx := context.Background()
	pool := openShop(ctx)
	defer pool.Close()
	categories := repo.New(guard.On(pool, guard.Limits{MaxLimit: 1_000, Logger: logger}), Categories)

	free := guard.With(ctx, guard.Limits{MaxLimit: 3, Logger: logger})
	_, err := categories.Find(free, query.All[Category]().Limit(4))
	var refused *smrt.LimitError
	if errors.As(err, &refused) {
		fmt.Println(refused.Limit, refused.Max, refused.Actual)
	}
	// Output: MaxLimit 3 4
}

// What the calls of a user cost in some time can be bounded.
func ExampleNewRate() {
	type user struct{}
	ctx := context.WithValue(context.Background(), user{}, "ann")
	pool := openShop(ctx)
	defer pool.Close()

	perUser := guard.NewRate(guard.RateConfig{
		Name: "api", Points: 3, Per: time.Hour,
		Key: func(ctx context.Context) string { return ctx.Value(user{}).(string) },
	})
	categories := repo.New(guard.On(pool, guard.Limits{Rate: perUser, Logger: logger}), Categories)
	for range 3 {
		_, err := categories.Get(ctx, 1)
		fmt.Println(err)
	}
	_, err := categories.Get(ctx, 1)
	var rate *smrt.RateError
	if errors.As(err, &rate) {
		fmt.Println(rate.Rate, rate.Cost, rate.Available, rate.RetryAfter.Round(time.Minute))
	}
	_, err = categories.Get(context.WithValue(ctx, user{}, "ben"), 1)
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// api 1 0 20m0s
	// <nil>
}

// Limits can be tried before they bite.
func ExampleLimits_report() {
	ctx := context.Background()
	pool := openShop(ctx)
	defer pool.Close()

	db := guard.On(pool, guard.Limits{
		Mode: guard.Report, MaxAffected: 5, Logger: logger,
		OnEvent: func(_ context.Context, e guard.Event) { fmt.Println(e.Outcome, e.Operation, e.Table, e.Error.Actual) },
	})
	n, err := repo.New(db, Categories).UpdateWhere(ctx, query.Where(CategoryName.Ne("")), CategoryName.Set("renamed"))
	fmt.Println(n, err)
	// Output:
	// reported update categories 10
	// 10 <nil>
}
