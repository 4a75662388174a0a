package cache_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestRowsThatDoNotFit reads a value that an integer takes in binary form and not as the
// text 1.00. A read without a cache asks for it again, in another form.
func TestRowsThatDoNotFit(t *testing.T) {
	type amount struct{ ID, N int64 }
	n := query.Col(func(a *amount) *int64 { return &a.N })
	amounts := query.NewTable("amounts", func(a *amount) *int64 { return &a.ID }, query.KeyByClient[amount]())
	market := testdb.SQL("amounts", "CREATE TABLE amounts (id bigint PRIMARY KEY, n numeric(9,2) NOT NULL); INSERT INTO amounts VALUES (1, 5), (2, 6)")
	pool := testdb.Pool(t, market, testdb.ExecMode(pgx.QueryExecModeExec))
	c := check.Value(cache.New(cache.Config{}, cache.Of(amounts)))(t)
	defer c.Close()
	check.NoError(t, c.Attach(t.Context(), pool))
	of := repo.New(pool, amounts)
	for range 3 { // missed, and kept
		check.Same(t, "n", check.Value(of.Get(t.Context(), 1))(t).N, 5)
		many := check.Value(of.GetMany(t.Context(), []int64{2, 1, 3}))(t)
		check.Same(t, "many", many[0].N+many[1].N, 11)
		check.Same(t, "nobody", many[2], nil)
	}
	check.NoError(t, of.Patch(t.Context(), 1, n.Set(7)))
	check.Same(t, "written", check.Value(of.Get(t.Context(), 1))(t).N, 7)
}
