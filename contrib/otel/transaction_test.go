package otelsmrt_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/txn"
)

// TestTransactionsAreMeasured: a transaction is a span as long as it was open, beside those
// of its statements, and is in the metrics by how it ended.
func TestTransactionsAreMeasured(t *testing.T) {
	t.Parallel()
	b := newBackend()
	p := open(t, observe.Config{Hooks: []observe.Hook{b.hook(t, otelsmrt.Config{})}}, 1)
	ctx, parent := b.tracer.Tracer("test").Start(t.Context(), "request")
	defer parent.End()
	attempts := 0
	err := txn.Run(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		attempts++
		sql := "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"
		if attempts > 1 {
			sql = "SELECT pg_sleep(0.02)"
			time.Sleep(20 * time.Millisecond)
		}
		_, err := tx.Exec(ctx, sql)
		return err
	})
	check.NoError(t, err)
	check.Error(t, "given up", txn.Run(ctx, p, func(context.Context, pgx.Tx) error { return errStop }), errStop)
	var got []string
	for _, s := range b.take() {
		if s.Name != "transaction" {
			continue
		}
		got = append(got, fmt.Sprint(s.Status.Code == codes.Error, " ", listed(s.Attributes)))
		check.Same(t, "kind", s.SpanKind, trace.SpanKindInternal)
		check.Same(t, "parent", s.Parent.SpanID(), parent.SpanContext().SpanID())
		if valueOf(s.Attributes, "smrt.tx.attempt") != "" && s.EndTime.Sub(s.StartTime) < 40*time.Millisecond {
			t.Errorf("a span is %v long", s.EndTime.Sub(s.StartTime))
		}
	}
	check.Equal(t, "spans", got, []string{
		"true error.type=40001 response.status_code=40001 smrt.tx.outcome=rolled_back",
		"false smrt.tx.attempt=2 smrt.tx.outcome=committed",
		"false smrt.tx.outcome=rolled_back",
	})
	counts := map[string]uint64{}
	for _, point := range b.metric(t, "smrt.client.transaction.duration").(metricdata.Histogram[float64]).DataPoints {
		counts[listed(point.Attributes.ToSlice())] = point.Count
	}
	check.Equal(t, "transactions", counts, map[string]uint64{"smrt.tx.outcome=committed": 1, "smrt.tx.outcome=rolled_back": 2})
	for _, point := range b.metric(t, "db.client.operation.duration").(metricdata.Histogram[float64]).DataPoints {
		if labels := listed(point.Attributes.ToSlice()); labels == "operation.name=commit query.summary=commit" {
			check.Same(t, "calls of COMMIT", point.Count, 1)
		}
	}
	retries := b.metric(t, "smrt.client.transaction.retries").(metricdata.Sum[int64]).DataPoints
	check.Same(t, "reasons to try again", len(retries), 1)
	check.Same(t, "reason", listed(retries[0].Attributes.ToSlice()), "response.status_code=40001")
	idle := b.metric(t, "smrt.client.transaction.idle_time").(metricdata.Sum[float64]).DataPoints[0].Value
	check.Same(t, "idle for some time", idle >= 0.02, true)
}

// errStop is an error of a program.
var errStop = errors.New("stop")

// TestCommitsInDoubt are told from others.
func TestCommitsInDoubt(t *testing.T) {
	t.Parallel()
	b := newBackend()
	h := b.hook(t, otelsmrt.Config{})
	h.After(t.Context(), &observe.Event{
		Kind: observe.Transaction, Name: observe.Name{Operation: "commit"}, Outcome: observe.Failed, Err: context.Canceled,
		Node: "db:5432", Database: "app", Server: time.Second,
	})
	check.Same(t, "span", listed(b.take()[0].Attributes), "error.type=_OTHER smrt.tx.outcome=in_doubt")
	check.Same(t, "metric", listed(b.metric(t, "smrt.client.transaction.duration").(metricdata.Histogram[float64]).DataPoints[0].Attributes.ToSlice()), "smrt.tx.outcome=in_doubt")
}
