package pool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A program is ready when its connections are, and ends when nobody uses them
// any more.
func ExamplePool_Drain() {
	ctx := context.Background()
	p, err := pool.Open(ctx, pool.Config{URL: dsn(), MinConns: 2, AcquireTimeout: time.Minute})
	if err != nil {
		panic(err)
	}
	categories := repo.New(p, Categories)

	err = p.Warm(ctx, func(ctx context.Context, db smrt.DB) error {
		_, err := categories.With(db).Find(ctx, query.Where(Slug.Eq("tea")))
		return err
	})
	fmt.Println("ready:", err == nil)

	// ... until SIGTERM:
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	fmt.Println("drained:", p.Drain(ctx) == nil)

	_, err = categories.Count(ctx, query.All[Category]())
	fmt.Println("refused:", errors.Is(err, smrt.ErrPoolClosed))
	// Output:
	// ready: true
	// drained: true
	// refused: true
}
