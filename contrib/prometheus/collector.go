package smrtprom

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/readreplica"
)

// Config says what a [Collector] collects. It needs an observer, a pool or a router.
type Config struct {
	// Observers are those whose calls are counted, by the value of the label
	// observer. That of an observer which sees only one server may be its name.
	Observers map[string]*observe.Observer

	// Pools are those whose state is told, by the value of the label pool.
	Pools map[string]*pool.Pool

	// Routers are those whose nodes are told, by the value of the label router.
	Routers map[string]*readreplica.Router

	// MaxSeries is how many sets of labels a metric of statements may have, over all
	// observers; four times as many with the label outcome or part. What is beyond
	// has the operation other, of which each observer has one more. From 1 to
	// 100,000; default: 2,000.
	MaxSeries int

	// Native adds a native histogram to smrt_statement_seconds, for servers that
	// scrape them. The classic one is told nevertheless: the dashboard and the rules
	// read that, so such a server needs always_scrape_classic_histograms.
	// Default: classic alone.
	Native bool

	// PoolTimes adds histograms of how long connections of Pools were waited for, lent,
	// and being opened. A call of such a pool reads the clock twice for them, and the
	// pools know the Collector as long as they live. Default: sums alone.
	PoolTimes bool
}

const (
	defaultMaxSeries = 2000
	maxMaxSeries     = 100_000
)

// check returns what is wrong with c.
func (c *Config) check() error {
	if len(c.Observers)+len(c.Pools)+len(c.Routers) == 0 {
		return bad("Observers", "must have an observer, Pools a pool or Routers a router: there is nothing to collect")
	}
	if c.MaxSeries < 1 || c.MaxSeries > maxMaxSeries {
		return bad("MaxSeries", "must be a number from 1 to %d, is %d", maxMaxSeries, c.MaxSeries)
	}
	for key, o := range c.Observers {
		if o == nil || !utf8.ValidString(key) {
			return bad("Observers", "must have no nil, and keys in UTF-8; has %v at %q", o, key)
		}
	}
	for key, p := range c.Pools {
		if p == nil || !utf8.ValidString(key) {
			return bad("Pools", "must have no nil, and keys in UTF-8; see the one at %q", key)
		}
		for _, class := range p.Classes() {
			if !utf8.ValidString(class.Name) {
				return bad("Pools", "must have classes with names in UTF-8; that at %q has %q", key, class.Name)
			}
		}
	}
	for key, r := range c.Routers {
		if r == nil || !utf8.ValidString(key) {
			return bad("Routers", "must have no nil, and keys in UTF-8; see the one at %q", key)
		}
	}
	return nil
}

func bad(option, format string, args ...any) error {
	return &smrt.OptionsError{Option: option, Reason: fmt.Sprintf(format, args...)}
}

// Collector collects the metrics of observers, pools and routers when it is scraped. It is safe
// for concurrent use, and has nothing to close.
type Collector struct {
	config Config
	times  *poolTimes // nil without PoolTimes

	mu       sync.Mutex // a scrape at a time
	names    room[labels]
	errors   room[errorLabels]
	overflow uint64
}

var _ prometheus.Collector = (*Collector)(nil)

// New returns a Collector, or an *[smrt.OptionsError] if the configuration cannot be
// used. It is to be registered once.
func New(c Config) (*Collector, error) {
	if c.MaxSeries == 0 {
		c.MaxSeries = defaultMaxSeries
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.Observers, c.Pools, c.Routers = maps.Clone(c.Observers), maps.Clone(c.Pools), maps.Clone(c.Routers)
	made := &Collector{config: c, names: room[labels]{}, errors: room[errorLabels]{}}
	if c.PoolTimes {
		made.times = watch(c.Pools, c.Native)
	}
	return made, nil
}

// Describe is part of [prometheus.Collector].
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	if len(c.config.Observers) > 0 {
		for _, d := range slices.Concat(statementDescs, txDescs) {
			out <- d
		}
	}
	if len(c.config.Pools) > 0 {
		for _, d := range poolDescs() {
			out <- d
		}
		for _, h := range c.times.all() {
			h.Describe(out)
		}
	}
	if len(c.config.Routers) > 0 {
		describeRouters(out)
	}
}

// Collect is part of [prometheus.Collector].
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	if len(c.config.Observers) > 0 {
		for _, m := range c.statements() {
			out <- m
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.config.Pools)) {
		collectPool(out, key, c.config.Pools[key])
	}
	for _, h := range c.times.all() {
		h.Collect(out)
	}
	for _, key := range slices.Sorted(maps.Keys(c.config.Routers)) {
		collectRouter(out, key, c.config.Routers[key].Stats())
	}
}

// statements returns the metrics of all observers.
func (c *Collector) statements() []prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []prometheus.Metric
	for _, key := range slices.Sorted(maps.Keys(c.config.Observers)) {
		snapshot := c.config.Observers[key].Snapshot()
		all = append(all, c.transactions(key, &snapshot)...)
		sums := map[labels]*sum{}
		for _, shape := range snapshot.ByName() {
			l := c.labelsOf(key, shape.Name)
			if sums[l] == nil {
				sums[l] = newSum(snapshot.Since)
			}
			sums[l].add(&shape)
		}
		errors := map[errorLabels]uint64{}
		for l, s := range sums {
			all = append(all, s.metrics(l, c.config.Native)...)
			for _, state := range slices.Sorted(maps.Keys(s.errors)) {
				errors[c.errorLabelsOf(l, state)] += s.errors[state]
			}
		}
		for l, n := range errors {
			all = append(all, counter(errorsDesc, snapshot.Since, float64(n), l.values()...))
		}
	}
	return append(all, prometheus.MustNewConstMetric(overflowDesc, prometheus.CounterValue, float64(c.overflow)))
}
