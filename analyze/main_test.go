package analyze_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/analyze"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/schema"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m)) }

// dsn is the URL of a new database for an example, with the schema of a shop. It stands
// for os.Getenv("DATABASE_URL") in a program.
func dsn() string { return testdb.ExampleDSN(shop.Schema) }

func shopTables() []schema.Declaration {
	return []schema.Declaration{
		shop.Customers, shop.Categories, shop.Products, shop.Warehouses, shop.Inventories, shop.Orders, shop.OrderItems,
		shop.Reviews, shop.PriceChanges, shop.TagWords, shop.ProductTags, shop.Carts, shop.CartItems,
	}
}

// exec runs statements.
func exec(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	check.Value(pool.Exec(t.Context(), sql))(t)
}

// write runs statements on one connection and waits until the server has counted what they
// wrote: a count that arrives after an ANALYZE makes its statistics look old.
func write(t *testing.T, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	conn := check.Value(pool.Acquire(t.Context()))(t)
	defer conn.Release()
	for _, sql := range statements {
		check.Value(conn.Exec(t.Context(), sql))(t)
		if testdb.Major(t, conn) < 15 {
			check.Value(conn.Exec(t.Context(), "SELECT pg_sleep(2)"))(t)
		} else {
			check.Value(conn.Exec(t.Context(), "SELECT pg_stat_force_next_flush()"))(t)
			check.Value(conn.Exec(t.Context(), "SELECT 1"))(t)
		}
	}
}

// warnings returns what was found with level warning or above, as the line that a
// baseline would have.
func warnings(found analyze.Findings) (lines []string) {
	for _, f := range found.AtLeast(schema.Warning) {
		lines = append(lines, f.ID+" "+f.Object)
	}
	return lines
}

// find returns the finding with an id about an object.
func find(t *testing.T, found analyze.Findings, id, object string) analyze.Finding {
	t.Helper()
	at := slices.IndexFunc(found, func(f analyze.Finding) bool { return f.ID == id && f.Object == object })
	if at < 0 {
		t.Fatalf("%s %s is not found, but\n%v", id, object, found)
	}
	return found[at]
}

// role makes a role that may read and nothing else, and returns a pool of it.
func role(t *testing.T, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	name := `"reader_` + strings.ReplaceAll(strings.ToLower(pool.Config().ConnConfig.Database), "-", "_") + `"`
	exec(t, pool, "CREATE ROLE "+name+" LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+name)
	ctx := context.WithoutCancel(t.Context())
	t.Cleanup(func() { _, _ = pool.Exec(ctx, "DROP OWNED BY "+name+"; DROP ROLE "+name) })
	config := pool.Config().Copy()
	config.ConnConfig.User = strings.Trim(name, `"`)
	reader := check.Value(pgxpool.NewWithConfig(t.Context(), config))(t)
	t.Cleanup(reader.Close)
	return reader
}
