package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// A program is ready when its connections are, and ends when nobody uses them
// any more.
func ExamplePool_Drain() {
	ctx, url, done := exampleShop()
	defer done()

	p, err := pool.Open(ctx, pool.Config{URL: url, MinConns: 2})
	if err != nil {
		log.Fatal(err)
	}
	products := repo.New(p, shop.Products)

	err = p.Warm(ctx, func(ctx context.Context, db smrt.DB) error {
		_, err := products.With(db).Find(ctx, query.Where(shop.Price.Lt(6_00)))
		return err
	})
	fmt.Println("ready:", err == nil)

	// ... until SIGTERM:
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	fmt.Println("drained:", p.Drain(ctx) == nil)

	_, err = products.Count(ctx, query.All[shop.Product]())
	fmt.Println("refused:", errors.Is(err, smrt.ErrPoolClosed))
	// Output:
	// ready: true
	// drained: true
	// refused: true
}
