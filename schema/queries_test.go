package schema_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

// TestQueries expects every query of the shop to be accepted, and those that name a
// column to be refused once it is gone.
func TestQueries(t *testing.T) {
	ctx, pool, folder := t.Context(), testdb.Pool(t, shop.Schema), os.DirFS("../internal/shop/shopdb")
	check.Equal(t, "findings", check.Value(schema.VerifyQueries(ctx, pool, folder))(t), nil)
	check.Value(pool.Exec(ctx, "ALTER TABLE order_items RENAME discount_cents TO rebate; ALTER TABLE reviews DROP CONSTRAINT reviews_rating_check, ALTER rating TYPE text"))(t)
	found := check.Value(schema.VerifyQueries(ctx, pool, folder))(t)
	if len(found) < 2 {
		t.Fatalf("found %v", found)
	}
	for _, f := range found {
		if f.Check != schema.CheckQuery || f.Level != schema.Fault || f.Table == "" || !strings.Contains(f.Site, ".sql.go:") || !strings.Contains(f.Problem, " of the query") {
			t.Errorf("found %+v", f)
		}
	}
}

func TestQueriesErrors(t *testing.T) {
	for what, folder := range map[string]fstest.MapFS{
		"empty":    {},
		"no query": {"a.go": {Data: []byte("package a\nconst b = `SELECT 1`")}, "q.sql": {Data: []byte("-- name: X :one\nSELECT 1")}},
	} {
		_, err := schema.VerifyQueries(t.Context(), nil, folder)
		var bad *smrt.QueryError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := schema.VerifyQueries(t.Context(), nil, fstest.MapFS{"a.go": {Data: []byte("nonsense")}}); err == nil {
		t.Error("a file that is no Go is accepted")
	}
}
