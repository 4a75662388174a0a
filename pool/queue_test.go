package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// load is what comes to a pool: requests at random times, whose users go away.
type load struct {
	rate    float64       // requests a second
	time    time.Duration // how long they come
	patient time.Duration // how long each of them is waited for
}

// served is what came of a load.
type served struct {
	took []time.Duration // by the requests that were answered in time
	rate float64         // those a second
}

// p99 is how long all but one in a hundred took.
func (s *served) p99() time.Duration {
	slices.Sort(s.took)
	return s.took[len(s.took)*99/100]
}

// under sends requests and waits for all of them.
func under(l load, rnd *rand.Rand, request func(context.Context) error) *served {
	var mu sync.Mutex
	var all sync.WaitGroup
	s := &served{}
	began := time.Now()
	for due := began; due.Sub(began) < l.time; due = due.Add(time.Duration(rnd.ExpFloat64() / l.rate * float64(time.Second))) {
		time.Sleep(time.Until(due))
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), l.patient)
			defer cancel()
			asked := time.Now()
			if request(ctx) != nil || ctx.Err() != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			s.took = append(s.took, time.Since(asked))
		})
	}
	all.Wait()
	s.rate = float64(len(s.took)) / l.time.Seconds()
	return s
}

// TestOverload sends ten times as much as four connections can serve, for 20
// seconds by a clock that does not need them.
func TestOverload(t *testing.T) {
	seed := check.Seed(t)
	const hold, target = 20 * time.Millisecond, 15 * time.Millisecond
	const sustainable = 4 / 0.020 // requests a second
	run := func(target time.Duration, rate float64) (s *served) {
		synctest.Test(t, func(*testing.T) {
			sim := pool.Simulate(pool.Config{URL: nowhere, MaxConns: 4, QueueTarget: target, QueueInterval: 20 * target / 3})
			l := load{rate: rate, time: 20 * time.Second, patient: 500 * time.Millisecond}
			s = under(l, rand.New(rand.NewPCG(seed, 0)), func(ctx context.Context) error {
				if _, err := sim.Acquire(ctx); err != nil {
					return err
				}
				defer sim.Release()
				select {
				case <-time.After(hold):
					return nil
				case <-ctx.Done(): // and the statement is cancelled
					return ctx.Err()
				}
			})
			if target > 0 && sim.Waiting() != 0 {
				t.Errorf("%d calls still wait", sim.Waiting())
			}
		})
		return s
	}
	unloaded := run(0, sustainable/10).p99()
	best := max(run(0, 0.8*sustainable).rate, run(0, 0.95*sustainable).rate)
	guarded, control := run(target, 10*sustainable), run(0, 10*sustainable)
	t.Logf("p99 %v unloaded, %v at ten times the load, %v without a target; %.0f answers a second at best, %.0f, %.0f",
		unloaded, guarded.p99(), control.p99(), best, guarded.rate, control.rate)
	if guarded.p99() > 3*unloaded || guarded.rate < 0.8*best {
		t.Errorf("overloaded: p99 is %v, %.0f answers a second", guarded.p99(), guarded.rate)
	}
	if control.p99() <= 3*unloaded || control.rate >= 0.8*best {
		t.Errorf("nothing is refused, and p99 is %v, %.0f answers a second: the load proves nothing", control.p99(), control.rate)
	}
}

