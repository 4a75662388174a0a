package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/schema"
)

func TestVerifyErrors(t *testing.T) {
	for what, declarations := range map[string][]schema.Declaration{"nothing": nil, "nil": {nil}} {
		_, err := schema.Verify(t.Context(), nil, declarations...)
		var bad *smrt.QueryError
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", what, err)
		}
	}
	pool := testdb.Pool(t, testdb.Empty)
	pool.Close()
	if found, err := schema.Verify(t.Context(), pool, shop.Products); err == nil || found != nil {
		t.Errorf("on a closed pool: %v, %v", found, err)
	}
}

// TestMismatchError lists faults only.
func TestMismatchError(t *testing.T) {
	found := schema.Findings{
		{Check: schema.CheckNull, Level: schema.Fault, Site: "a/b.go:7", Table: "t", Column: "c", Problem: "can be NULL", SQL: "ALTER", Go: "change"},
		{Check: schema.CheckIndex, Level: schema.Note, Table: "t", Problem: "says something"},
	}
	err := found.Err()
	check.Error(t, "Err", err, schema.ErrMismatch)
	check.Same(t, "text", err.Error(), schema.ErrMismatch.Error()+"\n\ta/b.go:7: fault: null: t.c can be NULL; in the database: ALTER; in the program: change")
	if found[1:].Err() != nil || !strings.HasPrefix(found[1].String(), "note: index: t says") {
		t.Error(found[1].String())
	}
}

// TestViews has what a view does not say.
func TestViews(t *testing.T) {
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	type row struct {
		ID   int64
		Name string
	}
	check.Value(pool.Exec(ctx, `CREATE TABLE base (id bigserial PRIMARY KEY, name text NOT NULL); CREATE VIEW all_of AS SELECT * FROM base; CREATE VIEW few AS SELECT DISTINCT id, name FROM base;
		CREATE MATERIALIZED VIEW kept AS SELECT * FROM base; CREATE TABLE parts (id bigint, name text NOT NULL, PRIMARY KEY (id)) PARTITION BY HASH (id)`))(t)
	key := func(r *row) *int64 { return &r.ID }
	found := check.Value(schema.Verify(ctx, pool, query.NewView[row]("all_of"), query.NewView[row]("few"), query.NewView[row]("kept"), query.NewView[row]("base"),
		query.NewTable("all_of", key), query.NewTable("parts", key, query.KeyByClient[row]())))(t)
	check.Equal(t, "findings", found, schema.Findings{})
	found = check.Value(schema.Verify(ctx, pool, query.NewTable("few", key)))(t)
	if len(found) != 1 || found[0].Check != schema.CheckTable || found[0].Level != schema.Fault {
		t.Errorf("a view that is not written: %v", found)
	}
}
