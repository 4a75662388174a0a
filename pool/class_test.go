package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
)

// reports opens a pool with four connections, and says how many of them are for
// reports: 0 for all. The connections are open when it returns: how long that
// takes does not count in what calls wait for.
func reports(t *testing.T, most int, wait time.Duration) *pool.Pool {
	t.Helper()
	cfg := pool.Config{MaxConns: 4, AcquireTimeout: wait}
	if most > 0 {
		cfg.Classes = map[string]int{"report": most}
	}
	return openWarm(t, cfg)
}

// until waits for the state of the class.
func until(t *testing.T, p *pool.Pool, what string, is func(pool.ClassStats) bool) {
	t.Helper()
	for deadline := time.Now().Add(testdb.Patience(10 * time.Second)); !is(p.Classes()[0]); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v", what, p.Classes())
		}
	}
}

// Reports that wait for something leave room for requests.
func TestClassesLeaveRoom(t *testing.T) {
	t.Parallel()
	run := func(most int, lent int32) error {
		p := reports(t, most, 500*time.Millisecond)
		done := make(chan struct{})
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				tx, err := p.Begin(pool.WithClass(t.Context(), "report"))
				if err == nil {
					<-done
					check.NoError(t, tx.Rollback(t.Context()))
				} else {
					check.Error(t, "report", err, smrt.ErrPoolExhausted)
				}
			})
		}
		for p.Stats().InUse < lent && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		_, err := p.Exec(t.Context(), "SELECT 1")
		close(done)
		all.Wait()
		return err
	}
	check.NoError(t, run(2, 2))
	check.Error(t, "control: without classes", run(0, 4), smrt.ErrPoolExhausted)
}

// Every method holds its place for as long as its connection.
func TestClassIsHeld(t *testing.T) {
	t.Parallel()
	p := reports(t, 1, testdb.Patience(10*time.Second))
	ctx := pool.WithClass(t.Context(), "report")
	short, cancel := context.WithCancel(t.Context())
	cancel()
	lent := func() int { return p.Classes()[0].InUse }
	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	for name, use := range map[string]func() func(){
		"Acquire": func() func() { return check.Value(p.Acquire(ctx))(t).Release },
		"Query":   func() func() { return check.Value(p.Query(ctx, "SELECT 1"))(t).Close },
		"QueryRow": func() func() {
			row := p.QueryRow(ctx, "SELECT 1")
			return func() { check.NoError(t, row.Scan(new(int))) }
		},
		"Begin": func() func() {
			tx := check.Value(p.Begin(ctx))(t)
			return func() { check.NoError(t, tx.Rollback(ctx)) }
		},
		"SendBatch": func() func() {
			results := p.SendBatch(ctx, batch)
			return func() { check.NoError(t, results.Close()) }
		},
		"Hijack": func() func() {
			conn := check.Value(p.Acquire(ctx))(t).Hijack()
			return func() { check.NoError(t, conn.Close(ctx)) }
		},
		"a connection that is broken": func() func() {
			conn := check.Value(p.Acquire(ctx))(t)
			check.NoError(t, conn.Conn().PgConn().Conn().Close())
			_, err := conn.Exec(ctx, "SELECT 1")
			check.Same(t, "broken", err != nil, true)
			return conn.Release
		},
	} {
		end := use()
		if name != "a connection that is broken" {
			check.Same(t, name+": lent", lent(), 1)
		}
		end()
		until(t, p, name, func(s pool.ClassStats) bool { return s.InUse == 0 })
	}
	for name, err := range map[string]error{
		"Exec":  exec(ctx, p, "SELECT 1"),
		"Ping":  p.Ping(ctx),
		"error": exec(ctx, p, "SELECT 1/0"),
		"ended": exec(pool.WithClass(short, "report"), p, "SELECT 1"),
	} {
		check.Same(t, name+": fails", err != nil, name == "error" || name == "ended")
		check.Same(t, name+": lent", lent(), 0)
	}
}

func exec(ctx context.Context, p *pool.Pool, sql string) error {
	_, err := p.Exec(ctx, sql)
	return err
}

