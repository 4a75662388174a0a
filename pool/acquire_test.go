package pool_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// Whoever waits for too long is told so, by every method.
func TestExhausted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const limit = 100 * time.Millisecond
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, AcquireTimeout: limit})
	held := check.Value(p.Acquire(ctx))(t)
	var one int
	for name, call := range map[string]func() error{
		"Acquire":  func() error { _, err := p.Acquire(ctx); return err },
		"Exec":     func() error { _, err := p.Exec(ctx, "SELECT 1"); return err },
		"Query":    func() error { _, err := p.Query(ctx, "SELECT 1"); return err },
		"QueryRow": func() error { return p.QueryRow(ctx, "SELECT 1").Scan(&one) },
		"Begin":    func() error { _, err := p.Begin(ctx); return err },
		"BeginTx":  func() error { _, err := p.BeginTx(ctx, pgx.TxOptions{}); return err },
		"SendBatch": func() error {
			b := &pgx.Batch{}
			b.Queue("SELECT 1")
			return p.SendBatch(ctx, b).Close()
		},
		"CopyFrom": func() error {
			_, err := p.CopyFrom(ctx, pgx.Identifier{"items"}, []string{"id"}, pgx.CopyFromRows(nil))
			return err
		},
		"Ping": func() error { return p.Ping(ctx) },
	} {
		began := time.Now()
		err := call()
		took := time.Since(began)
		check.Error(t, name, err, smrt.ErrPoolExhausted)
		var e *smrt.PoolExhaustedError
		if !errors.As(err, &e) || e.InUse != 1 || e.Max != 1 || e.Waited < limit {
			t.Errorf("%s: got %#v", name, e)
		}
		if took < limit || took > testdb.Patience(limit+time.Second) {
			t.Errorf("%s: took %v", name, took)
		}
	}
	check.Same(t, "Stats.Exhausted", p.Stats().Exhausted, 9)
	rows, _ := p.Query(ctx, "SELECT 1")
	check.Error(t, "rows without an error looked at", rows.Err(), smrt.ErrPoolExhausted)
	held.Release()
	check.NoError(t, p.Ping(ctx))
}

// A caller's own end is its own.
func TestContextEndsFirst(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, AcquireTimeout: time.Minute})
	held := check.Value(p.Acquire(t.Context()))(t)
	defer held.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.Acquire(ctx)
	check.Error(t, "deadline", err, context.DeadlineExceeded)
	if errors.Is(err, smrt.ErrPoolExhausted) {
		t.Error("the pool is blamed for the caller's deadline")
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = p.Acquire(ctx)
	check.Error(t, "ended before", err, context.Canceled)
	_, err = p.Acquire(nil) //nolint:staticcheck // a mistake of the caller
	check.Error(t, "nil", err, smrt.ErrNilContext)
}

// AcquireTimeout limits waiting, not working.
func TestAcquireTimeoutEndsNothing(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, MinConns: -1, AcquireTimeout: limit})
	for try := 0; ; try++ {
		held := check.Value(p.Acquire(t.Context()))(t)
		time.AfterFunc(limit/20, held.Release)
		_, err := p.Exec(t.Context(), "SELECT pg_sleep(1.2)") // its wait began a timer
		if errors.Is(err, smrt.ErrPoolExhausted) && try < 10 {
			continue // the connection came back too late
		}
		check.NoError(t, err)
		break
	}
	check.Same(t, "waits", p.Stats().Waits > 0, true)
}

// A connection that takes too long to be opened is no reason to blame those who
// hold others, and the attempts of Open are no calls.
func TestSlowConnect(t *testing.T) {
	t.Parallel()
	const limit = 50 * time.Millisecond
	var late atomic.Bool
	p := open(t, pool.Config{URL: url(t), MaxConns: 2, MinConns: -1, AcquireTimeout: limit, Configure: func(c *pgxpool.Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(3 * limit)
			if late.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return dial(ctx, network, address)
		}
	}})
	s := p.Stats()
	check.Same(t, "exhausted while it was opened", s.Exhausted+s.ConnectTimeouts, 0)
	held := check.Value(p.Acquire(t.Context()))(t)
	defer held.Release()
	late.Store(true)
	_, err := p.Acquire(t.Context())
	check.Error(t, "a connection that does not come", err, smrt.ErrConnectTimeout)
	check.Same(t, "is called exhausted", errors.Is(err, smrt.ErrPoolExhausted), false)
	var e *smrt.ConnectTimeoutError
	if !errors.As(err, &e) || e.Opening != 1 || e.Waited < limit {
		t.Errorf("got %#v", e)
	}
	s = p.Stats()
	check.Same(t, "Stats.ConnectTimeouts", s.ConnectTimeouts, 1)
	check.Same(t, "Stats.Exhausted", s.Exhausted, 0)
}

