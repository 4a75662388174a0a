package otelsmrt_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/repo"
)

// isShared reports whether a span is that of a statement that three calls or more have
// shared, of whom one has a span at least.
func isShared(s tracetest.SpanStub) bool {
	callers, _ := strconv.Atoi(valueOf(s.Attributes, "smrt.callers"))
	return callers > 2
}

// TestSharedReadsAreLinked: each caller of a shared read has a span of its own below that of
// its context, which is linked with that of the statement. Callers without a span have none.
func TestSharedReadsAreLinked(t *testing.T) {
	t.Parallel()
	b := newBackend()
	p := open(t, observe.Config{Hooks: []observe.Hook{b.hook(t, otelsmrt.Config{})}}, 1)
	categories := repo.New(p, shop.Categories, repo.Options{Batching: repo.Batching{MaxInFlight: 1}})
	c := category("c")
	check.NoError(t, categories.Create(t.Context(), &c))
	var shared tracetest.SpanStub
	var spans []tracetest.SpanStub
	requests := map[trace.SpanID]trace.TraceID{}
	for end := time.Now().Add(testdb.Patience(20 * time.Second)); !shared.SpanContext.IsValid(); {
		if time.Now().After(end) {
			t.Fatal("no read was shared")
		}
		b.take()
		clear(requests)
		conn := check.Value(p.Acquire(t.Context()))(t)
		var wg sync.WaitGroup
		for i := range 6 {
			ctx := context.WithoutCancel(t.Context())
			if i < 4 {
				var span trace.Span
				ctx, span = b.tracer.Tracer("test").Start(ctx, fmt.Sprint("request ", i))
				requests[span.SpanContext().SpanID()] = span.SpanContext().TraceID()
			}
			wg.Go(func() { check.Value(categories.Get(ctx, c.ID))(t) })
		}
		time.Sleep(time.Millisecond)
		conn.Release()
		wg.Wait()
		spans = b.take()
		if i := slices.IndexFunc(spans, isShared); i >= 0 {
			shared = spans[i]
		}
	}
	check.Same(t, "parent of the shared one", shared.Parent.IsValid(), false)
	linked := map[trace.SpanID]bool{}
	for _, l := range shared.Links {
		linked[l.SpanContext.SpanID()] = true
	}
	found := 0
	for _, s := range spans {
		if s.SpanKind != trace.SpanKindInternal {
			continue
		}
		found++
		check.Same(t, "name", s.Name, "get categories")
		check.Same(t, "attributes", listed(s.Attributes), "collection.name=categories operation.name=get query.summary=get categories smrt.shared=true")
		check.Same(t, "trace of a caller", s.SpanContext.TraceID(), requests[s.Parent.SpanID()])
		check.Same(t, "link to the statement", s.Links[0].SpanContext.SpanID(), shared.SpanContext.SpanID())
		check.Same(t, "link from the statement", linked[s.SpanContext.SpanID()], true)
		check.Same(t, "begins when the statement does, or later", s.EndTime.Before(s.StartTime), false)
	}
	check.Same(t, "spans of callers", found, len(shared.Links))
}
