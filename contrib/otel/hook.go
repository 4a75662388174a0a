package otelsmrt

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/smrt-go/smrt/observe"
)

// Hook is an [observe.Hook] that makes spans and metrics. It is safe for concurrent
// use.
type Hook struct {
	config  Config
	tracer  trace.Tracer
	metrics *metrics
}

var _ observe.Hook = (*Hook)(nil)

// New returns a Hook, or the error of the meter that cannot make an instrument.
func New(c Config) (*Hook, error) {
	m, err := newMetrics(meterOf(c.MeterProvider))
	if err != nil {
		return nil, fmt.Errorf("otelsmrt: metrics: %w", err)
	}
	return &Hook{config: c, tracer: tracerOf(c.TracerProvider), metrics: m}, nil
}

// callKey is the key under which a hook finds in a context what it began there. It is
// of one hook, so that two of them end what is theirs.
type callKey struct{ hook *Hook }

// call is a call under way.
type call struct {
	span  trace.Span
	ended bool
	queue queue
}

// Before implements [observe.Hook]. It begins a span.
//
// The span is not put into the context. A tracer that takes the span of the context for
// its own, and ends it, would end this one.
func (h *Hook) Before(ctx context.Context, e *observe.Event) context.Context {
	n := nameOf(e)
	_, span := h.tracer.Start(ctx, n.span(), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(h.began(e, n)...))
	return context.WithValue(ctx, callKey{h}, &call{span: span})
}

// began returns the attributes that are known before the call. Those that samplers look
// at are among them.
func (h *Hook) began(e *observe.Event, n name) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 12)
	attrs = append(attrs, semconv.DBSystemNamePostgreSQL)
	attrs = appendServer(attrs, e.Node, e.Database)
	attrs = n.append(attrs)
	attrs = h.appendText(attrs, e)
	if e.Kind == observe.Batch && e.Size != 1 {
		attrs = append(attrs, semconv.DBOperationBatchSize(e.Size))
	}
	if e.Waited > 0 {
		attrs = append(attrs, attribute.Float64("smrt.waited", e.Waited.Seconds()))
	}
	if e.Tries > 1 {
		attrs = append(attrs, attribute.Int("smrt.tx.attempt", e.Tries))
	}
	if e.Run > 1 {
		attrs = append(attrs, attribute.Int("smrt.run", e.Run))
	}
	return h.appendArgs(attrs, e)
}

// After implements [observe.Hook]. It ends the span and records the call. A statement of
// a batch has neither span nor time: what is known of it is kept for the batch.
func (h *Hook) After(ctx context.Context, e *observe.Event) {
	if e.Kind == observe.Transaction {
		h.transaction(ctx, e)
		return
	}
	c, _ := ctx.Value(callKey{h}).(*call)
	if e.Kind == observe.Queued {
		if c != nil && !c.ended {
			c.queue.add(e)
		}
		h.metrics.rows(ctx, e, nameOf(e))
		return
	}
	n := nameOf(e)
	if c == nil || c.ended { // its Before was not called
		h.metrics.record(ctx, e, n)
		return
	}
	if e.Kind == observe.Batch {
		n = h.rename(c, e)
	}
	h.metrics.record(trace.ContextWithSpan(ctx, c.span), e, n) // its exemplars are of this span
	h.end(ctx, c, e)
}

// rename names a batch by its statements, now that they are known.
func (h *Hook) rename(c *call, e *observe.Event) name {
	n := c.queue.name(e)
	if !c.span.IsRecording() {
		return n
	}
	c.span.SetName(n.span())
	attrs := n.append(nil)
	if c.queue.sameText() && c.queue.n == e.Size {
		attrs = h.appendText(attrs, &c.queue.first)
	}
	if e.Size == 1 {
		attrs = h.appendArgs(attrs, &c.queue.first)
	}
	c.span.SetAttributes(attrs...)
	return n
}

// end ends the span of a call.
func (h *Hook) end(ctx context.Context, c *call, e *observe.Event) {
	c.ended = true
	if len(e.Sharers) > 0 {
		h.link(c, e)
	}
	if c.span.IsRecording() {
		c.span.SetAttributes(h.ended(ctx, e)...)
		if e.Outcome != observe.OK {
			c.span.SetStatus(codes.Error, errorType(ctx, e)) // what the error says may have values in it
		}
	}
	c.span.End()
}

// link gives each call that shared a statement a span of its own, which has the parent that
// its statement would have had, and links the two.
func (h *Hook) link(c *call, e *observe.Event) {
	n, now := nameOf(e), time.Now()
	began := now.Add(-e.Total() - e.Held)
	attrs := append(n.append([]attribute.KeyValue{semconv.DBSystemNamePostgreSQL}), attribute.Bool("smrt.shared", true))
	for _, ctx := range e.Sharers {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			continue
		}
		_, span := h.tracer.Start(ctx, n.span(), trace.WithTimestamp(began), trace.WithAttributes(attrs...),
			trace.WithLinks(trace.Link{SpanContext: c.span.SpanContext()}))
		if e.Outcome != observe.OK {
			span.SetStatus(codes.Error, errorType(ctx, e))
		}
		c.span.AddLink(trace.Link{SpanContext: span.SpanContext()})
		span.End(trace.WithTimestamp(now))
	}
}

// ended returns the attributes that are known after the call.
func (h *Hook) ended(ctx context.Context, e *observe.Event) []attribute.KeyValue {
	var attrs []attribute.KeyValue
	if e.SQLState != "" {
		attrs = append(attrs, semconv.DBResponseStatusCode(e.SQLState))
	}
	if e.Outcome != observe.OK {
		attrs = append(attrs, semconv.ErrorTypeKey.String(errorType(ctx, e)))
	}
	if h.config.Rows && returnsRows(e) {
		attrs = append(attrs, semconv.DBResponseReturnedRows(int(e.Rows)))
	}
	if e.Held > 0 {
		attrs = append(attrs, attribute.Float64("smrt.held", e.Held.Seconds()))
	}
	if e.Callers > 1 {
		attrs = append(attrs, attribute.Int("smrt.callers", e.Callers))
	}
	return attrs
}

// Limits of what attributes hold.
const (
	maxText  = 8 << 10
	maxArgs  = 64
	maxValue = 1 << 10
)

// appendText appends the text of a statement. From SQL that has no name literals are
// taken out; what smrt and sqlc wrote is constant.
func (h *Hook) appendText(attrs []attribute.KeyValue, e *observe.Event) []attribute.KeyValue {
	if h.config.NoText || e.SQL == "" {
		return attrs
	}
	text := e.SQL
	if e.Name == (observe.Name{}) {
		text = observe.WithoutLiterals(clip(text, maxText))
	}
	return append(attrs, semconv.DBQueryText(clip(text, maxText)))
}

// appendArgs appends the arguments of a statement, by their positions from 0.
func (h *Hook) appendArgs(attrs []attribute.KeyValue, e *observe.Event) []attribute.KeyValue {
	if !h.config.Parameters {
		return attrs
	}
	args := e.Args
	for len(args) > 0 && isOption(args[0]) {
		args = args[1:]
	}
	for i, a := range args[:min(len(args), maxArgs)] {
		attrs = append(attrs, semconv.DBQueryParameter(strconv.Itoa(i), clip(fmt.Sprint(a), maxValue)))
	}
	return attrs
}

// isOption reports whether an argument is none of the statement but one of pgx's
// options, which come first.
func isOption(a any) bool {
	switch a.(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		return true
	}
	_, rewrites := a.(pgx.QueryRewriter)
	return rewrites
}

// clip cuts off what is longer than n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
