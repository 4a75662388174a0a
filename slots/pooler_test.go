package slots_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/slots"
)

// TestBehindPgBouncer fills slots behind a pooler that lends two connections to many clients
// for a transaction each: in the modes that prepare nothing for longer, and in the
// others where the pooler keeps what was prepared.
func TestBehindPgBouncer(t *testing.T) {
	t.Parallel()
	direct := testdb.Pool(t, filledShop)
	want := fmt.Sprint(ids(t, direct, latestByIt))
	for _, c := range []struct {
		mode pgx.QueryExecMode
		kept int
	}{
		{pgx.QueryExecModeCacheDescribe, 0},
		{pgx.QueryExecModeExec, 0},
		{pgx.QueryExecModeCacheDescribe, 200},
		{pgx.QueryExecModeCacheStatement, 200},
		{pgx.QueryExecModeDescribeExec, 200},
	} {
		t.Run(fmt.Sprint(c.mode, c.kept), func(t *testing.T) {
			b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{PoolSize: 2, MaxPreparedStatements: c.kept})
			cfg := check.Value(pgxpool.ParseConfig(b.DSN(direct.Config().ConnConfig.Database)))(t)
			cfg.ConnConfig.DefaultQueryExecMode, cfg.MaxConns = c.mode, 6
			pool := check.Value(pgxpool.NewWithConfig(t.Context(), cfg))(t)
			defer pool.Close()
			db := slots.On(pool, slots.For(shop.Orders, latest))
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					for range 10 {
						if got := fmt.Sprint(ids(t, db, listed, int64(7)), batched(t, db)); got != want+" "+want {
							t.Errorf("got %s, want %s twice", got, want)
						}
					}
				})
			}
			wg.Wait()
			pages(t, "PgBouncer", pool)
			tx := check.Value(pool.Begin(t.Context()))(t)
			check.Same(t, "in a transaction", fmt.Sprint(ids(t, slots.Tx(tx, slots.For(shop.Orders, latest)), listed, int64(7))), want)
			check.NoError(t, tx.Rollback(t.Context()))
		})
	}
}
