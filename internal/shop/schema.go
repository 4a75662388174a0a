package shop

import (
	"context"

	"github.com/smrt-go/smrt/internal/shop/schema"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/queries"
)

// Schema is the shop's tables, empty, for tests: testdb.Pool(t, shop.Schema).
var Schema = testdb.Schema{Name: "shop", Apply: Migrate, Digest: digest()}

// digest lets all packages' tests on one server share the template.
func digest() string {
	digest, _ := testdb.DigestFiles("shop", queries.Schema, "schema/*.sql") // none: each has its own
	return digest
}

// Migrate brings the database up to the newest migration of queries/schema. Where it is there already, nothing changes;
// several processes may call it at once.
func Migrate(ctx context.Context, dsn string) error {
	return schema.Up(ctx, dsn)
}

// MigrateDown takes every migration back. All data of the shop is lost.
func MigrateDown(ctx context.Context, dsn string) error {
	return schema.Down(ctx, dsn)
}
