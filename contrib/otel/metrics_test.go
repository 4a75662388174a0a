package otelsmrt_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace/noop"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// TestMetrics are what a reader reads after calls of several kinds.
func TestMetrics(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newBackend()
	p := open(t, observe.Config{Hooks: []observe.Hook{b.hook(t, otelsmrt.Config{})}}, 1)
	categories := repo.New(p, shop.Categories, alone)
	check.NoError(t, categories.CreateMany(ctx, []shop.Category{category("a"), category("b"), category("c")}))
	for range 2 {
		check.Value(categories.Find(ctx, query.Query[shop.Category]{}))(t)
	}
	for range 3 {
		_ = categories.Create(ctx, &shop.Category{Slug: "a", Name: "a"})
	}
	var batch pgx.Batch
	batch.Queue("SELECT 1")
	batch.Queue("SELECT 2")
	check.NoError(t, p.SendBatch(ctx, &batch).Close())
	expired, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err := p.Exec(expired, "-- name: Slow :exec\nSELECT pg_sleep(30)")
	check.Error(t, "slow", err, context.DeadlineExceeded)

	counts := map[string]uint64{}
	for _, point := range b.metric(t, "db.client.operation.duration").(metricdata.Histogram[float64]).DataPoints {
		counts[listed(point.Attributes.ToSlice())] = point.Count
		check.Same(t, "first bucket", point.Bounds[0], 0.0001)
		check.Same(t, "last bucket", point.Bounds[len(point.Bounds)-1], 10.0)
	}
	for labels, want := range map[string]uint64{
		"collection.name=categories operation.name=find query.summary=find categories":                       2,
		"collection.name=categories error.type=failed operation.name=create query.summary=create categories": 3,
		"operation.name=BATCH query.summary=BATCH":                                                           1,
		"error.type=cancelled query.summary=Slow":                                                            1,
	} {
		check.Same(t, labels, counts[labels], want)
	}
	for _, point := range b.metric(t, "db.client.response.returned_rows").(metricdata.Histogram[int64]).DataPoints {
		check.Same(t, "who returned rows", valueOf(point.Attributes.ToSlice(), "db.query.summary"), "find categories")
		check.Same(t, "rows", point.Sum, 6)
	}
	failed := b.metric(t, "smrt.client.errors").(metricdata.Sum[int64]).DataPoints
	check.Same(t, "kinds of errors", len(failed), 1)
	check.Same(t, "errors", failed[0].Value, 3)
	check.Same(t, "SQLSTATE", valueOf(failed[0].Attributes.ToSlice(), "db.response.status_code"), "23505")
}

// TestLabelsAreBounded by names, servers and outcomes, whatever the calls have in them.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	rng := check.Random(t)
	b := newBackend()
	h := check.Value(otelsmrt.New(otelsmrt.Config{TracerProvider: noop.NewTracerProvider(), MeterProvider: b.meter}))(t)
	operations := []string{"get", "find", "create", "update", "delete"}
	const tables, nodes = 50, 3
	for range 100_000 {
		call(h, randomEvent(rng, operations, tables, nodes))
	}
	bound := tables * len(operations) * nodes * 4
	for _, name := range []string{"db.client.operation.duration", "db.client.response.returned_rows", "smrt.client.errors"} {
		points := labelsOf(t, b, name)
		if len(points) > min(bound, otelsmrt.MaxSeries) {
			t.Errorf("%s has %d series, at most %d", name, len(points), min(bound, otelsmrt.MaxSeries))
		}
		for _, labels := range points {
			if strings.Contains(labels, "tenant") {
				t.Errorf("%s has the label %s", name, labels)
			}
		}
	}
}

// randomEvent is a call of one of a thousand tenants, who are in its text, its arguments
// and its error.
func randomEvent(rng *rand.Rand, operations []string, tables, nodes int) observe.Event {
	tenant := fmt.Sprint("tenant", rng.IntN(1000))
	e := observe.Event{
		Name: observe.Name{Table: fmt.Sprint("t", rng.IntN(tables)), Operation: operations[rng.IntN(len(operations))]},
		SQL:  "SELECT '" + tenant + "'", Args: []any{tenant}, Shape: rng.Uint64(), Rows: rng.Int64N(10),
		Node: fmt.Sprintf("db%d:5432", rng.IntN(nodes)), Database: "app", Run: 1, Callers: 1,
		Outcome: observe.Outcome(rng.IntN(4)), Server: time.Duration(rng.IntN(1e9)),
	}
	if e.Outcome != observe.OK {
		e.Err = fmt.Errorf("no such row: %s", tenant)
	}
	if e.Outcome == observe.Failed {
		e.SQLState = []string{"23505", "40001", ""}[rng.IntN(3)]
	}
	return e
}

// call tells a hook of a call.
func call(h *otelsmrt.Hook, e observe.Event) {
	h.After(h.Before(context.Background(), &e), &e)
}

// labelsOf returns the labels of each series of a metric.
func labelsOf(t *testing.T, b *backend, name string) (all []string) {
	t.Helper()
	switch data := b.metric(t, name).(type) {
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			all = append(all, fmt.Sprint(p.Attributes.ToSlice()))
		}
	case metricdata.Histogram[int64]:
		for _, p := range data.DataPoints {
			all = append(all, fmt.Sprint(p.Attributes.ToSlice()))
		}
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			all = append(all, fmt.Sprint(p.Attributes.ToSlice()))
		}
	}
	return all
}

// TestSeriesHaveALimit: names that a program makes up as it goes share one series from the
// limit on, and are counted.
func TestSeriesHaveALimit(t *testing.T) {
	t.Parallel()
	b := newBackend()
	h := b.hook(t, otelsmrt.Config{})
	const calls = 3000
	for i := range calls {
		call(h, observe.Event{Name: observe.Name{Query: fmt.Sprint("Query", i)}, Node: "/tmp/.s.PGSQL.5432", Database: "app", Server: time.Millisecond})
	}
	points := b.metric(t, "db.client.operation.duration").(metricdata.Histogram[float64]).DataPoints
	check.Same(t, "series", len(points), otelsmrt.MaxSeries)
	var sum, others uint64
	for _, p := range points {
		sum += p.Count
		if valueOf(p.Attributes.ToSlice(), "db.query.summary") == "other" {
			others = p.Count
		}
	}
	check.Same(t, "calls in all", sum, calls)
	check.Same(t, "calls of others", others, calls-otelsmrt.MaxSeries+1)
	check.Same(t, "overflow", b.metric(t, "smrt.client.series.overflow").(metricdata.Sum[int64]).DataPoints[0].Value, int64(others))
}
