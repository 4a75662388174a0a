package shop_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/shop/seed"
	"github.com/smrt-go/smrt/internal/shop/shopdb"
	"github.com/smrt-go/smrt/internal/testdb"
)

// stocked is a shop large enough for the planner to weigh its indexes.
var stocked = testdb.Schema{Name: "stocked shop", Apply: func(ctx context.Context, dsn string) error {
	if err := shop.Migrate(ctx, dsn); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = seed.Load(ctx, pool, seed.Size{Products: 5000, Customers: 2000, Orders: 10_000, Carts: 2000})
	return err
}}

// planned has each query's text and arguments as a caller would give them.
var planned = map[string]struct {
	sql  string
	args []any
}{
	"SearchProducts":     {shopdb.SearchProducts, []any{"kettle steel", 20}},
	"SearchFacets":       {shopdb.SearchFacets, []any{"kettle steel"}},
	"CategoryTree":       {shopdb.CategoryTree, []any{1}},
	"CategoryCounts":     {shopdb.CategoryCounts, []any{[]int64{1}}},
	"BoughtTogether":     {shopdb.BoughtTogether, []any{10, 1, 100}},
	"UpdatePrices":       {shopdb.UpdatePrices, []any{"sale", []int64{1, 2}, []int64{3, 4}}},
	"ProductRatings":     {shopdb.ProductRatings, []any{[]int64{1, 2, 3}}},
	"ReserveStock":       {shopdb.ReserveStock, []any{1, 2}},
	"LowInventory":       {shopdb.LowInventory, []any{20}},
	"OrderSummaries":     {shopdb.OrderSummaries, []any{[]int64{1, 2, 3}}},
	"ListOrders":         {shopdb.ListOrders, nil},
	"AnyOrderWaiting":    {shopdb.AnyOrderWaiting, []any{"delivered", seed.Epoch}},
	"TopSellers":         {shopdb.TopSellers, []any{3, seed.Epoch.AddDate(0, 0, -3), seed.Epoch}},
	"CustomerCohorts":    {shopdb.CustomerCohorts, []any{seed.Epoch.AddDate(-1, 0, 0)}},
	"DailyRevenue":       {shopdb.DailyRevenue, []any{seed.Epoch.AddDate(0, 0, -7), seed.Epoch}},
	"MergeCarts":         {shopdb.MergeCarts, []any{pgtype.UUID{Valid: true}, pgtype.UUID{Valid: true}}},
	"DeleteExpiredCarts": {shopdb.DeleteExpiredCarts, []any{seed.Epoch, 10}},
}

// skips names the index that a server since 18 may use for another one: it skips over the few values of a first column
// that is in no condition.
var skips = map[string]string{"orders_placed_at_idx": "orders_status_idx"}

// The comment of each query names the indexes it relies on; this asks the planner whether it agrees.
func TestQueriesUseTheIndexesTheyName(t *testing.T) {
	t.Parallel()
	db := testdb.Pool(t, stocked)
	named, major := namedIndexes(t), testdb.Major(t, db)
	for name := range named {
		if planned[name].sql == "" {
			t.Errorf("%s is not planned here", name)
		}
	}
	for name, query := range planned {
		t.Run(name, func(t *testing.T) {
			if len(named[name]) == 0 {
				t.Fatal("its comment names no index")
			}
			plan := explain(t, db, query.sql, query.args)
			for _, index := range named[name] {
				if instead := skips[index]; major >= 18 && instead != "" && strings.Contains(plan, instead) {
					continue
				}
				if !strings.Contains(plan, index) {
					t.Errorf("%s is not used:\n%s", index, plan)
				}
			}
		})
	}
}

// explain returns the plan of a query on a server that reads a whole table only where it must.
func explain(t *testing.T, db *pgxpool.Pool, sql string, args []any) string {
	t.Helper()
	tx := must(db.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(t.Context()) }()
	// The tables are small enough to be read as a whole with profit; those of a real shop are not.
	if _, err := tx.Exec(t.Context(), "SET LOCAL enable_seqscan = off"); err != nil {
		t.Fatal(err)
	}
	rows := must(tx.Query(t.Context(), "EXPLAIN "+sql, args...))(t)
	return strings.Join(must(pgx.CollectRows(rows, pgx.RowTo[string]))(t), "\n")
}

// namedIndexes reads the indexes from the comments in queries/*.sql.
func namedIndexes(t *testing.T) map[string][]string {
	t.Helper()
	header := regexp.MustCompile(`(?m)^-- name: (\w+) :\w+\n((?:--.*\n)+)`)
	line := regexp.MustCompile(`(?s)-- Index(?:es)?: (.*)`)
	index := regexp.MustCompile(`\w+_(?:idx|key|pkey)\b`)

	named := make(map[string][]string)
	files := must(filepath.Glob("../../queries/*.sql"))(t)
	for _, file := range files {
		text := must(os.ReadFile(file))(t)
		for _, match := range header.FindAllStringSubmatch(string(text), -1) {
			named[match[1]] = nil
			if found := line.FindStringSubmatch(match[2]); found != nil {
				named[match[1]] = index.FindAllString(found[1], -1)
			}
		}
	}
	if len(named) < 10 {
		t.Fatalf("only %d queries in %q", len(named), files)
	}
	return named
}
