package schema_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt/internal/shop/schema"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/queries"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// newest is the number of migrations, which are numbered without gaps.
func newest(t *testing.T) int64 {
	t.Helper()
	files, err := fs.Glob(queries.Schema, "schema/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("migrations: %v, %v", files, err)
	}
	return int64(len(files))
}

func version(t *testing.T, dsn string) int64 {
	t.Helper()
	v, err := schema.Version(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// objects lists all that the migrations made: tables, indexes, sequences and types, not goose's own.
func objects(t *testing.T, db *pgxpool.Pool) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		SELECT relkind::text || ' ' || relname FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'goose%'
		UNION ALL
		SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, testdb.Empty)
	dsn := db.Config().ConnString()
	if v := version(t, dsn); v != 0 {
		t.Errorf("an empty database has version %d", v)
	}

	var first []string
	for round := range 2 {
		if err := schema.Up(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
		if v := version(t, dsn); v != newest(t) {
			t.Errorf("after Up: version %d, want %d", v, newest(t))
		}
		made := strings.Join(objects(t, db), "\n")
		if round == 0 {
			first = objects(t, db)
		} else if made != strings.Join(first, "\n") {
			t.Errorf("up, down and up again makes something else:\n%s", made)
		}
		if err := schema.Down(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
		if left := objects(t, db); len(left) > 0 {
			t.Errorf("Down leaves %q", left)
		}
		if v := version(t, dsn); v != 0 {
			t.Errorf("after Down: version %d", v)
		}
	}
	if len(first) < 40 {
		t.Errorf("the migrations make only %q", first)
	}
}

func TestUpAgainChangesNothing(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, testdb.Schema{Name: "shop", Apply: schema.Up})
	if _, err := db.Exec(t.Context(), "INSERT INTO tags (name) VALUES ('kept')"); err != nil {
		t.Fatal(err)
	}
	if err := schema.Up(t.Context(), db.Config().ConnString()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM tags").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d tags, %v; want the one from before", n, err)
	}
}

func TestUpAtOnce(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, testdb.Empty)
	dsn := db.Config().ConnString()
	group, ctx := errgroup.WithContext(t.Context())
	for range 3 {
		group.Go(func() error { return schema.Up(ctx, dsn) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if v := version(t, dsn); v != newest(t) {
		t.Errorf("version %d, want %d", v, newest(t))
	}
}

func TestErrorsOfTheDatabase(t *testing.T) {
	t.Parallel()
	if err := schema.Up(t.Context(), "postgres://%zz"); err == nil || !strings.HasPrefix(err.Error(), "schema: dsn: ") {
		t.Errorf("Up of a dsn that is none: %v", err)
	}
	db := testdb.Pool(t, testdb.Empty)
	dsn := db.Config().ConnString()
	if _, err := db.Exec(t.Context(), "CREATE TABLE orders ()"); err != nil {
		t.Fatal(err)
	}
	if err := schema.Up(t.Context(), dsn); err == nil || !strings.HasPrefix(err.Error(), "schema: migrate: ") {
		t.Errorf("Up over a table that is there: %v", err)
	}
	if v := version(t, dsn); v != 3 {
		t.Errorf("version %d: the migrations before the one of the orders should stay", v)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := schema.Down(ctx, dsn); err == nil {
		t.Error("Down with a cancelled context: no error")
	}
}

func TestEveryForeignKeyHasAnIndex(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, testdb.Schema{Name: "shop", Apply: schema.Up})
	rows, err := db.Query(t.Context(), `
		SELECT k.conrelid::regclass || '.' || k.conname
		FROM pg_constraint AS k
		WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
		  AND NOT EXISTS (
			SELECT FROM pg_index AS i
			WHERE i.indrelid = k.conrelid AND i.indpred IS NULL AND i.indkey[0] = k.conkey[1])`)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(bare) > 0 {
		t.Errorf("foreign keys without an index: %q", bare)
	}
}
