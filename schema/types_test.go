package schema_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/schema"
)

// TestTypesThatScan has fields of types with a method of their own for every value.
func TestTypesThatScan(t *testing.T) {
	type row struct {
		ID    int64
		Right pgtype.Date
		Wrong pgtype.Date
	}
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, `CREATE TABLE typed (id bigserial PRIMARY KEY, "right" date, wrong boolean)`))(t)
	found := check.Value(schema.Verify(ctx, pool, query.NewTable("typed", func(r *row) *int64 { return &r.ID })))(t)
	if len(found) != 1 || found[0].Check != schema.CheckType || found[0].Column != "wrong" {
		t.Errorf("found %v", found)
	}
}

// TestForgottenDefault has defaults that zeros overwrite: one that nobody means, and one
// that a program may mean.
func TestForgottenDefault(t *testing.T) {
	type row struct {
		ID    int64
		Until time.Time
		Open  bool
	}
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, "CREATE TABLE offers (id bigserial PRIMARY KEY, until timestamptz NOT NULL DEFAULT now(), open boolean NOT NULL DEFAULT true)"))(t)
	found := check.Value(schema.Verify(ctx, pool, query.NewTable("offers", func(r *row) *int64 { return &r.ID })))(t)
	var got []string
	for _, f := range found {
		got = append(got, f.Level.String()+" "+f.Column+" "+f.Go)
	}
	check.Equal(t, "findings", got, []string{"warning until query.Default", "note open "})
}

// TestForeignKeyOfOtherColumns has a foreign key on the columns of a relation that pairs
// them otherwise.
func TestForeignKeyOfOtherColumns(t *testing.T) {
	type key struct{ A, B int64 }
	type parent struct{ A, B int64 }
	type child struct{ ID, PA, PB int64 }
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, `CREATE TABLE pairs (a bigint, b bigint, PRIMARY KEY (a, b));
		CREATE TABLE crossed (id bigserial PRIMARY KEY, pa bigint NOT NULL, pb bigint NOT NULL, FOREIGN KEY (pa, pb) REFERENCES pairs (b, a))`))(t)
	pairs := query.NewCompositeTable("pairs", query.Key[parent, key]{
		query.Part(func(p *parent) *int64 { return &p.A }, func(k *key) *int64 { return &k.A }),
		query.Part(func(p *parent) *int64 { return &p.B }, func(k *key) *int64 { return &k.B }),
	})
	crossed := query.NewTable("crossed", func(c *child) *int64 { return &c.ID })
	relation := preload.BelongsTo(crossed, pairs, query.Key[child, key]{
		query.Part(func(c *child) *int64 { return &c.PA }, func(k *key) *int64 { return &k.A }),
		query.Part(func(c *child) *int64 { return &c.PB }, func(k *key) *int64 { return &k.B }),
	})
	found := check.Value(schema.Verify(ctx, pool, crossed))(t)
	if len(found) != 1 || found[0].Check != schema.CheckForeignKey {
		t.Errorf("found %v", found)
	}
	runtime.KeepAlive(&relation) // a relation is known for as long as it is reachable
}
