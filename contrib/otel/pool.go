package otelsmrt

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/smrt-go/smrt/pool"
)

// Stater is a pool: a [pool.Pool].
type Stater interface {
	Stats() pool.Stats
}

// Pool makes the metrics of a pool, which are read from its Stats whenever metrics are
// collected: db.client.connection.count by state, .max and .timeouts. The name is their
// label db.client.connection.pool.name; pools of one process need different ones. A nil
// provider stands for that of the process.
//
// Call Unregister of what it returns when the pool is closed.
func Pool(provider metric.MeterProvider, name string, p Stater) (metric.Registration, error) {
	m := meterOf(provider)
	count, err := dbconv.NewClientConnectionCountObservable(m)
	if err != nil {
		return nil, err
	}
	limit, err := dbconv.NewClientConnectionMaxObservable(m)
	if err != nil {
		return nil, err
	}
	timeouts, err := dbconv.NewClientConnectionTimeoutsObservable(m)
	if err != nil {
		return nil, err
	}
	label := semconv.DBClientConnectionPoolName(name)
	with := func(attrs ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(attrs, label)...))
	}
	idle, used, all := with(semconv.DBClientConnectionStateIdle), with(semconv.DBClientConnectionStateUsed), with()
	return m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := p.Stats()
		o.ObserveInt64(count.Inst(), int64(s.Idle), idle)
		o.ObserveInt64(count.Inst(), int64(s.InUse), used)
		o.ObserveInt64(limit.Inst(), int64(s.Max), all)
		o.ObserveInt64(timeouts.Inst(), s.Exhausted, all)
		return nil
	}, count.Inst(), limit.Inst(), timeouts.Inst())
}
