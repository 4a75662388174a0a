package smrtprom

import (
	"time"

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
	poolGauge("min_idle_connections", "Connections that are kept ready, as configured.",
		func(s *pool.Stats) float64 { return float64(s.MinIdle) }),
	poolGauge("pending_requests", "Calls that wait for a connection, but for those that wait for their class.",
		func(s *pool.Stats) float64 { return float64(s.Waiting) }),
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

	poolCounter("opened", "Connections opened.", func(s *pool.Stats) float64 { return float64(s.Opened) }),
	poolCounter("open_seconds", "How long opening them took.", func(s *pool.Stats) float64 { return s.OpenTime.Seconds() }),
	poolCounter("dials", "Connections dialled, whether or not they could be opened.", func(s *pool.Stats) float64 { return float64(s.Dials) }),
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

// classMetric is a metric of a class of a pool.
type classMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*pool.ClassStats) float64
}

var classMetrics = []classMetric{
	ofClass("connections", "Connections that calls of a class have.", func(c *pool.ClassStats) float64 { return float64(c.InUse) }),
	ofClass("max_connections", "Most connections of a class, as configured.", func(c *pool.ClassStats) float64 { return float64(c.Max) }),
	ofClass("pending_requests", "Calls that wait for one of them.", func(c *pool.ClassStats) float64 { return float64(c.Waiting) }),
	ofClass("waits_total", "Calls that have waited for one of them.", func(c *pool.ClassStats) float64 { return float64(c.Waits) }),
	ofClass("refused_total", "Calls that have waited for too long.", func(c *pool.ClassStats) float64 { return float64(c.Refused) }),
}

func ofClass(name, help string, value func(*pool.ClassStats) float64) classMetric {
	return classMetric{prometheus.NewDesc("smrt_pool_class_"+name, help, []string{"pool", "class"}, nil), kindOf(name), value}
}

// collectPool returns the metrics of a pool and its classes.
func collectPool(out chan<- prometheus.Metric, key string, p *pool.Pool) {
	stats, classes := p.Stats(), p.Classes()
	for i := range poolMetrics {
		out <- poolMetrics[i].metric(key, &stats)
	}
	for i := range classes {
		for _, m := range classMetrics {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&classes[i]), key, classes[i].Name)
		}
	}
}

// poolTimes are the histograms of pools: what a pool is watched for.
type poolTimes struct{ wait, use, create *prometheus.HistogramVec }

// watch makes histograms that are told of the connections of pools from now on.
func watch(pools map[string]*pool.Pool, native bool) *poolTimes {
	buckets := make([]float64, len(bounds))
	for i, b := range bounds {
		buckets[i] = b.Seconds()
	}
	of := func(name, help string) *prometheus.HistogramVec {
		o := prometheus.HistogramOpts{Name: "smrt_pool_connection_" + name + "_seconds", Help: help, Buckets: buckets}
		if native {
			o.NativeHistogramBucketFactor = 1.1
		}
		return prometheus.NewHistogramVec(o, []string{"pool"})
	}
	t := &poolTimes{
		wait:   of("wait", "How long calls waited for the connection that they got, 0 for most."),
		use:    of("use", "How long connections were lent, until they were given back."),
		create: of("create", "How long opening connections took."),
	}
	into := func(h prometheus.Observer) func(time.Duration) {
		return func(took time.Duration) { h.Observe(took.Seconds()) }
	}
	for key, p := range pools {
		p.Watch(pool.Times{
			Waited: into(t.wait.WithLabelValues(key)), Lent: into(t.use.WithLabelValues(key)), Opened: into(t.create.WithLabelValues(key)),
		})
	}
	return t
}

// all returns the histograms, none if there are none.
func (t *poolTimes) all() []prometheus.Collector {
	if t == nil {
		return nil
	}
	return []prometheus.Collector{t.wait, t.use, t.create}
}

// poolDescs returns what describes the metrics of pools, each once.
func poolDescs() []*prometheus.Desc {
	all := []*prometheus.Desc{connectionsDesc}
	for i := range poolMetrics {
		if d := poolMetrics[i].desc; d != connectionsDesc {
			all = append(all, d)
		}
	}
	for _, m := range classMetrics {
		all = append(all, m.desc)
	}
	return all
}
