package repo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestToSQL shows the statements of all kinds of calls, and sends none: the rows stay
// as they are, and what the server counts of the table does too.
func TestToSQL(t *testing.T) {
	ctx := t.Context()
	var sent *testdb.Counter
	pool := testdb.Pool(t, shop.Schema, testdb.Configure(func(c *pgxpool.Config) { sent = testdb.CountStatements(c) }))
	tags := repo.New(pool, shop.TagWords)
	tagID, name := query.Col(func(t *shop.Tag) *int64 { return &t.ID }), query.TextCol(func(t *shop.Tag) *string { return &t.Name })
	kept := shop.Tag{Name: "kept"}
	check.NoError(t, tags.Create(ctx, &kept))
	before := sent.Len()
	for what, call := range map[string]func(r *repo.Repository[shop.Tag, int64]) error{
		`SELECT "id", "name", "created_at" FROM "tags" WHERE "name" = $1 ORDER BY "id" LIMIT $2 [kept 3]`: func(r *repo.Repository[shop.Tag, int64]) error {
			_, err := r.Find(ctx, query.Where(name.Eq("kept")).OrderBy(tagID.Asc()).Limit(3))
			return err
		},
		`SELECT "id", "name", "created_at" FROM "tags" WHERE "id" = $1 [7]`: func(r *repo.Repository[shop.Tag, int64]) error {
			_, err := r.Get(ctx, 7)
			return err
		},
		`SELECT count(*) FROM "tags" []`: func(r *repo.Repository[shop.Tag, int64]) error {
			_, err := r.Count(ctx, query.All[shop.Tag]())
			return err
		},
		`DELETE FROM "tags" WHERE "id" = $1 [`: func(r *repo.Repository[shop.Tag, int64]) error { return r.Delete(ctx, kept.ID) },
		`DELETE FROM "tags" WHERE "name" = $1 [kept]`: func(r *repo.Repository[shop.Tag, int64]) error {
			_, err := r.DeleteWhere(ctx, query.Where(name.Eq("kept")))
			return err
		},
		`UPDATE "tags" SET "name" = $`: func(r *repo.Repository[shop.Tag, int64]) error {
			_, err := r.UpdateWhere(ctx, query.Where(name.Eq("kept")), name.Set("gone"))
			return err
		},
		`INSERT INTO "tags" ("name", "created_at") VALUES ($1, now()) RETURNING "id", "created_at" [new]`: func(r *repo.Repository[shop.Tag, int64]) error {
			return r.Create(ctx, &shop.Tag{Name: "new"})
		},
		`INSERT INTO "tags" `: func(r *repo.Repository[shop.Tag, int64]) error {
			return r.CreateMany(ctx, slices.Repeat([]shop.Tag{{Name: "new"}}, 40))
		},
		`COPY "`: func(*repo.Repository[shop.Tag, int64]) error { return nil }, // below
	} {
		statement, err := repo.ToSQL(pool, func(db smrt.DB) error {
			if what == `COPY "` {
				_, err := db.CopyFrom(ctx, pgx.Identifier{"tags"}, []string{"id", "na\"me"}, nil)
				return err
			}
			return call(tags.With(db))
		})
		if text := fmt.Sprint(statement.SQL, " ", statement.Args); err != nil || !strings.HasPrefix(text, what) {
			t.Errorf("want %s\ngot  %s, %v", what, text, err)
		}
	}
	for _, sql := range sent.Statements()[before:] {
		if !strings.Contains(sql, "pg_catalog.pg_class") {
			t.Errorf("sent %s", sql)
		}
	}
	check.Same(t, "rows", check.Value(tags.Count(ctx, query.All[shop.Tag]()))(t), 1)
	check.Same(t, "its name", check.Value(tags.Get(ctx, kept.ID))(t).Name, "kept")
}

func TestToSQLErrors(t *testing.T) {
	tags := repo.New(testdb.Pool(t, shop.Schema), shop.TagWords)
	var bad *smrt.QueryError
	if _, err := repo.ToSQL(nil, func(smrt.DB) error { return nil }); !errors.As(err, &bad) {
		t.Errorf("nothing is sent: %v", err)
	}
	_, err := repo.ToSQL(nil, func(db smrt.DB) error {
		_, err := tags.With(db).DeleteWhere(t.Context(), query.All[shop.Tag]())
		return err
	})
	check.Error(t, "a call that is refused", err, smrt.ErrUnboundedWrite)
	_, err = repo.Statement{SQL: "SELECT nonsense"}.Explain(t.Context(), testdb.Pool(t, testdb.Empty))
	if err == nil {
		t.Error("a statement that fails is explained")
	}
}

// ToSQL shows what a call sends, and the plan that the server has for it.
func ExampleToSQL() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, dsn())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	products := repo.New(pool, Products)

	statement, err := repo.ToSQL(pool, func(db smrt.DB) error {
		_, err := products.With(db).Find(ctx, query.Where(Price.Lt(10_00)).OrderBy(Price.Asc()).Limit(20))
		return err
	})
	if err != nil {
		panic(err)
	}
	_, conditions, _ := strings.Cut(statement.SQL, " WHERE ")
	fmt.Println(conditions, statement.Args)

	plan, err := statement.Explain(ctx, pool)
	if err != nil {
		panic(err)
	}
	fmt.Println(strings.HasPrefix(plan, "Limit "))
	// Output:
	// "deleted_at" IS NULL AND "price_cents" < $1 ORDER BY "price_cents" LIMIT $2 [1000 20]
	// true
}
