package pool_test

import (
	"fmt"
	"log"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// One pool serves all repositories of a program.
func ExampleOpen() {
	ctx, url, done := exampleShop()
	defer done()

	p, err := pool.Open(ctx, pool.Config{URL: url, Profile: pool.Production, MaxConns: 20})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	products := repo.New(p, shop.Products)
	cheap, err := products.Find(ctx, query.Where(shop.Price.Lt(6_00)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cheap[0].Name)
	// Output: Assam
}
