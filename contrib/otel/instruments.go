package otelsmrt

import "go.opentelemetry.io/otel/metric"

// durations are the buckets of what takes time, in seconds. Those of the conventions begin
// at 1 ms, which is more than most calls take.
var durations = []float64{
	0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
}

// instruments makes them, and keeps the first error.
type instruments struct {
	meter metric.Meter
	all   []metric.Observable
	err   error
}

func (m *instruments) gauge(name, unit, what string) metric.Int64ObservableGauge {
	g, err := m.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(what))
	m.keep(g, err)
	return g
}

func (m *instruments) counter(name, unit, what string) metric.Int64ObservableCounter {
	c, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
	m.keep(c, err)
	return c
}

func (m *instruments) keep(o metric.Observable, err error) {
	if m.all = append(m.all, o); m.err == nil {
		m.err = err
	}
}
