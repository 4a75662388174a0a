package observe_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
)

// hooks are pgx's hooks without a connection.
func hooks(t testing.TB) pgx.QueryTracer {
	t.Helper()
	cfg, err := pgx.ParseConfig("host=nowhere")
	check.NoError(t, err)
	observe.Attach(cfg)
	return cfg.Tracer
}

// request is a context as a request has it, with some values and deadlines.
func request(t testing.TB) context.Context {
	type key int
	ctx := t.Context()
	for i := range 4 {
		ctx = context.WithValue(ctx, key(i), i)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	t.Cleanup(cancel)
	return ctx
}

// send calls the hooks as pgx does.
func send(ctx context.Context, hooks pgx.QueryTracer, sql string) {
	ctx = hooks.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: sql})
	hooks.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{})
}

func TestCostsNothingWithoutScope(t *testing.T) {
	check.Plain(t) // the race detector allocates by itself
	tracer, ctx := hooks(t), request(t)
	if n := testing.AllocsPerRun(1000, func() { send(ctx, tracer, selectCategory) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	const calls = 100_000
	start := time.Now()
	for range calls {
		send(ctx, tracer, selectCategory)
	}
	each := time.Since(start) / calls
	t.Logf("%v a statement", each)
	if each > 2*time.Microsecond { // tens of nanoseconds; the bound is for busy machines
		t.Errorf("%v a statement", each)
	}
}

func TestStacksAreWalkedForRepeatsOnly(t *testing.T) {
	t.Parallel()
	tracer := hooks(t)
	ctx, _ := watch(t, observe.Options{})
	for i := range 100 {
		send(ctx, tracer, fmt.Sprintf("SELECT %d", i))
	}
	if n := observe.FramesNamed(tracer); n != 0 {
		t.Errorf("%d frames were named for statements that were sent once", n)
	}
	send(ctx, tracer, "SELECT 1")
	if observe.FramesNamed(tracer) == 0 {
		t.Error("the stack of a repeat was not looked at")
	}
}

// BenchmarkStatement is what the hooks take where there is no scope, and what statements take with and without them.
func BenchmarkStatement(b *testing.B) {
	b.Run("without scope", func(b *testing.B) {
		tracer, ctx := hooks(b), request(b)
		b.ReportAllocs()
		for b.Loop() {
			send(ctx, tracer, selectCategory)
		}
	})
	for name, sub := range map[string]struct {
		attached bool
		scope    func(context.Context) context.Context
	}{
		"get, not attached":        {false, plain},
		"get, attached, no scope":  {true, plain},
		"get, first in each scope": {true, nil},
		"get, repeated in a scope": {true, ignoring},
	} {
		b.Run(name, func(b *testing.B) {
			s := newBenchStore(b, sub.attached)
			ctx := request(b)
			if sub.scope != nil {
				ctx = sub.scope(ctx)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if sub.scope == nil {
					s.get(ignoring(ctx), i)
				} else {
					s.get(ctx, i)
				}
			}
		})
	}
}

func plain(ctx context.Context) context.Context { return ctx }

func ignoring(ctx context.Context) context.Context {
	return observe.WithScope(ctx, observe.Options{Policy: observe.Ignore})
}

func newBenchStore(b *testing.B, attach bool) *store {
	if attach {
		return newStore(b, 3)
	}
	return fill(b.Context(), unobserved(b), 3)
}