// The limit holds whoever has a hook that sees the context.
func TestExhaustedWithHooks(t *testing.T) {
	t.Parallel()
	var seen hooks
	p := openWarm(t, pool.Config{MaxConns: 1, AcquireTimeout: 50 * time.Millisecond, Configure: seen.set})
	held := check.Value(p.Acquire(t.Context()))(t)
	_, err := p.Acquire(t.Context())
	check.Error(t, "with a tracer", err, smrt.ErrPoolExhausted)
	held.Release()
}

// Many callers on few connections never get each other's context.
func TestAcquireUnderLoad(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: url(t), MaxConns: 3, AcquireTimeout: time.Minute})
	var callers sync.WaitGroup
	for i := range 16 {
		callers.Go(func() {
			for n := range 200 {
				ctx, cancel := context.WithCancel(context.Background())
				var got int
				err := p.QueryRow(ctx, "SELECT $1::int", i*1000+n).Scan(&got)
				cancel()
				if err != nil || got != i*1000+n {
					t.Errorf("got %d, %v", got, err)
				}
			}
		})
	}
	callers.Wait()
	s := p.Stats()
	if s.Acquires < 16*200 || s.InUse != 0 || s.Waits == 0 {
		t.Errorf("statistics: %+v", s)
	}
}

// A connection comes back whatever its borrower does.
func TestConnectionsComeBack(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := open(t, pool.Config{URL: url(t), MaxConns: 1, AcquireTimeout: time.Second})
	rows := check.Value(p.Query(ctx, "SELECT id FROM items"))(t)
	rows.Next()
	check.Same(t, "lent to rows", p.Stats().InUse, 1)
	rows.Close()
	rows.Close()
	check.Same(t, "after rows", p.Stats().InUse, 0)

	rows = check.Value(p.Query(ctx, "SELECT id FROM items"))(t)
	rows.Next()
	var text []bool
	if rows.Scan(&text) == nil {
		t.Error("an int was read into a slice")
	}
	check.Same(t, "after a scan that failed", p.Stats().InUse, 0)

	func() {
		defer func() { _ = recover() }()
		_ = p.QueryRow(ctx, "SELECT 1").Scan(panics{})
	}()
	check.NoError(t, p.Ping(ctx))

	tx := check.Value(p.Begin(ctx))(t)
	check.NoError(t, tx.Commit(ctx))
	check.Error(t, "a second end", tx.Rollback(ctx), pgx.ErrTxClosed)
	check.Same(t, "after a transaction", p.Stats().InUse, 0)

	b := &pgx.Batch{}
	b.BeginTx(pgx.TxOptions{})
	b.Queue("SELECT 1")
	results := p.SendBatch(ctx, b)
	check.NoError(t, results.Close())
	check.Same(t, "lent to the transaction of a batch", p.Stats().InUse, 1)
	check.NoError(t, results.Tx().Commit(ctx))
	check.Same(t, "after it", p.Stats().InUse, 0)
}

type panics struct{}

func (panics) Scan(any) error { panic("in Scan") }

// The pool behaves as pgx's does where there is nothing to say.
func TestLikePgx(t *testing.T) {
	t.Parallel()
	ours, theirs := twins(t)
	for name, call := range map[string]func(beginner) error{
		"no rows":      func(db beginner) error { return db.QueryRow(t.Context(), "SELECT 1 WHERE false").Scan(new(int)) },
		"syntax error": func(db beginner) error { _, err := db.Exec(t.Context(), "SELEC 1"); return err },
		"no statement": func(db beginner) error { _, err := db.Exec(t.Context(), ""); return err },
		"too few arguments": func(db beginner) error {
			rows, _ := db.Query(t.Context(), "SELECT $1::int")
			rows.Close()
			return rows.Err()
		},
		"named arguments": func(db beginner) error {
			return db.QueryRow(t.Context(), "SELECT @a::int", pgx.NamedArgs{"a": 1}).Scan(new(int))
		},
		"rows": func(db beginner) error {
			rows, _ := db.Query(t.Context(), "SELECT id FROM items ORDER BY id")
			ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
			check.Same(t, "rows", len(ids), 100)
			check.Same(t, "tag", rows.CommandTag().String(), "SELECT 100")
			return err
		},
	} {
		a, b := call(ours), call(theirs)
		if (a == nil) != (b == nil) || a != nil && a.Error() != b.Error() {
			t.Errorf("%s: got %v, pgxpool answers %v", name, a, b)
		}
	}
}
