package observe_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/internal/traced"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// notes is a log that may be written to by several.
type notes struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

func (n *notes) logger() *slog.Logger { return slog.New(slog.NewTextHandler(n, nil)) }

type hookKey struct{}

// TestHooksInOrder: Before as they were given, After reversed, each with the values
// of those before it.
func TestHooksInOrder(t *testing.T) {
	t.Parallel()
	var order []string
	hook := func(name string) observe.Hook {
		return observe.HookFuncs{
			OnBefore: func(ctx context.Context, _ *observe.Event) context.Context {
				seen, _ := ctx.Value(hookKey{}).(string)
				order = append(order, "before "+name+" after "+seen)
				return context.WithValue(ctx, hookKey{}, seen+name)
			},
			OnAfter: func(ctx context.Context, _ *observe.Event) {
				order = append(order, "after "+name+" with "+ctx.Value(hookKey{}).(string))
			},
		}
	}
	_, _, p := observedPool(t, observe.Config{Hooks: []observe.Hook{hook("a"), observe.HookFuncs{}, hook("b")}}, 1)
	order = nil
	_, err := p.Exec(t.Context(), "SELECT 1")
	check.NoError(t, err)
	check.Equal(t, "order", order, []string{"before a after ", "before b after a", "after b with ab", "after a with ab"})
}

// TestHooksChangeNothing: what they write into an event, and a context of theirs that
// has ended, have no effect.
func TestHooksChangeNothing(t *testing.T) {
	t.Parallel()
	vandal := observe.HookFuncs{
		OnBefore: func(ctx context.Context, e *observe.Event) context.Context {
			e.SQL, e.Name, e.Args = "DROP TABLE categories", observe.Name{Query: "no"}, nil
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx
		},
		OnAfter: func(_ context.Context, e *observe.Event) { e.Rows, e.Err, e.Server = 1000, errOops, time.Hour },
	}
	nothing := observe.HookFuncs{OnBefore: func(context.Context, *observe.Event) context.Context { return nil }}
	o, j, p := observedPool(t, observe.Config{Hooks: []observe.Hook{observe.HookFuncs{}, vandal, nothing, vandal}}, 1)
	var n int
	check.NoError(t, p.QueryRow(t.Context(), "SELECT 42").Scan(&n))
	check.Same(t, "result", n, 42)
	e := j.take()[0]
	check.Same(t, "text", e.SQL, "SELECT 42")
	check.Same(t, "rows", e.Rows, 1)
	check.Same(t, "rows in the statistics", o.Snapshot().Total().Rows, 1)
}

// incomparable is a context for which == panics.
type incomparable struct {
	context.Context
	_ []int
}

// TestContextsOfAnyType are not compared.
func TestContextsOfAnyType(t *testing.T) {
	t.Parallel()
	o := newObserver(t, observe.Config{Hooks: []observe.Hook{observe.HookFuncs{}}})
	p := testdb.Pool(t, shop.Schema, testdb.Configure(o.Configure))
	conn := check.Value(p.Acquire(t.Context()))(t)
	defer conn.Release()
	defer func() { check.Same(t, "panic", recover(), nil) }()
	tracer := conn.Conn().Config().Tracer
	ctx := tracer.TraceQueryStart(incomparable{Context: t.Context()}, conn.Conn(), pgx.TraceQueryStartData{SQL: "SELECT 1"})
	tracer.TraceQueryEnd(ctx, conn.Conn(), pgx.TraceQueryEndData{})
}

// TestHooksThatPanic, in each phase, hurt no query, and are switched off after three.
func TestHooksThatPanic(t *testing.T) {
	t.Parallel()
	for phase, hook := range map[string]func(*int) observe.Hook{
		"before": func(n *int) observe.Hook {
			return observe.HookFuncs{OnBefore: func(context.Context, *observe.Event) context.Context { *n++; panic("oops") }}
		},
		"after": func(n *int) observe.Hook {
			return observe.HookFuncs{OnAfter: func(context.Context, *observe.Event) { *n++; panic("oops") }}
		},
	} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			n, log := 0, &notes{}
			_, j, p := observedPool(t, observe.Config{Hooks: []observe.Hook{hook(&n)}, Logger: log.logger()}, 1)
			before := 0
			for i := range 1000 {
				var got int
				check.NoError(t, p.QueryRow(t.Context(), "SELECT $1::int", i).Scan(&got))
				check.Same(t, "answer", got, i)
				before++
			}
			check.Same(t, "calls that another hook saw", len(j.take()), before)
			check.Same(t, "calls of the hook", n, 3)
			check.Same(t, "lines in the log", strings.Count(log.String(), "a hook panicked"), 3)
			check.Same(t, "says that it is off", strings.Contains(log.String(), "switched off"), true)
		})
	}
}

