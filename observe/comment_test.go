package observe_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
)

// TestComments: a text with a comment around it is the shape that it is without. The server
// prepares it once for each comment, so comments of a fixed set cost nothing, and one that is
// another for each call, such as the id of a trace, makes prepared statements of no use.
func TestComments(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, p := observedPool(t, observe.Config{}, 1)
	if p.Config().ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		t.Skip("nothing is prepared")
	}
	calls := 2000
	if check.Long() {
		calls = 1_000_000
	}
	prepared := func(comment func(i int) string, calls int) (n int) {
		o.Reset()
		for i := range calls {
			check.NoError(t, p.QueryRow(ctx, "SELECT 4711 + $1::int /* "+comment(i)+" */", i).Scan(new(int)))
		}
		shapes := 0
		for _, s := range o.Snapshot().Shapes {
			if s.SQL == "SELECT 4711 + $1::int" {
				shapes++
				check.Same(t, "calls of the shape", s.Calls, uint64(calls))
			}
		}
		check.Same(t, "shapes", shapes, 1)
		check.NoError(t, p.QueryRow(ctx, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT 4711%'").Scan(&n))
		return n
	}
	check.Same(t, "prepared for five comments", prepared(func(i int) string { return fmt.Sprint("op=", i%5) }, calls), 5)
	if n := prepared(func(i int) string { return fmt.Sprintf("traceparent='00-%032d-%016d-01'", i, i) }, 200); n < 200 {
		t.Errorf("%d statements are prepared for 200 comments", n)
	}
}
