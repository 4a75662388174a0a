package slots_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// filled is the shop with customers, orders and their lines.
var filledShop = testdb.Schema{Name: "shop with rows", Apply: func(ctx context.Context, dsn string) error {
	if err := shop.Schema.Apply(ctx, dsn); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = seed.Load(ctx, pool, seed.Size{Customers: 40, Products: 60, Orders: 400})
	return err
}}

// ids returns the first column of a result.
func ids(t *testing.T, db smrt.DB, sql string, args ...any) []int64 {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return check.Value(pgx.CollectRows(rows, pgx.RowTo[int64]))(t)
}

// refused expects an error of every method, and that nothing was sent.
func refused(t *testing.T, db smrt.DB, want error, sql string, args ...any) (text string) {
	t.Helper()
	_, err := db.Exec(t.Context(), sql, args...)
	rows, queried := db.Query(t.Context(), sql, args...)
	if queried == nil || rows.Err() == nil || rows.Next() {
		t.Errorf("Query is not refused: %v", queried)
	}
	var b pgx.Batch
	b.Queue(sql, args...)
	results := db.SendBatch(t.Context(), &b)
	_, batched := results.Exec()
	for what, err := range map[string]error{
		"Exec": err, "Query": queried, "QueryRow": db.QueryRow(t.Context(), sql, args...).Scan(new(int64)), "SendBatch": batched, "Close": results.Close(),
	} {
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	return err.Error()
}

// dsn is the URL of a new database for an example, which stands for
// os.Getenv("DATABASE_URL") in a program. It has tickets.
func dsn() string {
	return testdb.ExampleDSN(testdb.SQL("tickets", `CREATE TABLE tickets (id bigint PRIMARY KEY, state text NOT NULL, priority integer NOT NULL);
		CREATE TABLE comments (id bigint PRIMARY KEY, ticket_id bigint REFERENCES tickets);
		INSERT INTO tickets VALUES (1, 'open', 1), (2, 'open', 7), (3, 'closed', 9), (4, 'open', 9), (5, 'new', 5);
		INSERT INTO comments VALUES (1, 2), (2, 1)`))
}
