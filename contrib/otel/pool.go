package otelsmrt

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/smrt-go/smrt/pool"
)

// Stater is a pool: a [pool.Pool].
type Stater interface {
	Stats() pool.Stats
	Classes() []pool.ClassStats
	Watch(t pool.Times) (stop func())
}

// Pool makes the metrics of a pool. The name is their label db.client.connection.pool.name;
// pools of one process need different ones. A nil provider stands for that of the process.
//
// Read from the pool whenever metrics are collected are db.client.connection.count by state,
// .max, .idle.min, .pending_requests and .timeouts; and of each of its classes, with the label
// smrt.pool.class, smrt.pool.class.connections, .max, .pending_requests, .waits and .refused.
//
// The histograms db.client.connection.wait_time, .use_time and .create_time are told of each
// connection when it is lent, given back or opened, for which a call of the pool reads the
// clock twice. Connections that were lent without a wait have a wait_time of 0.
//
// Call Unregister of what it returns when the pool is closed.
func Pool(provider metric.MeterProvider, name string, p Stater) (metric.Registration, error) {
	m := meterOf(provider)
	label := semconv.DBClientConnectionPoolName(name)
	gauges, err := newPoolGauges(m, label)
	if err != nil {
		return nil, err
	}
	times, err := newPoolTimes(m, attribute.NewSet(label))
	if err != nil {
		return nil, err
	}
	registered, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		gauges.observe(o, p)
		return nil
	}, gauges.all...)
	if err != nil {
		return nil, err
	}
	return poolRegistration{registered, p.Watch(times)}, nil
}

// poolRegistration is what to undo when a pool is closed.
type poolRegistration struct {
	metric.Registration
	stop func() // watching
}

// Unregister implements metric.Registration.
func (r poolRegistration) Unregister() error {
	r.stop()
	return r.Registration.Unregister()
}

// poolGauges are the instruments that are read from a pool.
type poolGauges struct {
	instruments
	label attribute.KeyValue

	count    dbconv.ClientConnectionCountObservable
	limit    dbconv.ClientConnectionMaxObservable
	idleMin  dbconv.ClientConnectionIdleMinObservable
	pending  dbconv.ClientConnectionPendingRequestsObservable
	timeouts dbconv.ClientConnectionTimeoutsObservable

	used, most, waiting, waits, refused metric.Int64Observable // of classes
}

func newPoolGauges(m metric.Meter, label attribute.KeyValue) (*poolGauges, error) {
	g := &poolGauges{instruments: instruments{meter: m}, label: label}
	var err error
	if g.count, err = dbconv.NewClientConnectionCountObservable(m); err != nil {
		return nil, err
	}
	if g.limit, err = dbconv.NewClientConnectionMaxObservable(m); err != nil {
		return nil, err
	}
	if g.idleMin, err = dbconv.NewClientConnectionIdleMinObservable(m); err != nil {
		return nil, err
	}
	if g.pending, err = dbconv.NewClientConnectionPendingRequestsObservable(m); err != nil {
		return nil, err
	}
	if g.timeouts, err = dbconv.NewClientConnectionTimeoutsObservable(m); err != nil {
		return nil, err
	}
	for _, o := range []metric.Observable{g.count.Inst(), g.limit.Inst(), g.idleMin.Inst(), g.pending.Inst(), g.timeouts.Inst()} {
		g.keep(o, nil)
	}
	g.used = g.gauge("smrt.pool.class.connections", "{connection}", "Connections that calls of a class have.")
	g.most = g.gauge("smrt.pool.class.max", "{connection}", "Most connections of a class, as configured.")
	g.waiting = g.gauge("smrt.pool.class.pending_requests", "{request}", "Calls that wait for one of them.")
	g.waits = g.counter("smrt.pool.class.waits", "{request}", "Calls that have waited for one of them.")
	g.refused = g.counter("smrt.pool.class.refused", "{request}", "Calls that have waited for too long.")
	return g, g.err
}

// observe reads a pool.
func (g *poolGauges) observe(o metric.Observer, p Stater) {
	with := func(attrs ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(attrs, g.label)...))
	}
	s, all := p.Stats(), with()
	pending := s.Waiting
	for _, c := range p.Classes() {
		pending += int64(c.Waiting)
		of := with(attribute.String("smrt.pool.class", c.Name))
		o.ObserveInt64(g.used, int64(c.InUse), of)
		o.ObserveInt64(g.most, int64(c.Max), of)
		o.ObserveInt64(g.waiting, int64(c.Waiting), of)
		o.ObserveInt64(g.waits, c.Waits, of)
		o.ObserveInt64(g.refused, c.Refused, of)
	}
	o.ObserveInt64(g.count.Inst(), int64(s.Idle), with(semconv.DBClientConnectionStateIdle))
	o.ObserveInt64(g.count.Inst(), int64(s.InUse), with(semconv.DBClientConnectionStateUsed))
	o.ObserveInt64(g.limit.Inst(), int64(s.Max), all)
	o.ObserveInt64(g.idleMin.Inst(), int64(s.MinIdle), all)
	o.ObserveInt64(g.pending.Inst(), pending, all)
	o.ObserveInt64(g.timeouts.Inst(), s.Exhausted, all)
}

// newPoolTimes makes the histograms of a pool, and what records into them. Their buckets are
// those of durations: a connection is lent for less than a millisecond for a read by key.
func newPoolTimes(m metric.Meter, set attribute.Set) (t pool.Times, err error) {
	buckets := metric.WithExplicitBucketBoundaries(durations...)
	wait, err := dbconv.NewClientConnectionWaitTime(m, buckets)
	if err != nil {
		return t, err
	}
	use, err := dbconv.NewClientConnectionUseTime(m, buckets)
	if err != nil {
		return t, err
	}
	create, err := dbconv.NewClientConnectionCreateTime(m, buckets)
	if err != nil {
		return t, err
	}
	into := func(record func(context.Context, float64, attribute.Set)) func(time.Duration) {
		return func(took time.Duration) { record(context.Background(), took.Seconds(), set) }
	}
	return pool.Times{Waited: into(wait.RecordSet), Lent: into(use.RecordSet), Opened: into(create.RecordSet)}, nil
}
