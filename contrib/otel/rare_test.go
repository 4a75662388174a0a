package otelsmrt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
)

// TestRareAttributes are those of calls that are hard to have on purpose, from events that
// are made up.
func TestRareAttributes(t *testing.T) {
	t.Parallel()
	b := newBackend()
	h := b.hook(t, otelsmrt.Config{})
	get := observe.Name{Table: "products", Operation: "get"}
	const named = "collection.name=products operation.name=get query.summary=get products"
	for _, tc := range []struct {
		what string
		e    observe.Event
		want string
	}{
		{"an attempt", observe.Event{Name: get, Tries: 3}, named + " smrt.tx.attempt=3"},
		{"the first attempt", observe.Event{Name: get, Tries: 1, Run: 1, Callers: 1}, named},
		{"run again", observe.Event{Name: get, Run: 2}, named + " smrt.run=2"},
		{"shared", observe.Event{Name: get, Callers: 4}, named + " smrt.callers=4"},
		{"refused", observe.Event{Name: get, Outcome: observe.Refused, Err: errors.New("secret")}, strings.Replace(named, " op", " error.type=refused op", 1)},
		{"a connection", observe.Event{Name: get, Outcome: observe.Failed, Err: fmt.Errorf("secret: %w", io.ErrUnexpectedEOF)}, strings.Replace(named, " op", " error.type=connection op", 1)},
		{"others", observe.Event{Name: get, Outcome: observe.Failed, Err: errors.New("secret")}, strings.Replace(named, " op", " error.type=_OTHER op", 1)},
		{"an empty batch", observe.Event{Kind: observe.Batch, Name: observe.Name{Operation: "batch"}}, "operation.batch.size=0 operation.name=BATCH query.summary=BATCH"},
	} {
		call(h, tc.e)
		spans := b.take()
		check.Same(t, tc.what+": spans", len(spans), 1)
		check.Same(t, tc.what, listed(spans[0].Attributes), tc.want)
	}
	long := strings.Repeat("é", 200)
	call(h, observe.Event{Name: observe.Name{Query: long}, Waited: time.Second, Held: time.Minute})
	span := b.take()[0]
	check.Same(t, "a long name", span.Name, long[:254])
	check.Same(t, "waited", valueOf(span.Attributes, "smrt.waited"), "1")
	check.Same(t, "held", valueOf(span.Attributes, "smrt.held"), "60")
}

// TestServers are named by address and port, or by their socket.
func TestServers(t *testing.T) {
	t.Parallel()
	b := newBackend()
	h := b.hook(t, otelsmrt.Config{})
	for _, tc := range []struct{ node, address, port string }{
		{"db.example:5432", "db.example", "5432"},
		{"[::1]:6432", "::1", "6432"},
		{"/run/postgresql/.s.PGSQL.5432", "/run/postgresql/.s.PGSQL.5432", ""},
	} {
		call(h, observe.Event{Node: tc.node, Database: "shop"})
		attrs := b.take()[0].Attributes
		check.Same(t, tc.node, valueOf(attrs, "server.address"), tc.address)
		check.Same(t, tc.node, valueOf(attrs, "server.port"), tc.port)
		check.Same(t, tc.node, valueOf(attrs, "db.namespace"), "shop")
	}
}

// TestAfterWithoutBefore: a hook that was not told of the beginning of a call counts it,
// and leaves the span of its caller alone.
func TestAfterWithoutBefore(t *testing.T) {
	t.Parallel()
	b := newBackend()
	h := b.hook(t, otelsmrt.Config{})
	ctx, parent := b.tracer.Tracer("test").Start(context.Background(), "request")
	e := observe.Event{Name: observe.Name{Query: "ListOrders"}}
	h.After(ctx, &e)
	check.Same(t, "the caller's span goes on", parent.IsRecording(), true)
	check.Same(t, "spans", len(b.take()), 0)
	within := h.Before(ctx, &e)
	h.After(within, &e)
	h.After(within, &e)
	check.Same(t, "spans of one that ends twice", len(b.take()), 1)
	check.Same(t, "series", len(labelsOf(t, b, "db.client.operation.duration")), 1)
}

// BenchmarkHook is what a hook adds to a call, with spans that are kept and without.
func BenchmarkHook(b *testing.B) {
	back := newBackend()
	e := observe.Event{Name: observe.Name{Table: "products", Operation: "get"}, SQL: "SELECT 1", Node: "db:5432", Database: "shop", Server: time.Millisecond}
	for _, tc := range []struct {
		name string
		c    otelsmrt.Config
	}{
		{"spans and metrics", otelsmrt.Config{TracerProvider: recording(), MeterProvider: back.meter}},
		{"metrics", otelsmrt.Config{TracerProvider: neverSampled(), MeterProvider: back.meter}},
	} {
		h := check.Value(otelsmrt.New(tc.c))(b)
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				call(h, e)
			}
		})
	}
}
