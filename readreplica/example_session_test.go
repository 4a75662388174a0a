package readreplica_test

import (
	"context"
	"fmt"
	"time"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// A user who has saved something must see it, wherever the read goes.
func ExampleWithSession() {
	ctx := context.Background()
	db1, db2 := dsns()
	db, err := readreplica.Open(ctx, readreplica.Config{Servers: []readreplica.Server{{URL: db1}, {URL: db2}}})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	products := repo.New(db, Products)

	ctx = readreplica.WithSession(ctx)
	if err := products.Patch(ctx, 2, Price.Set(4990)); err != nil {
		panic(err)
	}
	p, err := products.Get(ctx, 2) // from the standby if it has the change, else from the primary
	if err != nil {
		panic(err)
	}
	fmt.Println(p.PriceCents)
	// Output: 4990
}

// A report may be old, but not older than a minute.
func ExampleWithMaxStale() {
	ctx := context.Background()
	db1, db2 := dsns()
	db, err := readreplica.Open(ctx, readreplica.Config{Servers: []readreplica.Server{{URL: db1}, {URL: db2}}})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	n, err := repo.New(db, Products).Count(readreplica.WithMaxStale(ctx, time.Minute), query.All[Product]())
	if err != nil {
		panic(err)
	}
	fmt.Println(n)
	// Output: 3
}

// What is sent through the reader is a read, as the queries of sqlc are. A
// write is refused, wherever it goes.
func ExampleRouter_Reader() {
	ctx := context.Background()
	db1, db2 := dsns()
	db, err := readreplica.Open(ctx, readreplica.Config{Servers: []readreplica.Server{{URL: db1}, {URL: db2}}})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	var name string
	err = db.Reader().QueryRow(ctx, "SELECT name FROM products WHERE id = $1", 2).Scan(&name)
	if err != nil {
		panic(err)
	}
	fmt.Println(name)

	_, err = db.Reader().Exec(ctx, "DELETE FROM products")
	fmt.Println(err != nil)
	// Output:
	// Keemun
	// true
}
