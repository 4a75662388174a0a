package pool_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// redial opens another connection to where one leads.
type redial = func() (net.Conn, error)

// wrapDials lets connections be what wrap makes of them.
func wrapDials(c *pgxpool.Config, wrap func(net.Conn, redial) net.Conn) {
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return wrap(conn, func() (net.Conn, error) { return net.Dial(network, address) }), nil
	}
}

// lateCancels makes requests to cancel arrive late, as on a busy network. Their
// connections are closed when they have arrived, and not before.
type lateCancels struct {
	delay time.Duration
}

func (l *lateCancels) configure(c *pgxpool.Config) {
	c.MaxConns = 1
	wrapDials(c, func(conn net.Conn, _ redial) net.Conn { return &lateConn{Conn: conn, of: l} })
}

type lateConn struct {
	net.Conn
	of *lateCancels
}

func (c *lateConn) Write(b []byte) (int, error) {
	if !isCancelRequest(b) {
		return c.Conn.Write(b)
	}
	if c.of.delay != lost {
		time.AfterFunc(c.of.delay, func() { _, _ = c.Conn.Write(b) })
	}
	return len(b), nil
}

// lost is the delay of requests that never arrive.
const lost = -1

// aimedCancels keeps requests to cancel until another statement runs than the one
// that they are meant for. Who sent a request is told at once that it has arrived,
// as by something in between that does not wait for the server.
type aimedCancels struct {
	eye   *pgx.Conn // sees what the server runs
	given int       // statements that failed, whose connections may have been closed

	mu   sync.Mutex
	kept []func()
}

func aim(t *testing.T) *aimedCancels {
	a := &aimedCancels{eye: check.Value(pgx.Connect(t.Context(), url(t)))(t)}
	t.Cleanup(func() { _ = a.eye.Close(context.Background()) })
	return a
}

func (a *aimedCancels) configure(c *pgxpool.Config) {
	c.MaxConns = 1
	wrapDials(c, func(conn net.Conn, redial redial) net.Conn { return &aimedConn{Conn: conn, of: a, redial: redial} })
}

// take returns the requests that are kept, and keeps them no more.
func (a *aimedCancels) take() []func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept := a.kept
	a.kept = nil
	return kept
}

type aimedConn struct {
	net.Conn
	of     *aimedCancels
	redial redial
	asked  bool
}

func (c *aimedConn) Read(b []byte) (int, error) {
	if c.asked {
		return 0, io.EOF
	}
	return c.Conn.Read(b)
}

// Write keeps a request, which goes on a connection of its own, whatever becomes of
// this one.
func (c *aimedConn) Write(b []byte) (int, error) {
	if !isCancelRequest(b) {
		return c.Conn.Write(b)
	}
	c.asked = true
	request := append([]byte(nil), b...)
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.kept = append(c.of.kept, func() {
		if late, err := c.redial(); err == nil {
			_, _ = late.Write(request)
			_, _ = late.Read(make([]byte, 1)) // until the server has taken it
			late.Close()
		}
	})
	return len(b), nil
}

// hit runs a statement that ends before its request to cancel arrives, and then a
// victim, whose text is sql, which the request meets. It repeats that until the
// victim was met: it failed, or was run again.
func (a *aimedCancels) hit(t *testing.T, db smrt.DB, database, sql string, strays func() int64, victim func() error) error {
	t.Helper()
	for end := time.Now().Add(testdb.Patience(20 * time.Second)); time.Now().Before(end); {
		a.take()
		before := strays()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_, given := db.Exec(ctx, "SELECT pg_sleep(0.07)")
		cancel()
		if given != nil {
			a.given++
			continue
		}
		var sender sync.WaitGroup
		ended, done := context.WithCancel(t.Context())
		sender.Go(func() { a.send(ended, database, sql) })
		err := victim()
		done()
		sender.Wait()
		if err != nil || strays() != before {
			return err
		}
	}
	t.Fatal("no statement was hit")
	return nil
}

// send sends what is kept once the server runs sql, unless that has ended.
func (a *aimedCancels) send(ended context.Context, database, sql string) {
	const runs = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = $1 AND query = $2 AND state = 'active'"
	for there := false; ended.Err() == nil; {
		if err := a.eye.QueryRow(context.Background(), runs, database, sql).Scan(&there); err != nil || !there {
			continue
		}
		for _, request := range a.take() {
			request()
		}
		return
	}
}

