package otelsmrt

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/smrt-go/smrt/observe"
)

// transactions are the instruments for transactions.
type transactions struct {
	duration metric.Float64Histogram
	idle     metric.Float64Counter
	retries  metric.Int64Counter

	ofEndings, ofIdle, ofRetries series
}

// make makes the instruments.
func (all *transactions) make(m metric.Meter) (err error) {
	all.duration, err = m.Float64Histogram("smrt.client.transaction.duration", metric.WithUnit("s"),
		metric.WithDescription("Transactions, from the beginning to the end."), metric.WithExplicitBucketBoundaries(
			0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60))
	if err != nil {
		return err
	}
	all.idle, err = m.Float64Counter("smrt.client.transaction.idle_time", metric.WithUnit("s"),
		metric.WithDescription("Time of transactions in which they were open without a call."))
	if err != nil {
		return err
	}
	all.retries, err = m.Int64Counter("smrt.client.transaction.retries", metric.WithUnit("{transaction}"),
		metric.WithDescription("Transactions that were made because the attempt before failed, by the SQLSTATE of that."))
	return err
}

// outcomeOf returns how a transaction ended.
func outcomeOf(e *observe.Event) string {
	switch {
	case e.Name.Operation != "commit":
		return "rolled_back"
	case e.Outcome != observe.OK:
		return "in_doubt"
	}
	return "committed"
}

// transaction records a transaction that has ended, and makes its span, which has the
// parent that its statements have.
func (h *Hook) transaction(ctx context.Context, e *observe.Event) {
	open, how := e.Server+e.Held, outcomeOf(e)
	now := time.Now()
	attrs := append(h.began(e, name{}), attribute.String("smrt.tx.outcome", how))
	_, span := h.tracer.Start(ctx, "transaction", trace.WithTimestamp(now.Add(-open)), trace.WithAttributes(attrs...))
	if span.IsRecording() {
		span.SetAttributes(h.ended(ctx, e)...)
		if e.Outcome != observe.OK {
			span.SetStatus(codes.Error, errorType(ctx, e))
		}
	}
	h.metrics.transaction(trace.ContextWithSpan(ctx, span), e, how)
	span.End(trace.WithTimestamp(now))
}

// transaction records a transaction that has ended.
func (m *metrics) transaction(ctx context.Context, e *observe.Event, how string) {
	k := seriesKey{node: e.Node, database: e.Database}
	m.tx.idle.Add(ctx, e.Held.Seconds(), metric.WithAttributeSet(m.of(ctx, &m.tx.ofIdle, k)))
	if e.Tries > 1 {
		k.state = e.Cause
		m.tx.retries.Add(ctx, 1, metric.WithAttributeSet(m.of(ctx, &m.tx.ofRetries, k)))
	}
	k.state, k.outcome = "", how
	m.tx.duration.Record(ctx, (e.Server + e.Held).Seconds(), metric.WithAttributeSet(m.of(ctx, &m.tx.ofEndings, k)))
}
