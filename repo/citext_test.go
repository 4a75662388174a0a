package repo_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

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
	name := query.Text(func(n *nickname) *string { return &n.Name })
	note := query.Text(func(n *nickname) *string { return &n.Note })
	table := query.NewTable("nicknames", func(n *nickname) *string { return &n.Name })
	for mode, opts := range map[string][]testdb.Option{"": nil, "exec": {testdb.ExecMode(pgx.QueryExecModeExec)}} {
		t.Run("mode "+mode, func(t *testing.T) {
			pool, ctx := testdb.Pool(t, testdb.Schema{}, opts...), t.Context()
			if _, err := pool.Exec(ctx, "CREATE EXTENSION citext"); err != nil {
				t.Skip("this PostgreSQL comes without citext: ", err)
			}
			_, err := pool.Exec(ctx, "CREATE TABLE nicknames (name citext PRIMARY KEY, note citext NOT NULL)")
			noError(t, err)
			r := repo.New(pool, table)
			noError(t, r.CreateMany(ctx, []nickname{{"Ann", "A"}, {"bob", "B"}}))
			count := func(p query.Predicate[nickname]) int64 { return value1(r.Count(ctx, query.Where(p)))(t) }
			wantSame(t, "eq", count(name.Eq("ANN")), 1)
			wantSame(t, "ne", count(note.Ne("a")), 1)
			wantSame(t, "in", count(note.In("a", "b")), 2)
			wantSame(t, "not in", count(note.NotIn("a", "c")), 1)
			wantSame(t, "prefix", count(name.HasPrefix("aN")), 1)
			wantSame(t, "get", value1(r.Get(ctx, "BOB"))(t).Name, "bob")
			n := nickname{"ANN", "new"}
			wantSame(t, "upsert", value1(r.Upsert(ctx, &n, query.OnConflict(name)))(t), repo.Updated)
			wantSame(t, "update many", value1(r.UpdateMany(ctx, []nickname{{"ann", "x"}, {"BOB", "y"}}))(t), 2)
			wantSame(t, "delete many", value1(r.DeleteMany(ctx, []string{"ANN", "none"}))(t), 1)
		})
	}
}
