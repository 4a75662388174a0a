package readreplica_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// A service with a primary and two standbys.
func Example() {
	ctx := context.Background()
	db, err := readreplica.Open(ctx, readreplica.Config{
		Servers: []readreplica.Server{
			{URL: "postgres://app@db1/shop", Zone: "a"},
			{URL: "postgres://app@db2/shop", Zone: "b"},
			{URL: "postgres://app@db3/shop", Zone: "b"},
		},
		Pool:    pool.Config{Profile: pool.Production, MaxConns: 20},
		Zone:    "b",
		OnEvent: func(e readreplica.Event) { log.Println(e) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	products := repo.New(db, shop.Products)

	cheap, err := products.Find(ctx, query.Where(shop.Price.Lt(1000))) // from a standby
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(cheap))

	err = txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error { // on the primary
		return products.With(tx).Patch(ctx, cheap[0].ID, shop.Price.Set(999))
	})
	if err != nil {
		log.Fatal(err)
	}
}

// A user who has saved something must see it, wherever the read goes.
func ExampleWithSession() {
	var (
		db  *readreplica.Router
		ctx = context.Background()
	)
	products := repo.New(db, shop.Products)

	ctx = readreplica.WithSession(ctx)
	if err := products.Patch(ctx, 1, shop.Price.Set(4990)); err != nil {
		log.Fatal(err)
	}
	p, err := products.Get(ctx, 1) // from a standby that has it
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.PriceCents)
}

// A report may be old, but not older than a minute.
func ExampleWithMaxStale() {
	var (
		db  *readreplica.Router
		ctx = context.Background()
	)
	orders := repo.New(db, shop.Orders)

	n, err := orders.Count(readreplica.WithMaxStale(ctx, time.Minute), query.All[shop.Order]())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
}