// TestOverloadBegins follows the state of a queue through its rules.
func TestOverloadBegins(t *testing.T) {
	const target, interval = 10 * time.Millisecond, 100 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		sim := pool.Simulate(pool.Config{URL: nowhere, MaxConns: 1, AcquireTimeout: time.Second, QueueTarget: target, QueueInterval: interval})
		var ends sync.WaitGroup
		wait := func(what, reason string, after time.Duration) {
			began := time.Now()
			ends.Go(func() {
				got, err := sim.Acquire(ctx)
				check.Same(t, what+": reason", got, reason)
				check.Same(t, what+": refused", err != nil, reason != "")
				check.Same(t, what+": waited", time.Since(began), after)
			})
			synctest.Wait()
		}
		_, err := sim.Acquire(ctx)
		check.NoError(t, err)
		wait("before the interval is over", "overload", target+interval)
		time.Sleep(target + interval/2)
		wait("behind it", "overload", interval/2)
		ends.Wait()
		check.Same(t, "overloaded", sim.Overloaded(), true)
		wait("while it is overloaded", "overload", 2*target)
		ends.Wait()

		wait("a connection in time", "", target/2)
		time.Sleep(target / 2)
		sim.Release()
		ends.Wait()
		check.Same(t, "overloaded after a short wait", sim.Overloaded(), false)
		wait("and again", "overload", target+interval)
		ends.Wait()

		wait("served late", "", target)
		time.Sleep(target)
		sim.Release()
		ends.Wait()
		check.Same(t, "overloaded after a long wait", sim.Overloaded(), true)
		sim.Release()
		_, err = sim.Acquire(ctx)
		check.NoError(t, err)
		check.Same(t, "overloaded without a wait", sim.Overloaded(), false)

		wait("and again", "overload", target+interval)
		ends.Wait()
		check.Same(t, "overloaded", sim.Overloaded(), true)
		time.Sleep(interval)
		check.Same(t, "overloaded when nobody has waited for an interval", sim.Overloaded(), false)
		wait("when nobody has waited for an interval", "overload", target+interval)
		ends.Wait()
		sim.Release()
	})
}

// A burst that does not last for an interval is served to the end.
func TestBurstsAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := pool.Simulate(pool.Config{URL: nowhere, MaxConns: 4, QueueTarget: 10 * time.Millisecond})
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				_, err := sim.Acquire(t.Context())
				check.NoError(t, err)
				time.Sleep(15 * time.Millisecond)
				sim.Release()
			})
		}
		all.Wait()
	})
}

// A real pool refuses calls of every method, and none any more when it has room.
func TestOverloadedPool(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*pgxpool.Config){
		"": nil,
		"with hooks": func(c *pgxpool.Config) {
			c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return true, nil }
		},
	} {
		ctx := t.Context()
		p := open(t, pool.Config{
			URL: url(t), MaxConns: 1, MinConns: -1, AcquireTimeout: time.Hour,
			QueueTarget: time.Millisecond, QueueInterval: 5 * time.Millisecond, Configure: configure,
		})
		held := check.Value(p.Acquire(ctx))(t)
		_, err := p.Exec(ctx, "SELECT 1")
		check.Error(t, name, err, smrt.ErrPoolExhausted)
		var e *smrt.PoolExhaustedError
		if !errors.As(err, &e) || e.Reason != "overload" || e.Waited < 2*time.Millisecond || e.InUse != 1 || e.Max != 1 {
			t.Errorf("%s: got %#v", name, e)
		}
		s := p.Stats()
		check.Same(t, name+": Refused", s.Refused, 1)
		check.Same(t, name+": Exhausted", s.Exhausted, 1)
		held.Release()
		for range 2 {
			_, err = p.Exec(ctx, "SELECT 1")
			check.NoError(t, err)
		}
		check.Same(t, name+": Overloaded afterwards", p.Stats().Overloaded, false)
	}
}

