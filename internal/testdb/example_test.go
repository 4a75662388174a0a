//go:build unix

package testdb_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/testdb"
)

func ExampleExamplePool() {
	pool, done := testdb.ExamplePool(items)
	defer done()

	var name string
	if err := pool.QueryRow(context.Background(), "select name from items").Scan(&name); err != nil {
		panic(err)
	}
	fmt.Println(name)
	// Output: first
}

// In an example of a public package, where dsn is a function of one line in
// main_test.go:
//
//	func dsn() string { return testdb.ExampleDSN(schema) }
func ExampleExampleDSN() {
	dsn := func() string { return testdb.ExampleDSN(items) }

	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	var name string
	if err := pool.QueryRow(ctx, "select name from items").Scan(&name); err != nil {
		panic(err)
	}
	fmt.Println(name)
	// Output: first
}

func ExampleCountStatements() {
	var sent *testdb.Counter
	pool, done := testdb.ExamplePool(testdb.Empty, testdb.Configure(func(cfg *pgxpool.Config) {
		sent = testdb.CountStatements(cfg)
	}))
	defer done()

	if _, err := pool.Exec(context.Background(), "create table t ()"); err != nil {
		panic(err)
	}
	fmt.Println(sent.Len(), sent.Statements())
	// Output: 1 [create table t ()]
}

func ExampleServer_Standby() {
	ctx := context.Background()
	primary, err := testdb.Start(ctx, testdb.Config{})
	if err != nil {
		panic(err)
	}
	defer primary.Close()
	standby, err := primary.Standby(ctx, testdb.StandbyConfig{})
	if err != nil {
		panic(err)
	}
	if err := primary.CreateDatabase(ctx, "shop", ""); err != nil {
		panic(err)
	}
	if err := standby.WaitForReplay(ctx, primary); err != nil {
		panic(err)
	}
	pool, err := pgxpool.New(ctx, standby.DSN("shop"))
	if err != nil {
		panic(err)
	}
	defer pool.Close()

	var readOnly bool
	if err := pool.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&readOnly); err != nil {
		panic(err)
	}
	fmt.Println("read only:", readOnly)
	// Output: read only: true
}
