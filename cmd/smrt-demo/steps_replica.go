package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

func readOwnWrite(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	db, err := readreplica.New(pool, out.replica)
	out.must(err)
	defer db.Close()
	out.start()
	products := repo.New(db, shop.Products)
	session := readreplica.WithSession(ctx)
	err = products.Patch(session, 42, shop.Stock.Set(4711))
	out.must(err)
	product, err := products.Get(session, 42)
	out.must(err)
	out.stop(2)

	out.tell("%d in stock, says the standby", product.Stock)
	out.check(product.Stock == 4711, "the standby says %d", product.Stock)
	for _, n := range db.Stats().Nodes {
		out.tell("%s: %d reads, primary: %v", n.Name, n.Reads, n.Primary)
		out.check(n.Primary == (n.Reads == 0), "%+v", n)
	}
}

func writeOnReader(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	db, err := readreplica.New(pool, out.replica)
	out.must(err)
	defer db.Close()
	out.start()
	reader := db.Reader() // for sqlc: shopdb.New(db.Reader())
	_, err = reader.Exec(ctx, "update products set stock = 0 where id = 42")
	out.stop(0)

	out.tellError(err, smrt.ErrWriteOnReplica)
	out.expect(ctx, "stock", 4711, "select stock from products where id = 42")
}

// failover is the last step: what comes after it has no primary to compare with.
func failover(ctx context.Context, pool *pgxpool.Pool, out *outcome) {
	db, err := readreplica.New(pool, out.replica)
	out.must(err)
	defer db.Close()
	products := repo.New(db, shop.Products)
	_, err = products.Get(ctx, 42)
	out.must(err)
	out.must(out.primary.Kill())
	out.must(out.standby.Promote(ctx))
	promoted := time.Now()
	out.start()
	err = txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error {
		return products.With(tx).Patch(ctx, 42, query.Add(shop.Stock, 1))
	})
	out.must(err)
	out.stop(1)

	out.tell("the first write came through %v after the promotion", time.Since(promoted).Round(time.Millisecond))
	var stock int32
	err = out.replica.QueryRow(ctx, "select stock from products where id = 42").Scan(&stock)
	out.check(err == nil && stock == 4712, "the stock is %d, error %v", stock, err)
	out.check(time.Since(promoted) < 2*time.Second, "it took %v", time.Since(promoted))
}
