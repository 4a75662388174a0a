package smrtprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/smrt-go/smrt/pool"
)

// poolMetric is a metric of a pool.
type poolMetric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	value  func(*pool.Stats) float64
	labels []string // values of the labels after pool
}

// metric returns it for a pool.
func (m *poolMetric) metric(key string, s *pool.Stats) prometheus.Metric {
	return prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s), append([]string{key}, m.labels...)...)
}

var connectionsDesc = prometheus.NewDesc("smrt_pool_connections",
	"Connections by state: lent, ready to be lent, or being opened.", []string{"pool", "state"}, nil)

var poolMetrics = []poolMetric{
	{connectionsDesc, prometheus.GaugeValue, func(s *pool.Stats) float64 { return float64(s.InUse) }, []string{"in_use"}},
	{connectionsDesc, prometheus.GaugeValue, func(s *pool.Stats) float64 { return float64(s.Idle) }, []string{"idle"}},
	{connectionsDesc, prometheus.GaugeValue, func(s *pool.Stats) float64 { return float64(s.Opening) }, []string{"opening"}},

	poolGauge("max_connections", "Most connections, as configured.", func(s *pool.Stats) float64 { return float64(s.Max) }),
	poolGauge("server_connections", "Connections that the server has of the pool, those included that it is still closing.",
		func(s *pool.Stats) float64 { return float64(s.OnServer) }),
	poolGauge("max_server_connections", "Most connections that the server may have of the pool.",
		func(s *pool.Stats) float64 { return float64(s.MaxOnServer) }),

	poolCounter("acquires", "Connections lent.", func(s *pool.Stats) float64 { return float64(s.Acquires) }),
	poolCounter("acquire_seconds", "How long lending connections took.", func(s *pool.Stats) float64 { return s.AcquireTime.Seconds() }),
	poolCounter("waits", "Connections lent after a wait.", func(s *pool.Stats) float64 { return float64(s.Waits) }),
	poolCounter("wait_seconds", "How long these waits took.", func(s *pool.Stats) float64 { return s.WaitTime.Seconds() }),
	poolCounter("cancelled", "Calls whose context ended, or whose time was over, before they got a connection.",
		func(s *pool.Stats) float64 { return float64(s.Cancelled) }),
	poolCounter("exhausted", "Those of them that found all connections lent for too long.",
		func(s *pool.Stats) float64 { return float64(s.Exhausted) }),
	poolCounter("refused", "Those of them that were refused because the pool was overloaded.",
		func(s *pool.Stats) float64 { return float64(s.Refused) }),
	poolCounter("connect_timeouts", "Those of them that waited too long for a new connection.",
		func(s *pool.Stats) float64 { return float64(s.ConnectTimeouts) }),

	poolCounter("dials", "Connections dialled.", func(s *pool.Stats) float64 { return float64(s.Dials) }),
	poolCounter("dials_waited", "Dials that waited for the server to close other connections.",
		func(s *pool.Stats) float64 { return float64(s.DialsWaited) }),
	poolCounter("dials_refused", "Dials that waited too long for that.", func(s *pool.Stats) float64 { return float64(s.DialsRefused) }),

	poolCounter("strays", "Statements run again after the cancellation of another.",
		func(s *pool.Stats) float64 { return float64(s.Strays) }),
	poolCounter("stale_plans", "Statements run again because of a stale plan.",
		func(s *pool.Stats) float64 { return float64(s.StalePlans) }),
	poolCounter("resets", "Sessions that were cleaned.", func(s *pool.Stats) float64 { return float64(s.Reset) }),
	poolCounter("destroyed", "Connections closed because their session could not be cleaned.",
		func(s *pool.Stats) float64 { return float64(s.Destroyed) }),
	poolCounter("recycled", "Connections closed because of their age.", func(s *pool.Stats) float64 { return float64(s.Recycled) }),
	poolCounter("expired", "Connections closed because they were idle.", func(s *pool.Stats) float64 { return float64(s.Expired) }),
}

func poolGauge(name, help string, value func(*pool.Stats) float64) poolMetric {
	return poolMetric{prometheus.NewDesc("smrt_pool_"+name, help, []string{"pool"}, nil), prometheus.GaugeValue, value, nil}
}

func poolCounter(name, help string, value func(*pool.Stats) float64) poolMetric {
	return poolMetric{prometheus.NewDesc("smrt_pool_"+name+"_total", help, []string{"pool"}, nil), prometheus.CounterValue, value, nil}
}

// poolDescs returns what describes the metrics of pools, each once.
func poolDescs() []*prometheus.Desc {
	all := []*prometheus.Desc{connectionsDesc}
	for i := range poolMetrics {
		if d := poolMetrics[i].desc; d != connectionsDesc {
			all = append(all, d)
		}
	}
	return all
}
