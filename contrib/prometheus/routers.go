package smrtprom

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smrt-go/smrt/readreplica"
)

// routerMetric is a metric of a router, and nodeMetric one of each of its nodes.
type routerMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*readreplica.Stats) float64
}

type nodeMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*readreplica.NodeStats) float64
}

var routerMetrics = []routerMetric{
	ofRouter("waits_total", "Reads that waited for a replica.", func(s *readreplica.Stats) float64 { return float64(s.Waits) }),
	ofRouter("wait_seconds_total", "How long they waited.", func(s *readreplica.Stats) float64 { return s.Waited.Seconds() }),
	ofRouter("fallbacks_total", "Reads that went to the primary because no replica could serve them.",
		func(s *readreplica.Stats) float64 { return float64(s.Fallbacks) }),
	ofRouter("in_fallback", "Reads that are on the primary now, in the share of it that they may use.",
		func(s *readreplica.Stats) float64 { return float64(s.InFallback) }),
	ofRouter("refused_total", "Reads that no node could serve.", func(s *readreplica.Stats) float64 { return float64(s.Refused) }),
	ofRouter("conflicts_total", "Reads that recovery on a standby cancelled.", func(s *readreplica.Stats) float64 { return float64(s.Conflicts) }),
	ofRouter("reruns_total", "Reads that were run again on another node.", func(s *readreplica.Stats) float64 { return float64(s.Reruns) }),
	ofRouter("redirects_total", "Writes that were sent again because their server was not the primary.",
		func(s *readreplica.Stats) float64 { return float64(s.Redirects) }),
	ofRouter("positions_total", "Queries for a position in the log.", func(s *readreplica.Stats) float64 { return float64(s.Positions) }),
	ofRouter("timelines_total", "Promotions that were seen.", func(s *readreplica.Stats) float64 { return float64(s.Timelines) }),
	ofRouter("bad_tokens_total", "Tokens of requests that could not be used.", func(s *readreplica.Stats) float64 { return float64(s.BadTokens) }),
}

var nodeMetrics = []nodeMetric{
	ofNode("up", "Whether the node answers.", func(n *readreplica.NodeStats) float64 { return yes(n.Up) }),
	ofNode("primary", "Whether writes go to it.", func(n *readreplica.NodeStats) float64 { return yes(n.Primary) }),
	ofNode("reading", "Whether it gets reads that demand nothing.", func(n *readreplica.NodeStats) float64 { return yes(n.Reading) }),
	ofNode("breaker_state", "0 closed: it works; 1 half-open: only probes go there; 2 open: nothing does.", breakerState),
	ofNode("behind_bytes", "Bytes of log that it lacks of what was last seen of the primary.",
		func(n *readreplica.NodeStats) float64 { return float64(n.Behind) }),
	ofNode("asked_seconds", "How long ago it was asked how it is.", func(n *readreplica.NodeStats) float64 { return n.Age.Seconds() }),
	ofNode("latency_seconds", "Latency of its reads, a moving average.", func(n *readreplica.NodeStats) float64 { return n.Latency.Seconds() }),
	ofNode("in_flight", "Reads at this moment.", func(n *readreplica.NodeStats) float64 { return float64(n.InFlight) }),
	ofNode("reads_total", "Reads that it has served.", func(n *readreplica.NodeStats) float64 { return float64(n.Reads) }),
}

// kindOf returns the kind of a metric, which its name tells.
func kindOf(name string) prometheus.ValueType {
	if strings.HasSuffix(name, "_total") {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

func ofRouter(name, help string, value func(*readreplica.Stats) float64) routerMetric {
	return routerMetric{prometheus.NewDesc("smrt_replica_"+name, help, []string{"router"}, nil), kindOf(name), value}
}

func ofNode(name, help string, value func(*readreplica.NodeStats) float64) nodeMetric {
	return nodeMetric{prometheus.NewDesc("smrt_replica_"+name, help, []string{"router", "node"}, nil), kindOf(name), value}
}

func yes(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// breakerState orders the states by how little is sent to a node.
func breakerState(n *readreplica.NodeStats) float64 {
	switch n.Breaker {
	case "closed":
		return 0
	case "half-open":
		return 1
	}
	return 2
}

// describeRouters describes the metrics of routers.
func describeRouters(out chan<- *prometheus.Desc) {
	for i := range routerMetrics {
		out <- routerMetrics[i].desc
	}
	for i := range nodeMetrics {
		out <- nodeMetrics[i].desc
	}
}

// collectRouter tells what a router says of itself and its nodes. A name that is not
// UTF-8 would fail the whole scrape.
func collectRouter(out chan<- prometheus.Metric, key string, s readreplica.Stats) {
	for i := range routerMetrics {
		m := &routerMetrics[i]
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s), key)
	}
	for i := range s.Nodes {
		for j := range nodeMetrics {
			m := &nodeMetrics[j]
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s.Nodes[i]), key, strings.ToValidUTF8(s.Nodes[i].Name, "?"))
		}
	}
}
