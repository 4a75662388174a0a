package repo_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestCaseInsensitiveText compares texts of type citext, which PostgreSQL does
// without regard to case.
func TestCaseInsensitiveText(t *testing.T) {
	type nickname struct {
		Name string
		Note string
	}
	name := query.TextCol(func(n *nickname) *string { return &n.Name })
	note := query.TextCol(func(n *nickname) *string { return &n.Note })
	table := query.NewTable("nicknames", func(n *nickname) *string { return &n.Name })
	for mode, opts := range map[string][]testdb.Option{"": nil, "exec": {testdb.ExecMode(pgx.QueryExecModeExec)}} {
		t.Run("mode "+mode, func(t *testing.T) {
			pool, ctx := testdb.Pool(t, testdb.Schema{}, opts...), t.Context()
			if _, err := pool.Exec(ctx, "CREATE EXTENSION citext"); err != nil {
				t.Skip("this PostgreSQL comes without citext: ", err)
			}
			_, err := pool.Exec(ctx, "CREATE TABLE nicknames (name citext PRIMARY KEY, note citext NOT NULL)")
			check.NoError(t, err)
			r := repo.New(pool, table)
			check.NoError(t, r.CreateMany(ctx, []nickname{{"Ann", "A"}, {"bob", "B"}}))
			count := func(p query.Predicate[nickname]) int64 { return check.Value(r.Count(ctx, query.Where(p)))(t) }
			check.Same(t, "eq", count(name.Eq("ANN")), 1)
			check.Same(t, "ne", count(note.Ne("a")), 1)
			check.Same(t, "in", count(note.In("a", "b")), 2)
			check.Same(t, "not in", count(note.NotIn("a", "c")), 1)
			check.Same(t, "prefix", count(name.HasPrefix("aN")), 1)
			check.Same(t, "get", check.Value(r.Get(ctx, "BOB"))(t).Name, "bob")
			n := nickname{"ANN", "new"}
			check.Same(t, "upsert", check.Value(r.Upsert(ctx, &n, query.OnConflict(name)))(t), repo.Updated)
			check.Same(t, "update many", check.Value(r.UpdateMany(ctx, []nickname{{"ann", "x"}, {"BOB", "y"}}))(t), 2)
			check.Same(t, "delete many", check.Value(r.DeleteMany(ctx, []string{"ANN", "none"}))(t), 1)
		})
	}
}
