package preload_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
)

// TestPlansOfOneKey loads for one parent until the server plans without values: it
// must not plan such a load anew each time.
func TestPlansOfOneKey(t *testing.T) {
	t.Parallel()
	type parent struct{ ID int64 }
	type child struct{ ID, ParentID int64 }
	parents := query.NewTable("parents", func(p *parent) *int64 { return &p.ID })
	children := query.NewTable("children", func(c *child) *int64 { return &c.ID })
	down := preload.HasMany(parents, children, func(c *child) *int64 { return &c.ParentID })
	pool := testdb.Pool(t, testdb.SQL("onekey", `CREATE TABLE parents (id bigint PRIMARY KEY);
		CREATE TABLE children (id bigint PRIMARY KEY, parent_id bigint NOT NULL);
		INSERT INTO children SELECT n, n % 1000 FROM generate_series(1, 5000) AS n;
		CREATE INDEX ON children (parent_id, id); ANALYZE children`))
	config := pool.Config().ConnConfig.Copy()
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	config.StatementCacheCapacity = 100
	conn := check.Value(pgx.ConnectConfig(t.Context(), config))(t)
	defer conn.Close(t.Context()) //nolint:errcheck // the test has ended
	for name, r := range map[string]preload.ToMany[parent, child]{
		"rows":         down,
		"limited rows": down.OrderBy(query.Col(func(c *child) *int64 { return &c.ID }).Desc()).Limit(3),
	} {
		check.NoError(t, conn.DeallocateAll(t.Context()))
		for id := range int64(10) {
			got := check.Value(r.Load(t.Context(), conn, []parent{{id + 1}}))(t)
			want := 5
			if name != "rows" {
				want = 3
			}
			check.Same(t, name, len(got[0]), want)
		}
		var generic bool
		check.NoError(t, conn.QueryRow(t.Context(),
			"SELECT max(generic_plans) > 0 FROM pg_prepared_statements WHERE statement LIKE '%children%' AND statement NOT LIKE '%pg_prepared%'").Scan(&generic))
		check.Same(t, name+": without values", generic, true)
	}
}
