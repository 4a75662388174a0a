package schema_test

import (
	"runtime"
	"strings"
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

// TestRules compares rules for values with types and constraints.
func TestRules(t *testing.T) {
	type row struct {
		ID    int64
		Name  string
		Note  *string
		Price int64
		Rate  float64
		Mood  string
		Count int32
	}
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, `CREATE TYPE feeling AS ENUM ('good', 'bad');
		CREATE TABLE ruled (id bigserial PRIMARY KEY, name varchar(10) NOT NULL, note text, price bigint NOT NULL CHECK (price > 0 AND price <= 1000),
			rate float8 NOT NULL CHECK (rate > 0), mood feeling NOT NULL, count int NOT NULL CHECK (count >= -5 OR price > 7))`))(t)
	name, note, price := query.TextCol(func(r *row) *string { return &r.Name }), query.NullTextCol(func(r *row) **string { return &r.Note }), query.Col(func(r *row) *int64 { return &r.Price })
	rate, mood, count := query.Col(func(r *row) *float64 { return &r.Rate }), query.Col(func(r *row) *string { return &r.Mood }), query.Col(func(r *row) *int32 { return &r.Count })
	verify := func(rules ...query.Rule[row]) []string {
		found := check.Value(schema.Verify(ctx, pool, query.NewTable("ruled", func(r *row) *int64 { return &r.ID }, query.Rules(rules...))))(t)
		var got []string
		for _, f := range found {
			if f.Check != schema.CheckRule || f.Level != schema.Note {
				t.Errorf("found %s", f)
			}
			what, _, _ := strings.Cut(f.Problem, ": ")
			got = append(got, f.Column+" "+what)
		}
		return got
	}
	check.Equal(t, "the same", verify(query.MaxLength(name, 10), query.AtLeast(price, 1), query.AtMost(price, 1000), query.OneOf(mood, "good", "bad"), query.AtLeast(count, 0)), nil)
	check.Equal(t, "laxer", verify(query.MaxLength(name, 11), query.AtLeast(price, 0), query.AtMost(price, 1001), query.AtLeast(rate, 0), query.OneOf(mood, "good", "bad", "so so")), []string{
		"name takes 10 characters, and the rule max_length is laxer with 11",
		`price has the constraint "ruled_price_check", CHECK (((price > 0) AND (price <= 1000))), and the rule at_least is laxer with 0`,
		`price has the constraint "ruled_price_check", CHECK (((price > 0) AND (price <= 1000))), and the rule at_most is laxer with 1001`,
		`rate has the constraint "ruled_rate_check", CHECK ((rate > (0)::double precision)), and the rule at_least is laxer with 0`,
		`mood has no label "so so" in the database, which the rule one_of allows`,
	})
	check.Equal(t, "stricter", verify(query.MaxLength(name, 9), query.Required(note), query.AtLeast(price, 2), query.AtMost(price, 999), query.AtLeast(rate, 0.5), query.OneOf(mood, "good")), []string{
		"name takes 10 characters, and the rule max_length is stricter with 9",
		"note can be NULL in the database, and the rule required is stricter",
		`price has the constraint "ruled_price_check", CHECK (((price > 0) AND (price <= 1000))), and the rule at_least is stricter with 2`,
		`price has the constraint "ruled_price_check", CHECK (((price > 0) AND (price <= 1000))), and the rule at_most is stricter with 999`,
		`rate has the constraint "ruled_rate_check", CHECK ((rate > (0)::double precision)), and the rule at_least is stricter with 0.5`,
		`mood may be "bad" in the database, and the rule one_of is stricter`,
	})
}
