package smrttest_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/smrttest"
	"github.com/smrt-go/smrt/txn"
)

// The reply to a COMMIT is lost. With a key the transaction is looked up, and
// applied once.
func ExampleOver() {
	t, end := newT()
	defer end()

	var network smrttest.Link
	schema := smrttest.SQL("CREATE TABLE orders (id bigint)", txn.MarkersSQL)
	pool := smrttest.Pool(t, schema, smrttest.Over(&network))

	network.LoseAnswer("commit")
	err := txn.Run(t.Context(), pool, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO orders VALUES (1)")
		return err
	}, txn.Options{Key: "order 1"})
	fmt.Println("error:", err)

	var n int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n); err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(n, "order, the answer was lost:", network.Disarm())
	// Output:
	// error: <nil>
	// 1 order, the answer was lost: true
}

// A router over a primary and a standby of which replay is paused: a session
// reads what it wrote.
func ExampleReplicas() {
	t, end := newT()
	defer end()
	type Order struct{ ID int64 }
	orders := query.NewTable("orders", func(o *Order) *int64 { return &o.ID })

	servers := smrttest.Replicas(t, smrttest.SQL("CREATE TABLE orders (id bigint PRIMARY KEY)"), 1)
	db, err := readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{
		{URL: servers.Primary.DSN()}, {URL: servers.Standbys[0].DSN()},
	}})
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer db.Close()
	if err := servers.Standbys[0].PauseReplay(t.Context()); err != nil {
		t.Fatalf("%v", err)
	}

	ctx := readreplica.WithSession(t.Context())
	if err := repo.New(db, orders).Create(ctx, &Order{ID: 7}); err != nil {
		t.Fatalf("%v", err)
	}
	order, err := repo.New(db, orders).Get(ctx, 7)
	fmt.Println(order, err)
	// Output: &{7} <nil>
}
