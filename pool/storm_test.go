package pool_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// storm is many calls, some of which are given up before they end, on a small
// pool.
type storm struct {
	slow int  // one call in so many takes too long
	deaf bool // requests to cancel are lost, and slow statements very slow

	calls, ended, cancelled, stray, failed atomic.Int64
	dials                                  atomic.Int64
	most                                   int // processes of the server at a time

	enough func() bool // whether it has seen what it is for, nil for yes
}

const (
	stormCallers = 40
	stormConns   = 4
	stormMost    = 5 // a quarter more
)

// configure counts the connections that a pool dials, and not its requests to
// cancel.
func (s *storm) configure(c *pgxpool.Config) {
	c.ConnConfig.RuntimeParams["application_name"] = "storm"
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &stormConn{Conn: conn, storm: s}, nil
	}
}

type stormConn struct {
	net.Conn
	storm   *storm
	started bool
}

func (c *stormConn) Write(b []byte) (int, error) {
	first := !c.started
	c.started = true
	switch {
	case !first:
	case !isCancelRequest(b):
		c.storm.dials.Add(1)
	case c.storm.deaf:
		return len(b), c.Conn.Close()
	}
	return c.Conn.Write(b)
}

func (c *stormConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, net.ErrClosed) {
		err = io.EOF
	}
	return n, err
}

// isCancelRequest reports whether b is a request to cancel: it has a length and a
// code of its own.
func isCancelRequest(b []byte) bool {
	return len(b) == 16 && b[4] == 0x04 && b[5] == 0xd2 && b[6] == 0x16 && b[7] == 0x2e
}

