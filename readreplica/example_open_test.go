package readreplica_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// A service with a primary and a standby.
func Example() {
	ctx := context.Background()
	db1, db2 := dsns()

	db, err := readreplica.Open(ctx, readreplica.Config{
		Servers: []readreplica.Server{{Name: "db1", URL: db1}, {Name: "db2", URL: db2}},
		Pool:    pool.Config{Profile: pool.Production, MaxConns: 20},
	})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	products := repo.New(db, Products)

	cheap, err := products.Find(ctx, query.Where(ProductID.Eq(1))) // from the standby
	if err != nil {
		panic(err)
	}
	fmt.Println(cheap[0].Name)

	err = txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error { // on the primary
		return products.With(tx).Patch(ctx, cheap[0].ID, Price.Set(510))
	})
	if err != nil {
		panic(err)
	}
	for _, n := range db.Stats().Nodes {
		fmt.Println(n.Name, "is the primary:", n.Primary)
	}
	// Output:
	// Assam
	// db1 is the primary: true
	// db2 is the primary: false
}
