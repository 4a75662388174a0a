package otelsmrt_test

import (
	"context"
	"fmt"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
)

// The table that the examples use.
type Category struct {
	ID         int64
	Slug, Name string
}

var Categories = query.NewTable("categories", func(c *Category) *int64 { return &c.ID })

// connect opens a pool whose calls make spans and metrics.
func connect(ctx context.Context, url string, c otelsmrt.Config) (*pool.Pool, error) {
	telemetry, err := otelsmrt.New(c) // Config{} uses the providers of the process
	if err != nil {
		return nil, err
	}
	observer, err := observe.New(observe.Config{Hooks: []observe.Hook{telemetry}})
	if err != nil {
		return nil, err
	}
	return pool.Open(ctx, pool.Config{URL: url, Configure: observer.Configure})
}

// Spans arrive at an exporter, which here keeps them. A program has one that sends them.
func Example() {
	ctx := context.Background()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	telemetry, err := otelsmrt.New(otelsmrt.Config{TracerProvider: provider})
	if err != nil {
		panic(err)
	}
	observer, err := observe.New(observe.Config{Hooks: []observe.Hook{telemetry}})
	if err != nil {
		panic(err)
	}
	db, err := pool.Open(ctx, pool.Config{URL: dsn(), Configure: observer.Configure})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	categories := repo.New(db, Categories)
	for range 2 { // the second has the same slug
		_ = categories.Create(ctx, &Category{Slug: "maps", Name: "Maps"})
	}
	if _, err := categories.Find(ctx, query.Query[Category]{}); err != nil {
		panic(err)
	}

	for _, span := range exporter.GetSpans() {
		if span.Name != "catalog" { // what smrt asks about a table when it is first used
			fmt.Println(span.Name, span.Status.Code)
		}
	}
	// Output:
	// create categories Unset
	// create categories Error
	// find categories Unset
}

// Metrics are collected by a reader, which here is read by hand.
func ExampleNew_metrics() {
	ctx := context.Background()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	db, err := connect(ctx, dsn(), otelsmrt.Config{MeterProvider: provider})
	if err != nil {
		panic(err)
	}
	defer db.Close()

	categories := repo.New(db, Categories)
	for _, slug := range []string{"maps", "globes"} {
		if err := categories.Create(ctx, &Category{Slug: slug, Name: slug}); err != nil {
			panic(err)
		}
	}

	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		panic(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if m.Name != "db.client.operation.duration" {
			continue
		}
		for _, point := range m.Data.(metricdata.Histogram[float64]).DataPoints {
			if summary, _ := point.Attributes.Value("db.query.summary"); summary.AsString() == "create categories" {
				fmt.Println(m.Name, summary.AsString(), point.Count)
			}
		}
	}
	// Output:
	// db.client.operation.duration create categories 2
}

// The gauges of a pool are read when metrics are collected.
func ExamplePool() {
	ctx := context.Background()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	db, err := pool.Open(ctx, pool.Config{URL: dsn(), MaxConns: 4})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	gauges, err := otelsmrt.Pool(provider, "shop", db)
	if err != nil {
		panic(err)
	}
	defer func() { _ = gauges.Unregister() }()

	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		panic(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if sum := m.Data.(metricdata.Sum[int64]); m.Name == "db.client.connection.max" {
			fmt.Println(m.Name, sum.DataPoints[0].Value)
		}
	}
	// Output:
	// db.client.connection.max 4
}
