package otelsmrt

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name of the instrumentation.
const scope = "github.com/smrt-go/smrt/contrib/otel"

// Config says what a [Hook] makes. The zero value makes spans and metrics with the
// providers of the process.
type Config struct {
	// TracerProvider makes the spans. Default: otel.GetTracerProvider. For no spans,
	// give that of package go.opentelemetry.io/otel/trace/noop.
	TracerProvider trace.TracerProvider

	// MeterProvider makes the metrics. Default: otel.GetMeterProvider. For no metrics,
	// give that of package go.opentelemetry.io/otel/metric/noop.
	MeterProvider metric.MeterProvider

	// NoText leaves db.query.text out of spans.
	NoText bool

	// Rows adds db.response.returned_rows to spans of reads by repositories.
	Rows bool

	// Parameters adds the arguments of statements to spans, which may be secrets. The
	// observer must have them: Args of observe.Config. Of each argument there are at
	// most 1,024 bytes, and of a statement the first 64.
	Parameters bool
}

func tracerOf(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = otel.GetTracerProvider()
	}
	return p.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
}

func meterOf(p metric.MeterProvider) metric.Meter {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	return p.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
}
