package otelsmrt

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/smrt-go/smrt/observe"
)

// MaxSeries is how many series each metric of a [Hook] has at most, with that of all
// for which there is no room. The SDK has a limit of 2,000 of its own, which is not
// reached before.
const MaxSeries = 1900

// metrics are the instruments of a hook.
type metrics struct {
	duration dbconv.ClientOperationDuration
	returned dbconv.ClientResponseReturnedRows
	errors   metric.Int64Counter
	overflow metric.Int64Counter
	tx       transactions

	ofDuration, ofReturned, ofErrors series
}

func newMetrics(m metric.Meter) (*metrics, error) {
	var all metrics
	var err error
	all.duration, err = dbconv.NewClientOperationDuration(m, metric.WithExplicitBucketBoundaries(durations...))
	if err != nil {
		return nil, err
	}
	all.returned, err = dbconv.NewClientResponseReturnedRows(m, metric.WithExplicitBucketBoundaries(
		1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000,
	))
	if err != nil {
		return nil, err
	}
	all.errors, err = m.Int64Counter("smrt.client.errors", metric.WithUnit("{error}"),
		metric.WithDescription("Calls that failed, by SQLSTATE or error.type."))
	if err != nil {
		return nil, err
	}
	if err := all.tx.make(m); err != nil {
		return nil, err
	}
	all.overflow, err = m.Int64Counter("smrt.client.series.overflow", metric.WithUnit("{measurement}"),
		metric.WithDescription("Measurements for which a metric had no series of their own."))
	return &all, err
}

// record records a call that has ended: not a statement of a batch, which has no time.
func (m *metrics) record(ctx context.Context, e *observe.Event, n name) {
	k := seriesKey{name: n, node: e.Node, database: e.Database}
	if e.Outcome != observe.OK {
		k.failed = e.Outcome.String()
	}
	m.duration.RecordSet(ctx, e.Total().Seconds(), m.of(ctx, &m.ofDuration, k))
	if e.Outcome == observe.Failed {
		k.failed, k.state = errorType(ctx, e), e.SQLState
		m.errors.Add(ctx, 1, metric.WithAttributeSet(m.of(ctx, &m.ofErrors, k)))
	}
	m.rows(ctx, e, n)
}

// rows records how many rows a read returned, in a batch or by itself.
func (m *metrics) rows(ctx context.Context, e *observe.Event, n name) {
	if !returnsRows(e) {
		return
	}
	k := seriesKey{name: n, node: e.Node, database: e.Database}
	m.returned.RecordSet(ctx, e.Rows, m.of(ctx, &m.ofReturned, k))
}

// of returns the attributes of a measurement.
func (m *metrics) of(ctx context.Context, s *series, k seriesKey) attribute.Set {
	set, ok := s.of(k)
	if !ok {
		m.overflow.Add(ctx, 1)
	}
	return set
}

// seriesKey is what tells the series of a metric apart. No field has a value of a user.
type seriesKey struct {
	name           name
	node, database string
	failed, state  string
	outcome        string // of a transaction
}

// set returns the attributes.
func (k *seriesKey) set() attribute.Set {
	attrs := appendServer([]attribute.KeyValue{semconv.DBSystemNamePostgreSQL}, k.node, k.database)
	attrs = k.name.append(attrs)
	if k.failed != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(k.failed))
	}
	if k.state != "" {
		attrs = append(attrs, semconv.DBResponseStatusCode(k.state))
	}
	if k.outcome != "" {
		attrs = append(attrs, attribute.String("smrt.tx.outcome", k.outcome))
	}
	return attribute.NewSet(attrs...)
}

// series are those of a metric. Their attributes are made once.
type series struct {
	mu   sync.RWMutex
	sets map[seriesKey]attribute.Set
}

// of returns the attributes of a series. It returns those of "other", and false, if there
// is no room for one more.
func (s *series) of(k seriesKey) (set attribute.Set, ok bool) {
	s.mu.RLock()
	set, ok = s.sets[k]
	s.mu.RUnlock()
	if ok {
		return set, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if set, ok = s.sets[k]; ok {
		return set, true
	}
	if len(s.sets) >= MaxSeries-1 {
		other := seriesKey{name: name{operation: "other", summary: "other"}}
		return other.set(), false
	}
	if s.sets == nil {
		s.sets = map[seriesKey]attribute.Set{}
	}
	set = k.set()
	s.sets[k] = set
	return set, true
}