const victimSQL = "SELECT 7 FROM pg_sleep(0.6)"

// A request that is late meets nobody: the connection is lent again when the
// server has closed that of the request, or is closed. The control is that of
// TestStrayCancellation.
func TestLateRequestsMeetNobody(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		delay time.Duration
		dials int64
	}{
		"within the time of a statement": {200 * time.Millisecond, 1},
		"later":                          {900 * time.Millisecond, 1},
		"never":                          {lost, 2},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			late := lateCancels{delay: c.delay}
			p := open(t, pool.Config{URL: url(t), MinConns: -1, AcquireTimeout: testdb.Patience(10 * time.Second), Configure: late.configure})
			met := false
			for end := time.Now().Add(testdb.Patience(20 * time.Second)); !met && time.Now().Before(end); {
				check.NoError(t, p.Ping(t.Context()))
				before := p.Stats().Dials
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				_, err := p.Exec(ctx, "SELECT pg_sleep(0.07)")
				met = err == nil && ctx.Err() != nil // it was too late for its statement
				cancel()
				check.NoError(t, pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(), victimSQL)
					return err
				}))
				batch := &pgx.Batch{}
				batch.Queue(victimSQL)
				check.NoError(t, p.SendBatch(t.Context(), batch).Close())
				if met {
					check.Same(t, "dials", p.Stats().Dials-before, c.dials-1)
				}
			}
			check.Same(t, "a statement that ended before its request came", met, true)
			check.Same(t, "run again", p.Stats().Strays, 0)
		})
	}
}

// heldCancels keeps requests to cancel until a given text is sent.
type heldCancels struct {
	until string
	sent  chan struct{} // closed when it is
	once  sync.Once
}

func (h *heldCancels) configure(c *pgxpool.Config) {
	wrapDials(c, func(conn net.Conn, redial redial) net.Conn { return &heldConn{Conn: conn, of: h, redial: redial} })
}

type heldConn struct {
	net.Conn
	of     *heldCancels
	redial redial
}

func (c *heldConn) Write(b []byte) (int, error) {
	if isCancelRequest(b) {
		request := append([]byte(nil), b...)
		go func() {
			<-c.of.sent
			if late, err := c.redial(); err == nil {
				_, _ = late.Write(request)
				_, _ = late.Read(make([]byte, 1)) // until the server has taken it
				late.Close()
			}
		}()
		return len(b), nil
	}
	n, err := c.Conn.Write(b)
	if bytes.Contains(b, []byte(c.of.until)) {
		c.of.once.Do(func() { close(c.of.sent) })
	}
	return n, err
}

// A request that would arrive as soon as the connection is used by somebody else
// never does, because nobody else is lent the connection.
func TestHeldRequests(t *testing.T) {
	t.Parallel()
	for what, innocent := range map[string]func(*pool.Pool) error{
		"transaction": func(p *pool.Pool) error {
			return pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), victimSQL)
				return err
			})
		},
		"batch": func(p *pool.Pool) error {
			batch := &pgx.Batch{}
			batch.Queue(victimSQL)
			return p.SendBatch(t.Context(), batch).Close()
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for end := time.Now().Add(testdb.Patience(20 * time.Second)); ; {
				held := heldCancels{until: victimSQL, sent: make(chan struct{})}
				p := open(t, pool.Config{
					URL: url(t), MaxConns: 1, MinConns: -1, AcquireTimeout: testdb.Patience(10 * time.Second), Configure: held.configure,
				})
				check.NoError(t, p.Ping(t.Context()))
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				_, err := p.Exec(ctx, "SELECT pg_sleep(0.07)")
				given := ctx.Err() != nil
				cancel()
				check.NoError(t, innocent(p))
				if err == nil && given { // the request was too late for its statement
					return
				}
				if time.Now().After(end) {
					t.Fatalf("no statement ended before its request: %v", err)
				}
			}
		})
	}
}