// Who waits for too long is told which class is full.
func TestClassIsFull(t *testing.T) {
	t.Parallel()
	const wait = 200 * time.Millisecond
	p := reports(t, 1, wait)
	held := check.Value(p.Acquire(pool.WithClass(t.Context(), "report")))(t)
	err := exec(pool.WithClass(t.Context(), "report"), p, "SELECT 1")
	check.Error(t, "full", err, smrt.ErrPoolExhausted)
	var e *smrt.PoolExhaustedError
	if !errors.As(err, &e) || e.Reason != "class" || e.Class != "report" || e.InUse != 1 || e.Max != 1 || e.Waited < wait {
		t.Errorf("got %#v", e)
	}
	check.Equal(t, "stats", p.Classes(), []pool.ClassStats{{Name: "report", Max: 1, InUse: 1, Waits: 1, Refused: 1}})
	check.Same(t, "Exhausted", p.Stats().Exhausted, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	check.Error(t, "its context ends first", exec(pool.WithClass(ctx, "report"), p, "SELECT 1"), context.DeadlineExceeded)
	check.NoError(t, exec(t.Context(), p, "SELECT 1"))
	held.Release()
	check.NoError(t, exec(pool.WithClass(t.Context(), "report"), p, "SELECT 1"))

	check.Error(t, "another class", exec(pool.WithClass(t.Context(), "reprot"), p, "SELECT 1"), smrt.ErrBadOptions)
	check.NoError(t, exec(pool.WithClass(pool.WithClass(t.Context(), "reprot"), "report"), p, "SELECT 1"))
	check.NoError(t, exec(pool.WithClass(t.Context(), "report"), reports(t, 0, time.Second), "SELECT 1"))
}

// A call waits for its class and for a connection AcquireTimeout in all, and says how
// long. One that waits for its class when the pool is closed is told that.
func TestClassesShareTheTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second
	p := reports(t, 1, timeout)
	var held []func()
	for range 4 { // all connections
		held = append(held, check.Value(p.Acquire(t.Context()))(t).Release)
	}
	report := func() error { return exec(pool.WithClass(t.Context(), "report"), p, "SELECT 1") }
	first := make(chan error, 1)
	go func() { first <- report() }()
	until(t, p, "the first report waits for a connection", func(s pool.ClassStats) bool { return s.InUse == 1 })
	time.Sleep(timeout / 2)
	second, began := make(chan error, 1), time.Now()
	go func() { second <- report() }()
	check.Error(t, "the first", <-first, smrt.ErrPoolExhausted)
	err := <-second
	check.Error(t, "the second", err, smrt.ErrPoolExhausted)
	var e *smrt.PoolExhaustedError
	if took := time.Since(began); !errors.As(err, &e) || took-e.Waited > timeout/2-timeout/10 {
		t.Errorf("got %#v after %v: it waited half of AcquireTimeout for its class, and half for a connection", e, took)
	}
	for _, release := range held {
		release()
	}

	report1 := check.Value(p.Acquire(pool.WithClass(t.Context(), "report")))(t)
	third := make(chan error, 1)
	go func() { third <- report() }()
	until(t, p, "the third report waits for its class", func(s pool.ClassStats) bool { return s.Waiting == 1 })
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.Close()
	}()
	check.Error(t, "the third", <-third, smrt.ErrPoolClosed)
	report1.Release()
	<-closed
}

// A request that calls the pool while it holds a connection does not wait for itself,
// and others do not get past.
func TestClassesNest(t *testing.T) {
	t.Parallel()
	p := reports(t, 1, 200*time.Millisecond)
	ctx := pool.WithClass(t.Context(), "report")
	rows := check.Value(p.Query(ctx, "SELECT id FROM items ORDER BY id LIMIT 3"))(t)
	for rows.Next() {
		check.NoError(t, exec(ctx, p, "SELECT 1"))
		check.Error(t, "another request", exec(pool.WithClass(t.Context(), "report"), p, "SELECT 1"), smrt.ErrPoolExhausted)
	}
	check.NoError(t, rows.Err())

	tx := check.Value(p.Begin(ctx))(t)
	inner := check.Value(p.Begin(ctx))(t)
	check.Error(t, "a third connection", exec(ctx, p, "SELECT 1"), smrt.ErrPoolExhausted)
	check.NoError(t, inner.Rollback(ctx))
	check.NoError(t, exec(ctx, p, "SELECT 1"))
	check.NoError(t, tx.Rollback(ctx))

	one := open(t, pool.Config{URL: url(t), MaxConns: 1, Classes: map[string]int{"report": 1}})
	tx = check.Value(one.Begin(ctx))(t)
	_, err := tx.Exec(ctx, "SELECT 1")
	check.NoError(t, err)
	check.NoError(t, tx.Commit(ctx))
}

