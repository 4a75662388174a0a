package repo_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// TestLongListsArePlanned proves that a statement with a long list never runs by
// a plan that knows no list, however often it is sent, and that one with a short
// list is prepared.
func TestLongListsArePlanned(t *testing.T) {
	db, ctx := testdb.Pool(t, clubSchema, testdb.MaxConns(1), testdb.ExecMode(pgx.QueryExecModeCacheStatement)), t.Context()
	id, n := query.Col(func(c *tally) *int64 { return &c.ID }), query.Col(func(c *tally) *int64 { return &c.N })
	r := repo.New(db, tallyTable)
	for name, run := range map[string]func(context.Context, []int64) error{
		"In": func(ctx context.Context, vs []int64) error {
			_, err := r.Find(ctx, query.Where(n.In(vs...)))
			return err
		},
		"NotIn": func(ctx context.Context, vs []int64) error {
			_, err := r.Count(ctx, query.Where(n.NotIn(vs...)))
			return err
		},
		"UpdateWhere": func(ctx context.Context, vs []int64) error {
			_, err := r.UpdateWhere(ctx, query.Where(n.In(vs...)), id.Set(1))
			return err
		},
		"load": func(ctx context.Context, vs []int64) error { return loadTallies(ctx, db, vs) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				length int
				named  bool
			}{{2000, false}, {3, true}} {
				check.Value(db.Exec(ctx, "DEALLOCATE ALL"))(t)
				db.Reset()
				for range 7 {
					check.NoError(t, run(ctx, listOf(c.length)))
				}
				check.Same(t, "prepared", prepared(t, db), c.named)
			}
		})
	}
}

// TestLongListsInPipelines proves that statements of pipelines with a long list
// are planned for it, and that the way that was set to plan comes back.
func TestLongListsInPipelines(t *testing.T) {
	db := testdb.Pool(t, clubSchema, testdb.MaxConns(1), testdb.ExecMode(pgx.QueryExecModeCacheStatement), testdb.Configure(func(cfg *pgxpool.Config) {
		cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	}))
	n := query.Col(func(c *tally) *int64 { return &c.N })
	pipeline := func(ctx context.Context, db smrt.DB, values []int64) error {
		find := func(ctx context.Context, db smrt.DB) error {
			_, err := repo.New(db, tallyTable).Find(ctx, query.Where(n.In(values...)))
			return err
		}
		return txn.Pipeline(ctx, db, find, func(ctx context.Context, db smrt.DB) error { return repo.New(db, tallyTable).Patch(ctx, 1, n.Set(7)) }, find)
	}
	inTransaction := func(run func(context.Context, smrt.DB, []int64) error) func(context.Context, smrt.DB, []int64) error {
		return func(ctx context.Context, _ smrt.DB, values []int64) error {
			return txn.Run(ctx, db, func(ctx context.Context, tx pgx.Tx) error {
				err := run(ctx, tx, values)
				check.Same(t, "in the transaction", setting(ctx, t, tx), "force_generic_plan")
				return err
			})
		}
	}
	for name, run := range map[string]func(context.Context, smrt.DB, []int64) error{
		"pipeline":                  pipeline,
		"pipeline in a transaction": inTransaction(pipeline),
		"load in a transaction":     inTransaction(loadTallies),
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				length  int
				generic bool
			}{{2000, false}, {3, true}} {
				check.Value(db.Exec(t.Context(), "DEALLOCATE ALL"))(t)
				db.Reset()
				check.NoError(t, run(t.Context(), db, listOf(c.length)))
				var generic bool
				check.NoError(t, db.QueryRow(t.Context(), "SELECT sum(generic_plans) > 0 FROM pg_prepared_statements WHERE statement LIKE '%FROM _tallies_%ANY%' AND statement NOT LIKE '%pg_prepared%'").Scan(&generic))
				check.Same(t, "planned without the list", generic, c.generic)
			}
			check.Same(t, "in the session", setting(t.Context(), t, db), "force_generic_plan")
		})
	}
}

// listOf returns some numbers.
func listOf(length int) []int64 {
	values := make([]int64, length)
	for i := range values {
		values[i] = int64(i + 1_000)
	}
	return values
}

// loadTallies loads those with a number.
func loadTallies(ctx context.Context, db smrt.DB, numbers []int64) error {
	type parent struct{ ID int64 }
	children := preload.HasMany(query.NewTable("parents", func(p *parent) *int64 { return &p.ID }), tallyTable, func(c *tally) *int64 { return &c.N })
	parents := make([]parent, len(numbers))
	for i, n := range numbers {
		parents[i].ID = n
	}
	_, err := children.Load(ctx, db, parents)
	return err
}

// setting returns how statements are planned.
func setting(ctx context.Context, t *testing.T, db smrt.DB) (mode string) {
	t.Helper()
	check.NoError(t, db.QueryRow(ctx, "SHOW plan_cache_mode").Scan(&mode))
	return mode
}

// prepared reports whether the connection has prepared a statement with a list.
func prepared(t *testing.T, db *pgxpool.Pool) (found bool) {
	t.Helper()
	check.NoError(t, db.QueryRow(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_prepared_statements WHERE statement LIKE '%tallies%' AND statement ~ 'ANY|ALL' AND statement NOT LIKE '%pg_prepared%')`).Scan(&found))
	return found
}