// TestSlowLog has what took long, without values.
func TestSlowLog(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	log := &notes{}
	_, _, p := observedPool(t, observe.Config{Slow: observe.SlowLog{Threshold: 20 * time.Millisecond}, Logger: log.logger()}, 1)
	before := log.String()
	_, err := p.Exec(ctx, "SELECT $1::text, $2::bytea, $3::int, pg_sleep(0.05)", "secret", []byte("secrets"), 4711)
	check.NoError(t, err)
	line := strings.TrimPrefix(log.String(), before)
	for _, want := range []string{"slow statement", "name=raw", "pg_sleep", "string(6)", "[]uint8(7)", "int", "rows=1"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %s", want, line)
		}
	}
	for _, secret := range []string{"secret", "4711"} {
		if strings.Contains(line, secret) {
			t.Errorf("%q is in %s", secret, line)
		}
	}
}

// TestSlowLogOfValues, if they are asked for.
func TestSlowLogOfValues(t *testing.T) {
	t.Parallel()
	log := &notes{}
	slow := observe.SlowLog{Threshold: time.Nanosecond, Args: true, Level: slog.LevelInfo}
	_, _, p := observedPool(t, observe.Config{Slow: slow, Logger: log.logger()}, 1)
	_, err := p.Exec(t.Context(), "SELECT $1::text", "shown")
	check.NoError(t, err)
	check.Same(t, "value", strings.Contains(log.String(), "[shown]"), true)
	check.Same(t, "level", strings.Contains(log.String(), "level=INFO"), true)
}

// TestSlowLogIsLimited: so many lines a second, and the next one says how many were
// left out.
func TestSlowLogIsLimited(t *testing.T) {
	t.Parallel()
	take := observe.Tokens(t, observe.SlowLog{PerSecond: 5})
	now := time.Now()
	logged := 0
	for range 100 {
		if _, ok := take(now); ok {
			logged++
		}
	}
	check.Same(t, "logged at once", logged, 5)
	dropped, ok := take(now.Add(time.Second))
	check.Same(t, "logged a second later", ok, true)
	check.Same(t, "dropped", dropped, 95)
	for range 3 {
		dropped, ok = take(now.Add(time.Hour))
		check.Same(t, "logged an hour later", ok, true)
		check.Same(t, "dropped since", dropped, 0)
	}
}

// TestObservingAllocatesNothing: hooks, statistics and the slow log are on.
func TestObservingAllocatesNothing(t *testing.T) {
	check.Plain(t)
	ctx := t.Context()
	plain := unobserved(t)
	var n int
	hook := observe.HookFuncs{
		OnBefore: func(ctx context.Context, _ *observe.Event) context.Context { n++; return ctx },
		OnAfter:  func(_ context.Context, e *observe.Event) { n += int(e.Rows) },
	}
	o := newObserver(t, observe.Config{Hooks: []observe.Hook{hook}})
	for name, open := range opens {
		off, on := open(t, plain.Config(), nil), open(t, plain.Config(), o)
		c := category("c" + name)
		check.NoError(t, repo.New(off, shop.Categories).Create(ctx, &c))
		before, after := check.Allocations(getter(ctx, off, c.ID)), check.Allocations(getter(ctx, on, c.ID))
		t.Logf("%s: %v allocations, %v observed", name, before, after)
		if after > before {
			t.Errorf("%s: %v allocations, %v observed", name, before, after)
		}
	}
	if n == 0 {
		t.Error("the hook was not called")
	}
}

// TestObservedTransactionsAllocateNothing more than those that nobody observes.
func TestObservedTransactionsAllocateNothing(t *testing.T) {
	check.Plain(t)
	plain := unobserved(t)
	ends := 0
	hook := observe.HookFuncs{OnAfter: func(_ context.Context, e *observe.Event) {
		if e.Kind == observe.Transaction {
			ends++
		}
	}}
	o := newObserver(t, observe.Config{Hooks: []observe.Hook{hook}})
	run := func(db smrt.DB) func() error {
		return func() error { return txn.Run(t.Context(), db.(txn.Beginner), statement("SELECT 1")) }
	}
	for name, open := range opens {
		before := check.Allocations(run(open(t, plain.Config(), nil)))
		after := check.Allocations(run(open(t, plain.Config(), o)))
		t.Logf("%s: %v allocations, %v observed", name, before, after)
		if after > before {
			t.Errorf("%s: %v allocations, %v observed", name, before, after)
		}
	}
	if ends == 0 {
		t.Error("the hook was not called")
	}
}

