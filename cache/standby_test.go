package cache_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// TestCommitThatWaitsForAStandby loses the connection of a COMMIT that waits for a
// synchronous standby: it is on the disk, and nobody sees it yet. What is read meanwhile is
// old, and must not be kept.
func TestCommitThatWaitsForAStandby(t *testing.T) {
	server := testdb.Primary(t, testdb.Config{Settings: map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"}})
	check.NoError(t, server.CreateDatabase(t.Context(), "market", ""))
	check.NoError(t, market.Apply(t.Context(), server.DSN("market")))
	open := func(configure func(*pgxpool.Config)) *pgxpool.Pool {
		cfg := check.Value(pgxpool.ParseConfig(server.DSN("market")))(t)
		configure(cfg)
		pool := check.Value(pgxpool.NewWithConfig(t.Context(), cfg))(t)
		t.Cleanup(pool.Close)
		return pool
	}
	var wire atomic.Pointer[net.Conn] // of the writer
	f := &fixture{tb: t, ctx: t.Context(), count: &testdb.Counter{}}
	f.pool, f.other = open(f.count.Attach), open(func(*pgxpool.Config) {})
	writer := open(func(cfg *pgxpool.Config) {
		cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
		dial := cfg.ConnConfig.DialFunc
		cfg.MaxConns = 1
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			if wire.Load() != nil { // a request to cancel would end the wait
				return nil, net.ErrClosed
			}
			conn, err := dial(ctx, network, address)
			if err == nil {
				wire.Store(&conn)
			}
			return conn, err
		}
	})
	f.exec("INSERT INTO stalls (id, name) VALUES (1, 'a')")
	f.cache = check.Value(cache.New(cache.Config{}, cache.Of(stalls)))(t)
	t.Cleanup(f.cache.Close)
	check.NoError(t, f.cache.Attach(f.ctx, f.pool))
	f.stalls = repo.New(f.pool, stalls)

	waiting := func() bool { return f.n("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") > 0 }
	rounds := int64(2)
	if check.Long() {
		rounds = 50
	}
	for n := int64(1); n <= rounds; n++ {
		check.Same(t, "kept", check.Value(f.stalls.Get(f.ctx, 1))(t).N, n-1)
		check.NoError(t, writer.Ping(f.ctx))
		lost := make(chan struct{})
		go func() {
			defer close(lost)
			f.until("it waits", waiting)
			_ = (*wire.Load()).Close()
		}()
		err := txn.Run(f.ctx, writer, func(ctx context.Context, tx pgx.Tx) error {
			return repo.New(tx, stalls).Patch(ctx, 1, stallN.Set(n))
		})
		check.Error(t, "a commit that waits", err, smrt.ErrCommitUnknown)
		<-lost
		check.Same(t, "it waits", waiting(), true)
		wire.Store(nil)
		for range 2 {
			check.Same(t, "not visible yet", check.Value(f.stalls.Get(f.ctx, 1))(t).N, n-1)
		}
		f.exec("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") // which ends the wait
		f.until("it takes effect", func() bool { return f.n("SELECT n FROM stalls WHERE id = 1") == n })
		check.Same(t, "visible", check.Value(f.stalls.Get(f.ctx, 1))(t).N, n)
	}
}
