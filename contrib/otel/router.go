package otelsmrt

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/smrt-go/smrt/readreplica"
)

// Router makes the metrics of a router and its nodes, which are read from its Stats
// whenever metrics are collected. The name is their label smrt.router; that of a node is
// smrt.node. A nil provider stands for that of the process.
//
// Call Unregister of what it returns when the router is closed.
func Router(provider metric.MeterProvider, name string, r *readreplica.Router) (metric.Registration, error) {
	m := instruments{meter: meterOf(provider)}
	label := attribute.String("smrt.router", name)
	var (
		up        = m.gauge("smrt.replica.up", "1", "1 if a node answers.")
		primary   = m.gauge("smrt.replica.primary", "1", "1 if writes go to a node.")
		open      = m.gauge("smrt.replica.breaker", "1", "0 if the breaker of a node is closed, 1 if it is half-open, 2 if it is open.")
		behind    = m.gauge("smrt.replica.behind", "By", "Log that a node lacks of what was last seen of the primary.")
		reads     = m.counter("smrt.replica.reads", "{read}", "Reads that a node has served.")
		waits     = m.counter("smrt.replica.waits", "{read}", "Reads that waited for a replica.")
		fallbacks = m.counter("smrt.replica.fallbacks", "{read}", "Reads that went to the primary because no replica could serve them.")
		refused   = m.counter("smrt.replica.refused", "{read}", "Reads that no node could serve.")
	)
	if m.err != nil {
		return nil, m.err
	}
	return m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := r.Stats()
		all := metric.WithAttributeSet(attribute.NewSet(label))
		o.ObserveInt64(waits, int64(s.Waits), all)
		o.ObserveInt64(fallbacks, int64(s.Fallbacks), all)
		o.ObserveInt64(refused, int64(s.Refused), all)
		for i := range s.Nodes {
			n := &s.Nodes[i]
			at := metric.WithAttributeSet(attribute.NewSet(label, attribute.String("smrt.node", n.Name)))
			o.ObserveInt64(up, one(n.Up), at)
			o.ObserveInt64(primary, one(n.Primary), at)
			o.ObserveInt64(open, breakerState(n), at)
			o.ObserveInt64(behind, int64(n.Behind), at)
			o.ObserveInt64(reads, int64(n.Reads), at)
		}
		return nil
	}, m.all...)
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// breakerState orders the states by how little is sent to a node.
func breakerState(n *readreplica.NodeStats) int64 {
	switch n.Breaker {
	case "closed":
		return 0
	case "half-open":
		return 1
	}
	return 2
}