// A statement that is hit by the cancellation of an earlier one is run again.
func TestStrayCancellation(t *testing.T) {
	t.Parallel()
	late := aim(t)
	p := open(t, pool.Config{URL: url(t), MinConns: -1, Configure: late.configure})
	strays := func() int64 { return p.Stats().Strays }
	var got int
	victims := map[string]func() error{
		"QueryRow": func() error { return p.QueryRow(t.Context(), victimSQL).Scan(&got) },
		"Query": func() error {
			rows, _ := p.Query(t.Context(), victimSQL)
			_, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
			return err
		},
		"Query, closed unread": func() error {
			rows, _ := p.Query(t.Context(), victimSQL)
			rows.Close()
			return rows.Err()
		},
		"Exec": func() error { _, err := p.Exec(t.Context(), victimSQL); return err },
	}
	for name, victim := range victims {
		before := p.Stats().Strays
		if err := late.hit(t, p, p.Config().ConnConfig.Database, victimSQL, strays, victim); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.Stats().Strays == before {
			t.Errorf("%s: was not run again", name)
		}
	}
	check.Same(t, "value", got, 7)
	if dials := p.Stats().Dials; dials > int64(2+late.given) { // one of them to find out about the server
		t.Errorf("%d dials, %d statements failed", dials, late.given)
	}

	c := control(t, url(t), func(c *pgxpool.Config) {
		late.configure(c)
		c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 500 * time.Millisecond}
		}
	})
	none := func() int64 { return 0 }
	err := late.hit(t, c, c.Config().ConnConfig.Database, victimSQL, none, func() error { _, err := c.Exec(t.Context(), victimSQL); return err })
	if !isCancelled(err) {
		t.Errorf("control: pgxpool answers %v", err)
	}
}

func isCancelled(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "57014"
}

// What may have had an effect is not run again, nor what was cancelled for
// another reason.
func TestCancelledForGood(t *testing.T) {
	t.Parallel()
	late := aim(t)
	dsn := url(t)
	p := open(t, pool.Config{URL: dsn, MinConns: -1, Configure: late.configure})
	ctx, database := t.Context(), p.Config().ConnConfig.Database
	strays := func() int64 { return p.Stats().Strays }

	_, err := p.Exec(ctx, "ALTER DATABASE "+database+" SET statement_timeout = '250ms'")
	check.NoError(t, err)
	p.Reset()
	// The guard waits for a cancellation that does not come.
	for end := time.Now().Add(testdb.Patience(10 * time.Second)); ; {
		check.NoError(t, p.Ping(ctx)) // it has its connection
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		_, err = p.Exec(short, "SELECT pg_sleep(0.07)")
		cancel()
		if err == nil { // its context ended, and it came to its end
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no statement came to its end: %v", err)
		}
	}
	_, err = p.Exec(ctx, victimSQL)
	check.Same(t, "statement_timeout", isCancelled(err), true)
	_, err = p.Exec(ctx, "ALTER DATABASE "+database+" RESET statement_timeout")
	check.NoError(t, err)
	p.Reset()

	const longSQL = "SELECT 7 FROM pg_sleep(60)" // as long as nobody cancels it
	eye := check.Value(pgx.Connect(ctx, dsn))(t)
	defer eye.Close(ctx)
	var admin sync.WaitGroup
	admin.Go(func() {
		for cancelled := int64(0); cancelled == 0; {
			tag, err := eye.Exec(ctx, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = $1 AND state = 'active'", longSQL)
			check.NoError(t, err)
			cancelled = tag.RowsAffected()
		}
	})
	_, err = p.Exec(ctx, longSQL)
	admin.Wait()
	check.Same(t, "pg_cancel_backend", isCancelled(err), true)

	for _, sql := range []string{
		"SELECT pg_sleep(0.6); SELECT 7",
		"DO $$ BEGIN PERFORM pg_sleep(0.6); END $$",
	} {
		err = late.hit(t, p, database, sql, strays, func() error { _, err := p.Exec(ctx, sql); return err })
		check.Same(t, sql, isCancelled(err), true)
	}
	err = late.hit(t, p, database, victimSQL, strays, func() error {
		tx := check.Value(p.Begin(ctx))(t)
		defer func() { _ = tx.Rollback(ctx) }()
		_, err := tx.Exec(ctx, victimSQL)
		return err
	})
	check.Same(t, "in a transaction", isCancelled(err), true)
	check.Same(t, "run again", p.Stats().Strays, 0)
}
