package otelsmrt_test

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
)

// greedy is a tracer of pgx that makes spans, and ends the span that it finds in the
// context, as some do.
type greedy struct{ tracer trace.Tracer }

func (g greedy) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	ctx, _ = g.tracer.Start(ctx, "greedy")
	return ctx
}

func (g greedy) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	trace.SpanFromContext(ctx).End()
}

// counter counts how often spans of a name began, and how often End of one had an effect.
type counter struct {
	mu           sync.Mutex
	began, ended map[string]int
}

// OnStart implements sdktrace.SpanProcessor.
func (c *counter) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) { c.count(c.began, s.Name()) }

// OnEnd implements sdktrace.SpanProcessor.
func (c *counter) OnEnd(s sdktrace.ReadOnlySpan) { c.count(c.ended, s.Name()) }

// Shutdown implements sdktrace.SpanProcessor.
func (c *counter) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (c *counter) ForceFlush(context.Context) error { return nil }

func (c *counter) count(counts map[string]int, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts[name]++
}

// TestTwoTracersWithSpans in one chain: each ends its own spans, those of the hooks after
// all hooks of After have run and not when the other tracer ends.
func TestTwoTracersWithSpans(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newBackend()
	c := &counter{began: map[string]int{}, ended: map[string]int{}}
	b.tracer.RegisterSpanProcessor(c)
	hooks := []observe.Hook{b.hook(t, otelsmrt.Config{}), b.hook(t, otelsmrt.Config{})}
	p := open(t, observe.Config{Hooks: hooks}, 1, greedy{b.tracer.Tracer("greedy")})
	b.take()
	clear(c.began)
	clear(c.ended)
	const calls = 3
	for range calls {
		_, err := p.Exec(ctx, "SELECT 1/$1::int", 0)
		check.Same(t, "an error", err != nil, true)
	}
	want := map[string]int{"raw": 2 * calls, "greedy": calls}
	check.Equal(t, "began", c.began, want)
	check.Equal(t, "ended", c.ended, want)
	for _, s := range b.take() {
		if s.Name == "raw" { // nobody ended it before its error was known
			check.Same(t, "SQLSTATE", valueOf(s.Attributes, "db.response.status_code"), "22012")
		}
	}
}