// Calls of a class are served in the order in which they came.
func TestClassesAreFair(t *testing.T) {
	t.Parallel()
	p := reports(t, 1, testdb.Patience(10*time.Second))
	held := check.Value(p.Acquire(pool.WithClass(t.Context(), "report")))(t)
	var order []int
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			conn, err := p.Acquire(pool.WithClass(t.Context(), "report"))
			check.NoError(t, err)
			order = append(order, i) // under the protection of a class of one
			conn.Release()
		})
		until(t, p, "waiting", func(s pool.ClassStats) bool { return s.Waiting == i+1 })
	}
	held.Release()
	all.Wait()
	check.Equal(t, "order", order, []int{0, 1, 2, 3, 4, 5, 6, 7})
}

// However calls end, no class has more connections than it may, and nothing of it is
// left. With a context for each request it has as many as it says, with one for all
// twice as many.
func TestClassesUnderLoad(t *testing.T) {
	t.Parallel()
	seed := check.Seed(t)
	run := func(most int64, request func() context.Context) {
		p := openWarm(t, pool.Config{MaxConns: 8, AcquireTimeout: 20 * time.Millisecond, Classes: map[string]int{"report": 2}})
		var lent, highest atomic.Int64
		var all sync.WaitGroup
		for i := range 12 {
			rnd := rand.New(rand.NewPCG(seed, uint64(i)))
			all.Go(func() {
				for range size(20, 300) {
					oneCall(t, request(), p, rnd, &lent, &highest)
				}
			})
		}
		all.Wait()
		if highest.Load() > most {
			t.Errorf("%d connections were lent, want %d at most", highest.Load(), most)
		}
		until(t, p, "left", func(s pool.ClassStats) bool { return s.InUse == 0 && s.Waiting == 0 })
	}
	run(2, func() context.Context { return pool.WithClass(t.Context(), "report") })
	shared := pool.WithClass(t.Context(), "report")
	run(4, func() context.Context { return shared })
}

// oneCall borrows a connection for a moment, under a context that may end.
func oneCall(t *testing.T, ctx context.Context, p *pool.Pool, rnd *rand.Rand, lent, highest *atomic.Int64) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(10_000))*time.Microsecond)
	defer cancel()
	conn, err := p.Acquire(ctx)
	if err != nil {
		// A connection whose statement was cancelled is closed, and the next is opened.
		if !errors.Is(err, smrt.ErrPoolExhausted) && !errors.Is(err, smrt.ErrConnectTimeout) && ctx.Err() == nil {
			t.Error(err)
		}
		return
	}
	n := lent.Add(1)
	for old := highest.Load(); n > old && !highest.CompareAndSwap(old, n); {
		old = highest.Load()
	}
	_, _ = conn.Exec(ctx, "SELECT pg_sleep(0.001)")
	lent.Add(-1)
	conn.Release()
}

// Several classes are apart, and their figures are in order.
func TestSeveralClasses(t *testing.T) {
	t.Parallel()
	p := open(t, pool.Config{URL: url(t), MaxConns: 4, AcquireTimeout: testdb.Patience(10 * time.Second), Classes: map[string]int{"job": 1, "export": 1, "report": 1}})
	for _, name := range []string{"report", "job", "export"} {
		conn := check.Value(p.Acquire(pool.WithClass(t.Context(), name)))(t)
		defer conn.Release()
	}
	names := []string{}
	for _, s := range p.Classes() {
		names = append(names, s.Name)
		check.Same(t, s.Name, s.InUse, 1)
	}
	check.Same(t, "sorted", slices.IsSorted(names) && len(names) == 3, true)
}