// run calls db until the time is over and enough calls were made, and watches
// the server.
func (s *storm) run(t *testing.T, url string, db smrt.DB, length time.Duration, calls int) {
	t.Helper()
	eye := check.Value(pgx.Connect(context.Background(), url))(t)
	defer eye.Close(context.Background())
	var callers sync.WaitGroup
	end, latest := time.Now().Add(length), time.Now().Add(testdb.Patience(length))
	for range stormCallers {
		callers.Go(func() {
			for n := 1; time.Now().Before(end) || s.calls.Load() < int64(calls) || s.lacks() && time.Now().Before(latest); n++ {
				s.call(db, n)
			}
		})
	}
	done := make(chan struct{})
	go func() { callers.Wait(); close(done) }()
	for over := false; !over; {
		var n int
		check.NoError(t, eye.QueryRow(context.Background(),
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'storm'").Scan(&n))
		s.most = max(s.most, n)
		select {
		case <-done:
			over = true
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (s *storm) lacks() bool { return s.enough != nil && !s.enough() }

// call gives up a slow statement after 30 ms. A fast one has all the time that
// it needs, so that whatever goes wrong is not its own doing.
func (s *storm) call(db smrt.DB, n int) {
	s.calls.Add(1)
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	sql := "SELECT name FROM items WHERE id = $1"
	if n%s.slow == 0 {
		ctx, cancel = context.WithTimeout(ctx, 30*time.Millisecond)
		sql = "SELECT pg_sleep(0.2)::text FROM items WHERE id = $1"
		if s.deaf {
			sql = "SELECT pg_sleep(1.5)::text FROM items WHERE id = $1"
		}
	}
	defer cancel()
	var text string
	err := db.QueryRow(ctx, sql, 1).Scan(&text)
	var pg *pgconn.PgError
	switch {
	case err == nil:
		s.ended.Add(1)
	case ctx.Err() != nil:
		s.cancelled.Add(1)
	case errors.As(err, &pg) && pg.Code == "57014":
		s.stray.Add(1)
	default:
		s.failed.Add(1)
	}
}

func (s *storm) log(t *testing.T, name string) {
	t.Helper()
	t.Logf("%s: %d calls, %d ended, %d given up, %d hit by a cancellation of another, %d failed; %d dials, at most %d processes",
		name, s.calls.Load(), s.ended.Load(), s.cancelled.Load(), s.stray.Load(), s.failed.Load(), s.dials.Load(), s.most)
}

// Calls that are given up neither open connections nor end other calls.
func TestDialsAreBounded(t *testing.T) {
	dsn := url(t)
	length := size(1500*time.Millisecond, 10*time.Second)

	ours := storm{slow: 100}
	p := open(t, pool.Config{URL: dsn, MaxConns: stormConns, MinConns: -1, AcquireTimeout: -1, Configure: ours.configure})
	ours.run(t, dsn, p, length, size(10_000, 100_000))
	ours.log(t, "pool")
	if n := ours.dials.Load(); n > 2*stormConns {
		t.Errorf("%d connections were opened, want %d at most", n, 2*stormConns)
	}
	if ours.most > stormMost {
		t.Errorf("the server had %d processes, want %d at most", ours.most, stormMost)
	}
	check.Same(t, "calls hit by a cancellation of another", ours.stray.Load(), 0)
	check.Same(t, "calls that failed", ours.failed.Load(), 0)
	if ours.cancelled.Load() == 0 {
		t.Error("no call was given up")
	}

	theirs := storm{slow: 100}
	theirs.enough = func() bool { return theirs.dials.Load() > 2*stormConns }
	theirs.run(t, dsn, control(t, dsn, func(c *pgxpool.Config) { c.MaxConns = stormConns; theirs.configure(c) }), length, 0)
	theirs.log(t, "pgxpool")
	if n := theirs.dials.Load(); n <= 2*stormConns {
		t.Errorf("control: pgxpool opened %d connections only", n)
	}
}

// Statements that are given up just when they end hit no transaction and no batch
// of others, which are not run again. TestHeldRequests does so without luck, and is
// the control: a mutant that does not wait fails it.
func TestStormHitsNoTransaction(t *testing.T) {
	dsn := url(t)
	p := open(t, pool.Config{URL: dsn, MaxConns: stormConns, MinConns: -1, AcquireTimeout: -1})
	var given, innocent, hit atomic.Int64
	var callers sync.WaitGroup
	end := time.Now().Add(size(2*time.Second, 30*time.Second))
	for i := range stormCallers {
		callers.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				var err error
				switch {
				case i%2 == 0:
					ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
					if _, err := p.Exec(ctx, "SELECT pg_sleep(0.003)"); err != nil {
						given.Add(1)
					}
					cancel()
					continue
				case n%2 == 0:
					err = pgx.BeginFunc(context.Background(), p, func(tx pgx.Tx) error {
						_, err := tx.Exec(context.Background(), "SELECT pg_sleep(0.001)")
						return err
					})
				default:
					batch := &pgx.Batch{}
					batch.Queue("SELECT pg_sleep(0.001)")
					batch.Queue("SELECT 1")
					err = p.SendBatch(context.Background(), batch).Close()
				}
				innocent.Add(1)
				if err != nil {
					hit.Add(1)
				}
			}
		})
	}
	callers.Wait()
	t.Logf("%d statements given up; %d transactions and batches of others, %d of them failed", given.Load(), innocent.Load(), hit.Load())
	check.Same(t, "transactions and batches that were hit", hit.Load(), 0)
	check.Same(t, "statements were given up", given.Load() > 0, true)
}

// Where the server does not cancel in time, connections have to be closed, and
// no more are opened than it has closed. The control is in
// TestHijackedConnectionsCount.
func TestServerThatDoesNotCancel(t *testing.T) {
	dsn := url(t)
	length := size(1500*time.Millisecond, 10*time.Second)

	ours := storm{slow: 2, deaf: true}
	ours.enough = func() bool { return ours.dials.Load() > stormMost }
	p := open(t, pool.Config{URL: dsn, MaxConns: stormConns, MinConns: -1, AcquireTimeout: -1, Configure: ours.configure})
	ours.run(t, dsn, p, length, 0)
	ours.log(t, "pool")
	if ours.most > stormMost {
		t.Errorf("the server had %d processes, want %d at most", ours.most, stormMost)
	}
	if n := ours.dials.Load(); n <= stormMost {
		t.Errorf("only %d connections were opened: none was closed", n)
	}
}

// Connections that somebody keeps are bounded as well.
func TestHijackedConnectionsCount(t *testing.T) {
	t.Parallel()
	dsn := url(t)
	hijack := func(db smrt.Pool, n int) (err error) {
		for range n {
			c, err := db.Acquire(context.Background())
			if err != nil {
				return err
			}
			conn := c.Hijack()
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
		}
		return nil
	}
	p := open(t, pool.Config{URL: dsn, MaxConns: stormConns, MinConns: -1, AcquireTimeout: testdb.Patience(200 * time.Millisecond)})
	check.NoError(t, hijack(p, stormMost))
	err := hijack(p, 1)
	check.Error(t, "one more", err, smrt.ErrPoolExhausted)
	check.Same(t, "says why", strings.Contains(err.Error(), "not closed enough"), true)
	if s := p.Stats(); s.OnServer != stormMost || s.MaxOnServer != stormMost || s.DialsWaited != 1 {
		t.Errorf("statistics: %+v", s)
	}
	check.NoError(t, hijack(control(t, dsn, func(c *pgxpool.Config) { c.MaxConns = stormConns }), stormMost+1))
}