// Calls that end in every way leave nothing in the queue.
func TestQueueForgets(t *testing.T) {
	t.Parallel()
	seed := check.Seed(t)
	p := open(t, pool.Config{
		URL: url(t), MaxConns: 2, MinConns: -1, AcquireTimeout: testdb.Patience(10 * time.Second),
		QueueTarget: time.Millisecond, QueueInterval: 5 * time.Millisecond,
	})
	var all sync.WaitGroup
	for i := range 16 {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		all.Go(func() {
			for range size(20, 400) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(10_000))*time.Microsecond)
				_, err := p.Exec(ctx, "SELECT pg_sleep(0.001)")
				cancel()
				if err != nil && !errors.Is(err, smrt.ErrPoolExhausted) && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	check.Same(t, "waiting", p.Waiting(), 0)
	_, err := p.Exec(t.Context(), "SELECT 1")
	check.NoError(t, err)
}

// TestNobodyWaitsForItself: four transactions hold the four connections of a pool, and
// each asks the pool for another.
func TestNobodyWaitsForItself(t *testing.T) {
	t.Parallel()
	dsn := url(t)
	each := func(call func() error) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { check.NoError(t, call()) })
		}
		all.Wait()
	}
	var lent sync.WaitGroup
	hold := func() { // until all four are lent
		lent.Done()
		lent.Wait()
	}

	p := open(t, pool.Config{URL: dsn, MaxConns: 4, MinConns: 4, AcquireTimeout: time.Hour})
	names := repo.New(p, query.NewTable("items", func(i *item) *int32 { return &i.ID }))
	lent.Add(4)
	each(func() error {
		return txn.Run(t.Context(), p, func(ctx context.Context, _ pgx.Tx) error {
			hold()
			_, err := names.Get(ctx, 1)
			check.Error(t, "a repository in txn.Run", err, smrt.ErrTxBypass)
			return nil
		})
	})

	byHand := func(what string, p beginner, ctx context.Context, want error) {
		var txs [4]pgx.Tx
		for i := range txs {
			txs[i] = check.Value(p.Begin(t.Context()))(t)
		}
		each(func() error {
			_, err := p.Exec(ctx, "SELECT 1")
			check.Error(t, what, err, want)
			return nil
		})
		for _, tx := range txs {
			check.NoError(t, tx.Rollback(t.Context()))
		}
	}
	byHand("by hand", openWarm(t, pool.Config{URL: dsn, MaxConns: 4, AcquireTimeout: 100 * time.Millisecond}), t.Context(), smrt.ErrPoolExhausted)
	byHand("by hand, with a target", openWarm(t, pool.Config{
		URL: dsn, MaxConns: 4, AcquireTimeout: time.Hour, QueueTarget: 5 * time.Millisecond, QueueInterval: 50 * time.Millisecond,
	}), t.Context(), smrt.ErrPoolExhausted)
	brief, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	byHand("control: pgxpool", control(t, dsn, func(c *pgxpool.Config) { c.MaxConns = 4 }), brief, context.DeadlineExceeded)
}

// item is a row of the table of the tests.
type item struct {
	ID   int32
	Name string
}

// TestOverloadOfAServer is TestOverload with a server, for as long as that takes.
func TestOverloadOfAServer(t *testing.T) {
	if !check.Long() {
		t.Skip("takes a minute, on a machine that has time for it: SMRT_TEST_LONG=1")
	}
	rnd := check.Random(t)
	dsn := url(t)
	const sustainable = 4 / 0.050 // requests a second
	run := func(target time.Duration, l load) *served {
		p := open(t, pool.Config{URL: dsn, MaxConns: 4, MinConns: 4, QueueTarget: target, QueueInterval: 5 * target})
		check.NoError(t, p.Warm(t.Context()))
		return under(l, rnd, func(ctx context.Context) error {
			_, err := p.Exec(ctx, "SELECT pg_sleep(0.05)")
			return err
		})
	}
	l := load{rate: sustainable / 10, time: 10 * time.Second, patient: time.Second}
	unloaded := run(0, l).p99()
	l.rate = 0.9 * sustainable
	best := run(0, l).rate
	l.rate, l.time = 10*sustainable, 20*time.Second
	guarded, control := run(35*time.Millisecond, l), run(0, l)
	t.Logf("p99 %v unloaded, %v at ten times the load, %v without a target; %.0f answers a second at best, %.0f, %.0f",
		unloaded, guarded.p99(), control.p99(), best, guarded.rate, control.rate)
	if guarded.p99() > 3*unloaded || guarded.rate < 0.8*best {
		t.Errorf("overloaded: p99 is %v, %.0f answers a second", guarded.p99(), guarded.rate)
	}
	if control.p99() <= 3*unloaded || control.rate >= 0.8*best {
		t.Errorf("nothing is refused, and p99 is %v, %.0f answers a second: the load proves nothing", control.p99(), control.rate)
	}
}
