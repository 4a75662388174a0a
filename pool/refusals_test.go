package pool_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// A server that refuses connections is dialled after pauses, whatever the callers
// do. The control is pgxpool.
func TestRefusedDialsPause(t *testing.T) {
	t.Parallel()
	const length = 500 * time.Millisecond
	dials := func(open func(func(*pgxpool.Config)) interface{ Ping(context.Context) error }) int64 {
		var refuse atomic.Bool
		var n atomic.Int64
		db := open(func(c *pgxpool.Config) {
			dial := c.ConnConfig.DialFunc
			c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
				if refuse.Load() {
					n.Add(1)
					return nil, errors.New("refused")
				}
				return dial(ctx, network, address)
			}
		})
		refuse.Store(true)
		var callers sync.WaitGroup
		end := time.Now().Add(length)
		for range 8 {
			callers.Go(func() {
				for time.Now().Before(end) {
					_ = db.Ping(t.Context())
				}
			})
		}
		callers.Wait()
		refuse.Store(false)
		check.NoError(t, db.Ping(t.Context()))
		return n.Load()
	}
	ours := dials(func(configure func(*pgxpool.Config)) interface{ Ping(context.Context) error } {
		return open(t, pool.Config{URL: url(t), MinConns: -1, Lazy: true, AcquireTimeout: testdb.Patience(5 * time.Second), Configure: configure})
	})
	theirs := dials(func(configure func(*pgxpool.Config)) interface{ Ping(context.Context) error } {
		return control(t, url(t), configure)
	})
	t.Logf("in %v: %d dials, pgxpool %d", length, ours, theirs)
	if ours > 30 {
		t.Errorf("%d dials in %v", ours, length)
	}
	if theirs < 100 {
		t.Errorf("control: pgxpool dialled %d times only", theirs)
	}
}

// Whoever waits for a server that is left alone for a while learns why, though the
// connection that it waits for was not dialled yet.
func TestCauseOfRefusedDials(t *testing.T) {
	t.Parallel()
	errRefused := errors.New("refused")
	var refuse atomic.Bool
	for what, c := range map[string]struct {
		acquire, caller time.Duration
		want            error
	}{
		"the pool's patience ends":    {5 * time.Millisecond, time.Minute, smrt.ErrConnectTimeout},
		"the caller's context ends":   {time.Minute, 5 * time.Millisecond, context.DeadlineExceeded},
		"the attempt itself is short": {time.Minute, time.Minute, errRefused},
	} {
		p := open(t, pool.Config{URL: url(t), MinConns: -1, Lazy: true, AcquireTimeout: c.acquire, Configure: func(cfg *pgxpool.Config) {
			dial := cfg.ConnConfig.DialFunc
			cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
				if refuse.Load() {
					return nil, errRefused
				}
				return dial(ctx, network, address)
			}
		}})
		refuse.Store(true)
		ping := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), c.caller)
			defer cancel()
			return p.Ping(ctx)
		}
		for start := time.Now(); !errors.Is(ping(), errRefused) && time.Since(start) < time.Minute; {
			// A slow machine takes longer to refuse the first attempt than anybody waits.
		}
		met := false
		for range 15 { // the pauses grow
			err := ping()
			check.Error(t, what, err, errRefused)
			met = met || errors.Is(err, c.want)
		}
		check.Same(t, what+": met", met, true)
		refuse.Store(false)
	}
}

// Where one of several servers is down for long, whoever reaches another one does
// not wait for ever longer pauses of the first.
func TestRefusalsOfOneOfSeveral(t *testing.T) {
	t.Parallel()
	dsn := url(t)
	var refused atomic.Int64
	p := open(t, pool.Config{URL: dsn, MaxConns: 1, MinConns: -1, Lazy: true, Configure: func(c *pgxpool.Config) {
		alive := *c.ConnConfig
		c.ConnConfig.Fallbacks = []*pgconn.FallbackConfig{{Host: alive.Host, Port: alive.Port}}
		c.ConnConfig.Host, c.ConnConfig.Port = "127.0.0.1", 1
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "127.0.0.1:1" {
				refused.Add(1)
				return nil, errors.New("refused")
			}
			return dial(ctx, network, address)
		}
	}})
	start := time.Now()
	for range 10 {
		check.NoError(t, p.Ping(t.Context()))
		p.Reset()
	}
	if refused.Load() < 10 {
		t.Fatalf("the dead server was dialled %d times", refused.Load())
	}
	if took := time.Since(start); took > testdb.Patience(time.Second) {
		t.Errorf("took %v", took)
	}
}
