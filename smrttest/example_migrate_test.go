package smrttest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"testing/fstest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that database/sql knows as pgx
	"github.com/pressly/goose/v3"

	"github.com/smrt-go/smrt/smrttest"
)

// migrations is an embed.FS or os.DirFS("migrations") in a program.
var migrations fs.FS = fstest.MapFS{"00001_orders.sql": {Data: []byte(`-- +goose Up
CREATE TABLE orders (id bigint PRIMARY KEY);
-- +goose Down
DROP TABLE orders;
`)}}

// migrate is the function that the program itself is migrated with.
func migrate(ctx context.Context, dsn string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations)
	if err == nil {
		_, err = provider.Up(ctx)
	}
	return errors.Join(err, db.Close())
}

// Migrations of goose, run once for all tests of the package.
func ExampleMigrate() {
	t, end := newT()
	defer end()

	pool := smrttest.Pool(t, smrttest.Migrate("orders", migrate))

	var n int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&n); err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(n, "orders")
	// Output: 0 orders
}
