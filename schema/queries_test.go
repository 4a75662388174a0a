package schema_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	smrtpool "github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/schema"
	"github.com/smrt-go/smrt/txn"
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

// planned has queries that the server can describe, each with the code that it is refused
// with when it is planned, "" for none.
var planned = []struct{ name, sql, code string }{
	{"Conflict", "INSERT INTO stock (n, text) VALUES ($1, $2) ON CONFLICT (n) DO NOTHING", "42P10"},
	{"Fine", "INSERT INTO stock (n, text) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET text = excluded.text RETURNING id", ""},
	{"Sums", "UPDATE sums SET n = $1", "42809"},
	{"Emptied", "TRUNCATE stock", ""},
	{"Gone", "SELECT gone FROM stock", "42703"},
	{"Lies", "SELECT lies(1) FROM stock WHERE n = $1", ""},
	{"Removed", "DELETE FROM stock WHERE n = $1 AND text = ANY($2)", ""},
}

// TestQueriesArePlanned has queries that only the planner and the executor's start refuse,
// on a pool, a transaction of pgx's and one of txn's, which are not changed by it.
func TestQueriesArePlanned(t *testing.T) {
	ctx, pool := t.Context(), testdb.Pool(t, testdb.Empty)
	check.Value(pool.Exec(ctx, `CREATE TABLE stock (id bigserial PRIMARY KEY, n int, text text); CREATE MATERIALIZED VIEW sums AS SELECT n FROM stock;
		CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS $$ INSERT INTO stock (n) VALUES (7) RETURNING 1 $$;
		CREATE FUNCTION lies(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN writes(); END $$`))(t)
	verify := func(t *testing.T, db txn.Beginner, extra string) {
		t.Helper()
		source, want := "package a\n", ""
		for _, q := range planned {
			source += "const " + q.name + " = `-- name: " + q.name + " :exec\n" + q.sql + "`\n"
			if code := q.code; code != "" || extra != "" && strings.Contains(q.sql, extra) {
				want += q.name + " " + cmp.Or(code, "42501") + "\n"
			}
		}
		got := ""
		for _, f := range check.Value(schema.VerifyQueries(ctx, db, fstest.MapFS{"a.go": {Data: []byte(source)}}))(t) {
			_, code, _ := strings.Cut(f.Problem, "(")
			got += f.Table + " " + code[:5] + "\n"
			if code[:5] == "42501" && !strings.Contains(f.Go, "role") {
				t.Errorf("found %+v", f)
			}
		}
		check.Equal(t, "findings", got, want)
	}
	verify(t, pool, "")
	own := check.Value(smrtpool.Open(ctx, smrtpool.Config{URL: pool.Config().ConnString(), MaxConns: 1}))(t)
	verify(t, own, "")
	own.Close()
	tx := check.Value(pool.Begin(ctx))(t)
	check.Value(tx.Exec(ctx, "INSERT INTO stock (n) VALUES (1)"))(t)
	verify(t, tx, "")
	check.Value(tx.Exec(ctx, "INSERT INTO stock (n) VALUES (2)"))(t)
	check.NoError(t, tx.Commit(ctx))
	check.NoError(t, txn.Run(ctx, pool, func(ctx context.Context, tx pgx.Tx) error {
		check.Value(tx.Exec(ctx, "INSERT INTO stock (n) VALUES (3)"))(t)
		verify(t, tx, "")
		_, err := tx.Exec(ctx, "INSERT INTO stock (n) VALUES (4)")
		return err
	}))
	var rows string
	var prepared int
	check.NoError(t, pool.QueryRow(ctx, "SELECT string_agg(n::text, ' ' ORDER BY id), (SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'smrt_explain%') FROM stock").Scan(&rows, &prepared))
	check.Equal(t, "rows", rows, "1 2 3 4")
	check.Equal(t, "prepared statements", prepared, 0)
	role := "planner_" + strings.ReplaceAll(strings.ToLower(pool.Config().ConnConfig.Database), "-", "_")
	check.Value(pool.Exec(ctx, `CREATE ROLE "`+role+`"; GRANT SELECT, INSERT, UPDATE ON stock, sums TO "`+role+`"`))(t)
	t.Cleanup(func() {
		_, _ = pool.Exec(context.WithoutCancel(ctx), `DROP OWNED BY "`+role+`"; DROP ROLE "`+role+`"`)
	})
	tx = check.Value(pool.Begin(ctx))(t)
	defer func() { _ = tx.Rollback(ctx) }()
	check.Value(tx.Exec(ctx, `SET LOCAL ROLE "`+role+`"`))(t)
	verify(t, tx, "DELETE")
}

// unconnected is a handle whose transactions give no connection away.
type unconnected struct{ txn.Beginner }

func (u unconnected) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := u.Beginner.Begin(ctx)
	return unconnectedTx{tx}, err
}

type unconnectedTx struct{ pgx.Tx }

func (unconnectedTx) Conn() *pgx.Conn { return nil }

// TestQueriesWithoutAConnection are described and not planned.
func TestQueriesWithoutAConnection(t *testing.T) {
	pool := testdb.Pool(t, testdb.SQL("unplanned", "CREATE TABLE stock (id bigint PRIMARY KEY, n int)"))
	folder := fstest.MapFS{"a.go": {Data: []byte("package a\nconst (\na = `-- name: Conflict :exec\nINSERT INTO stock (n) VALUES ($1) ON CONFLICT (n) DO NOTHING`\nb = `-- name: Gone :exec\nSELECT gone FROM stock`)")}}
	found := check.Value(schema.VerifyQueries(t.Context(), unconnected{pool}, folder))(t)
	if len(found) != 1 || found[0].Table != "Gone" {
		t.Errorf("found %v", found)
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
