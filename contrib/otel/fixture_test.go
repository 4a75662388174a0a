package otelsmrt_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/repo"
)

// alone is without reads that share statements.
var alone = repo.Options{Batching: repo.Batching{Off: true}}

func category(slug string) shop.Category { return shop.Category{Slug: slug, Name: slug} }

// backend is where telemetry arrives.
type backend struct {
	spans  *tracetest.InMemoryExporter
	tracer *sdktrace.TracerProvider
	reader *sdkmetric.ManualReader
	meter  *sdkmetric.MeterProvider
}

func newBackend() *backend {
	b := &backend{spans: tracetest.NewInMemoryExporter(), reader: sdkmetric.NewManualReader()}
	b.tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(b.spans))
	b.meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.reader))
	return b
}

// hook is a hook that reports to the backend.
func (b *backend) hook(t testing.TB, c otelsmrt.Config) *otelsmrt.Hook {
	t.Helper()
	c.TracerProvider, c.MeterProvider = b.tracer, b.meter
	return check.Value(otelsmrt.New(c))(t)
}

// take returns the spans that have ended since the last time, without what is asked of
// the catalog now and then.
func (b *backend) take() []tracetest.SpanStub {
	spans := b.spans.GetSpans()
	b.spans.Reset()
	return slices.DeleteFunc(spans, func(s tracetest.SpanStub) bool { return s.Name == "catalog" })
}

// metric returns what is recorded of a metric, nil if nothing is.
func (b *backend) metric(t testing.TB, name string) metricdata.Aggregation {
	t.Helper()
	var all metricdata.ResourceMetrics
	check.NoError(t, b.reader.Collect(context.Background(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				return m.Data
			}
		}
	}
	return nil
}

// open opens a pool on a shop of its own that is observed with the hooks, beside other
// tracers.
func open(t testing.TB, c observe.Config, conns int32, others ...pgx.QueryTracer) *pool.Pool {
	t.Helper()
	o := check.Value(observe.New(c))(t)
	below := testdb.Pool(t, shop.Schema)
	mode := below.Config().ConnConfig.DefaultQueryExecMode
	p := check.Value(pool.Open(t.Context(), pool.Config{
		URL: below.Config().ConnString(), Profile: pool.Test, MaxConns: conns,
		Configure: func(c *pgxpool.Config) {
			c.ConnConfig.DefaultQueryExecMode = mode
			for _, other := range others {
				c.ConnConfig.Tracer = other
			}
			o.Configure(c)
		},
	}))(t)
	t.Cleanup(p.Close)
	return p
}

// listed are attributes in the form key=value, without those that are the same in all
// spans of a server, those that time decides, and texts, of which the first words are
// enough.
func listed(attrs []attribute.KeyValue) string {
	var out []string
	for _, a := range attrs {
		key, value := string(a.Key), a.Value.String()
		switch key {
		case "db.system.name", "db.namespace", "server.address", "server.port", "smrt.waited", "smrt.held":
			continue
		case "db.query.text":
			value = strings.Join(strings.Fields(strings.ReplaceAll(value, `"`, ""))[:1], " ")
		}
		out = append(out, fmt.Sprintf("%s=%s", strings.TrimPrefix(key, "db."), value))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// valueOf returns an attribute.
func valueOf(attrs []attribute.KeyValue, key string) string {
	for _, a := range attrs {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// recording makes spans that go nowhere.
func recording() *sdktrace.TracerProvider { return sdktrace.NewTracerProvider() }

// neverSampled makes spans that are not sampled.
func neverSampled() *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
}
