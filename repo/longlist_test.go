package repo_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestLongListsArePlanned proves that a statement with a long list never runs by
// a plan that knows no list, however often it is sent, and that one with a short
// list is prepared.
func TestLongListsArePlanned(t *testing.T) {
	type parent struct{ ID int64 }
	db, ctx := testdb.Pool(t, clubSchema, testdb.MaxConns(1), testdb.ExecMode(pgx.QueryExecModeCacheStatement)), t.Context()
	id, n := query.Col(func(c *tally) *int64 { return &c.ID }), query.Col(func(c *tally) *int64 { return &c.N })
	r := repo.New(db, tallyTable)
	children := preload.HasMany(query.NewTable("parents", func(p *parent) *int64 { return &p.ID }), tallyTable, func(c *tally) *int64 { return &c.N })
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
		"load": func(ctx context.Context, vs []int64) error {
			parents := make([]parent, len(vs))
			for i, v := range vs {
				parents[i].ID = v
			}
			_, err := children.Load(ctx, db, parents)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				length int
				named  bool
			}{{2000, false}, {3, true}} {
				check.Value(db.Exec(ctx, "DEALLOCATE ALL"))(t)
				db.Reset()
				values := make([]int64, c.length)
				for i := range values {
					values[i] = int64(i + 1_000)
				}
				for range 7 {
					check.NoError(t, run(ctx, values))
				}
				check.Same(t, "prepared", prepared(t, db), c.named)
			}
		})
	}
}

// prepared reports whether the connection has prepared a statement with a list.
func prepared(t *testing.T, db *pgxpool.Pool) (found bool) {
	t.Helper()
	check.NoError(t, db.QueryRow(t.Context(), `SELECT EXISTS (SELECT 1 FROM pg_prepared_statements WHERE statement LIKE '%tallies%' AND statement ~ 'ANY|ALL' AND statement NOT LIKE '%pg_prepared%')`).Scan(&found))
	return found
}
