package smrtprom

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/smrt-go/smrt/observe"
)

// bounds are those of the classic buckets. They begin where a row is read by its key.
var bounds = []time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

var (
	secondsDesc = statementDesc("smrt_statement_seconds",
		"How long callers waited for statements and batches: for a connection, the server, and decoding.")
	statementsDesc = statementDesc("smrt_statements_total", "Statements, by how they ended.", "outcome")
	errorsDesc     = statementDesc("smrt_errors_total", "Statements that failed, by SQLSTATE.", "sqlstate")
	rowsDesc       = statementDesc("smrt_rows_total", "Rows returned or affected.")
	timeDesc       = statementDesc("smrt_time_seconds_total",
		"Time of statements, by where it went; held is that of the program between the rows of a stream.", "part")
	sharedDesc   = statementDesc("smrt_shared_total", "Calls beyond the first that shared a statement.")
	rerunsDesc   = statementDesc("smrt_reruns_total", "Statements that the pool ran again, as they had no effect.")
	overflowDesc = prometheus.NewDesc("smrt_series_overflow_total",
		"How often a set of labels was counted as other for lack of room, once for each scrape.", nil, nil)

	statementDescs = []*prometheus.Desc{
		secondsDesc, statementsDesc, errorsDesc, rowsDesc, timeDesc, sharedDesc, rerunsDesc, overflowDesc,
	}
)

func statementDesc(name, help string, further ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append(slices.Clone(labelNames), further...), nil)
}

// counter returns a metric that only grows. Its labels were looked at, so it cannot fail.
func counter(d *prometheus.Desc, since time.Time, n float64, values ...string) prometheus.Metric {
	return prometheus.MustNewConstMetricWithCreatedTimestamp(d, prometheus.CounterValue, n, since, values...)
}

// sum is what is known of the calls with the same labels.
type sum struct {
	since    time.Time
	statuses [4]uint64 // by observe.Outcome
	rows     uint64
	shared   uint64
	reruns   uint64
	parts    [4]time.Duration
	errors   map[string]uint64
	times    times
}

func newSum(since time.Time) *sum {
	return &sum{since: since, errors: map[string]uint64{}, times: newTimes()}
}

// times are the histograms of some times.
type times struct {
	total   time.Duration
	count   uint64
	classic []uint64      // how many are in each of bounds, and not in one before it
	native  map[int]int64 // by the index of a bucket
}

func newTimes() times {
	return times{classic: make([]uint64, len(bounds)+1), native: map[int]int64{}}
}

// add adds what an observer has counted, and the sum of it.
func (t *times) add(h observe.Histogram, total time.Duration) {
	t.total += total
	for upper, n := range h.All() {
		t.count += n
		// A bucket of the observer is in that which has all of it. So a call that took up to an
		// eighth less than a bound may be in the next bucket, and none in the one before its own.
		i, _ := slices.BinarySearch(bounds, upper)
		t.classic[i] += n
		t.native[nativeBucket(upper)] += int64(n)
	}
}

// add adds the calls of a name.
func (s *sum) add(shape *observe.Shape) {
	st := &shape.Stats
	s.statuses[observe.Failed] += st.Failed
	s.statuses[observe.Cancelled] += st.Cancelled
	s.statuses[observe.Refused] += st.Refused
	s.statuses[observe.OK] += st.Calls + st.Again - st.Failed - st.Cancelled - st.Refused
	s.rows += st.Rows
	s.shared += st.Shared
	s.reruns += st.Again
	for i, d := range []time.Duration{st.Waited, st.Server, st.Held, st.Decoded} {
		s.parts[i] += d
	}
	for state, n := range shape.Errors {
		s.errors[state] += n
	}
	s.times.add(shape.Times, st.Total())
}

// nativeSchema makes eight buckets of each doubling, as an observer has, but at other bounds.
const nativeSchema = 3

// nativeBucket returns the native bucket whose upper bound is not below d.
func nativeBucket(d time.Duration) int {
	return int(math.Ceil(math.Log2(d.Seconds()) * (1 << nativeSchema)))
}

// metrics returns what is told of the calls, without errors.
func (s *sum) metrics(l labels, native bool) []prometheus.Metric {
	values := l.values()
	with := func(value string) []string { return append(slices.Clone(values), value) }
	all := []prometheus.Metric{
		s.times.histogram(secondsDesc, s.since, native, values),
		counter(rowsDesc, s.since, float64(s.rows), values...),
		counter(sharedDesc, s.since, float64(s.shared), values...),
		counter(rerunsDesc, s.since, float64(s.reruns), values...),
	}
	for outcome, n := range s.statuses {
		all = append(all, counter(statementsDesc, s.since, float64(n), with(observe.Outcome(outcome).String())...))
	}
	for i, part := range []string{"waited", "server", "held", "decoded"} {
		all = append(all, counter(timeDesc, s.since, s.parts[i].Seconds(), with(part)...))
	}
	return all
}

// histogram returns the classic histogram, and the native one with it.
func (t *times) histogram(d *prometheus.Desc, since time.Time, native bool, values []string) prometheus.Metric {
	buckets, below := map[float64]uint64{}, uint64(0)
	for i, bound := range bounds {
		below += t.classic[i]
		buckets[bound.Seconds()] = below
	}
	seconds := t.total.Seconds()
	classic := prometheus.MustNewConstHistogramWithCreatedTimestamp(d, t.count, seconds, buckets, since, values...)
	if !native {
		return classic
	}
	more, err := prometheus.NewConstNativeHistogram(d, t.count, seconds, t.native, nil, 0, nativeSchema, 0, since, values...)
	if err != nil {
		return prometheus.NewInvalidMetric(d, err)
	}
	return both{classic, more}
}

// both is a classic histogram with the buckets of a native one beside its own. A server that does not
// ask for these gets the classic ones.
type both struct {
	prometheus.Metric
	native prometheus.Metric
}

// Write is part of [prometheus.Metric].
func (b both) Write(out *dto.Metric) error {
	var classic dto.Metric
	if err := b.Metric.Write(&classic); err != nil {
		return err
	}
	if err := b.native.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket = classic.GetHistogram().GetBucket()
	return nil
}