// opens are the pools that may be observed.
var opens = map[string]func(testing.TB, *pgxpool.Config, *observe.Observer) smrt.DB{
	"pgxpool": func(t testing.TB, c *pgxpool.Config, o *observe.Observer) smrt.DB {
		c = c.Copy()
		if o != nil {
			o.Configure(c)
		}
		p := check.Value(pgxpool.NewWithConfig(t.Context(), c))(t)
		t.Cleanup(p.Close)
		return p
	},
	"pool": func(t testing.TB, c *pgxpool.Config, o *observe.Observer) smrt.DB {
		settings := pool.Config{URL: c.ConnString(), Profile: pool.Test, MaxConns: c.MaxConns}
		if o != nil {
			settings.Configure = o.Configure
		}
		p := check.Value(pool.Open(t.Context(), settings))(t)
		t.Cleanup(p.Close)
		return p
	},
}

func getter(ctx context.Context, on smrt.DB, id int64) func() error {
	categories := repo.New(on, shop.Categories)
	return func() error {
		_, err := categories.Get(ctx, id)
		return err
	}
}

// switched is a tracer that is on or off. Two connections cannot be compared, as each
// has a process of the server that keeps to its processor.
type switched struct {
	tracer pgx.QueryTracer
	on     bool
	began  time.Duration
	clock  bool // read it only, as any tracer must that measures
	took   time.Duration
}

func (s *switched) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	switch {
	case s.on:
		return s.tracer.TraceQueryStart(ctx, conn, data)
	case s.clock:
		s.began = traced.Now()
	}
	return ctx
}

func (s *switched) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	switch {
	case s.on:
		s.tracer.TraceQueryEnd(ctx, conn, data)
	case s.clock:
		s.took += traced.Now() - s.began
	}
}

// set switches it, and what the packages that send tell an observer.
func (s *switched) set(on, clock bool, run func() error) func() error {
	return func() error {
		s.on, s.clock = on, clock
		traced.Observe(on)
		return run()
	}
}

// BenchmarkObserved is a read with hooks, statistics and the slow log on, on the same
// connection without an observer, and with a tracer that reads the clock twice and does
// nothing else, which is the least that measuring can cost.
func BenchmarkObserved(b *testing.B) {
	ctx, plain := b.Context(), unobserved(b)
	hook := observe.HookFuncs{OnBefore: func(ctx context.Context, _ *observe.Event) context.Context { return ctx }, OnAfter: func(context.Context, *observe.Event) {}}
	o := newObserver(b, observe.Config{Hooks: []observe.Hook{hook}})
	defer traced.Observe(true)
	var s switched
	settings := pool.Config{URL: plain.Config().ConnString(), Profile: pool.Test, MaxConns: 1, Configure: func(c *pgxpool.Config) {
		o.Configure(c)
		s.tracer, c.ConnConfig.Tracer = c.ConnConfig.Tracer, &s
	}}
	p := check.Value(pool.Open(ctx, settings))(b)
	defer p.Close()
	categories := repo.New(p, shop.Categories)
	var many []shop.Category
	for i := range 1000 {
		many = append(many, category(fmt.Sprint("c", i)))
	}
	check.NoError(b, categories.CreateMany(ctx, many))
	get := func() error {
		_, err := categories.Get(ctx, many[0].ID)
		return err
	}
	find := func() error {
		_, err := categories.Find(ctx, query.Query[shop.Category]{})
		return err
	}
	for name, read := range map[string]func() error{"get": get, "find 1,000": find} {
		b.Run(name, func(b *testing.B) {
			check.Compare(b, s.set(true, false, read), check.Twin{Name: "off", Run: s.set(false, false, read)},
				check.Twin{Name: "off-again", Run: s.set(false, false, read)}, check.Twin{Name: "clock", Run: s.set(false, true, read)})
		})
	}
}

// BenchmarkHooks is what pgx's hooks take for a statement by themselves.
func BenchmarkHooks(b *testing.B) {
	hook := observe.HookFuncs{OnBefore: func(ctx context.Context, _ *observe.Event) context.Context { return ctx }, OnAfter: func(context.Context, *observe.Event) {}}
	for name, hooks := range map[string][]observe.Hook{"none": nil, "one": {hook}} {
		b.Run(name, func(b *testing.B) {
			o := newObserver(b, observe.Config{Hooks: hooks})
			var tracer pgx.QueryTracer
			p := testdb.Pool(b, shop.Schema, testdb.Configure(func(c *pgxpool.Config) {
				o.Configure(c)
				tracer = c.ConnConfig.Tracer
			}))
			conn := check.Value(p.Acquire(b.Context()))(b)
			defer conn.Release()
			ctx := request(b)
			b.ReportAllocs()
			for b.Loop() {
				ctx := tracer.TraceQueryStart(ctx, conn.Conn(), pgx.TraceQueryStartData{SQL: selectCategory})
				tracer.TraceQueryEnd(ctx, conn.Conn(), pgx.TraceQueryEndData{})
			}
		})
	}
}
