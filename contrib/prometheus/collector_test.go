package smrtprom_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/smrt-go/smrt"
	smrtprom "github.com/smrt-go/smrt/contrib/prometheus"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
)

// TestScrape: a scrape has what was sent, by the names of the observer.
func TestScrape(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, p := main1(t, observe.Config{})
	for id := range int64(3) {
		check.NoError(t, table(p, 0).Create(ctx, &note{ID: id + 1, Tenant: "acme"}))
	}
	check.Error(t, "the same key", table(p, 0).Create(ctx, &note{ID: 1, Tenant: "acme"}), smrt.ErrConflict)
	check.Value(table(p, 0).Find(ctx, query.Query[note]{}))(t)
	check.Value(p.Exec(ctx, "-- name: TouchNotes :exec\nUPDATE notes0 SET tenant = tenant"))(t)
	check.Value(p.Exec(ctx, "DELETE FROM notes0 WHERE tenant = 'acme'"))(t)

	got := samples(t, s.text(t))
	for series, want := range map[string]float64{
		`smrt_statements_total{observer="main",operation="create",outcome="ok",query="",table="notes0"}`:      3,
		`smrt_statements_total{observer="main",operation="create",outcome="failed",query="",table="notes0"}`:  1,
		`smrt_statements_total{observer="main",operation="create",outcome="refused",query="",table="notes0"}`: 0,
		`smrt_errors_total{observer="main",operation="create",query="",sqlstate="23505",table="notes0"}`:      1,
		`smrt_rows_total{observer="main",operation="find",query="",table="notes0"}`:                           3,
		`smrt_rows_total{observer="main",operation="",query="TouchNotes",table=""}`:                           3,
		`smrt_rows_total{observer="main",operation="raw",query="",table=""}`:                                  3,
		`smrt_statement_seconds_count{observer="main",operation="create",query="",table="notes0"}`:            4,
		`smrt_statement_seconds_bucket{observer="main",operation="find",query="",table="notes0",le="+Inf"}`:   1,
		`smrt_pool_max_connections{pool="main"}`:                                                              float64(p.Stats().Max),
		`smrt_pool_connections{pool="main",state="in_use"}`:                                                   0,
		`smrt_series_overflow_total`: 0,
	} {
		if n, ok := got[series]; !ok || n != want {
			t.Errorf("%s is %v (there: %t), want %v", series, n, ok, want)
		}
	}
	if n := got[`smrt_time_seconds_total{observer="main",operation="create",part="server",query="",table="notes0"}`]; n <= 0 {
		t.Errorf("the server took %v s", n)
	}
	if t.Failed() {
		for series := range got {
			t.Log(series)
		}
	}
}

// TestBuckets: buckets are those that are promised, and a call is in one that it is
// not longer than.
func TestBuckets(t *testing.T) {
	t.Parallel()
	s, p := main1(t, observe.Config{})
	const pause = 0.05
	check.Value(p.Exec(t.Context(), fmt.Sprintf("-- name: Pause :exec\nSELECT pg_sleep(%v)", pause)))(t)
	got := samples(t, s.text(t))
	for _, le := range []string{
		"0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05",
		"0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf",
	} {
		n, ok := got[fmt.Sprintf(`smrt_statement_seconds_bucket{observer="main",operation="",query="Pause",table="",le="%s"}`, le)]
		if !ok {
			t.Errorf("there is no bucket %s", le)
		}
		// 50 ms fall into the last of them only if the server sleeps for less than it was told.
		if bound := check.Value(strconv.ParseFloat(le, 64))(t); bound <= pause && n != 0 || le == "+Inf" && n != 1 {
			t.Errorf("%v calls of %v s took at most %s s", n, pause, le)
		}
	}
}

// TestNative: the native histogram has the same calls as the classic one beside it.
func TestNative(t *testing.T) {
	t.Parallel()
	o, p := open(t, observe.Config{})
	s := serve(t, smrtprom.Config{Observers: map[string]*observe.Observer{"main": o}, Native: true})
	for range 50 {
		check.Value(p.Exec(t.Context(), "SELECT 1"))(t)
	}
	check.Value(p.Exec(t.Context(), "SELECT pg_sleep(0.02)"))(t)
	h := metric(t, s, "smrt_statement_seconds", map[string]string{"operation": "raw"}).GetHistogram()
	at, n, sum := int64(0), int64(0), int64(0)
	for _, delta := range h.GetPositiveDelta() {
		n += delta
		sum += n
	}
	for _, span := range h.GetPositiveSpan() {
		at += int64(span.GetOffset()) + int64(span.GetLength())
	}
	check.Same(t, "schema", h.GetSchema(), 3)
	check.Same(t, "calls", h.GetSampleCount(), 51)
	check.Same(t, "calls in native buckets", uint64(sum), h.GetSampleCount())
	check.Same(t, "classic buckets", len(h.GetBucket()), 16)
	// The longest call took 20 ms or more: its bucket ends at 2^(last/8) s, and 2^(-46/8) is 18.6 ms.
	if last := at - 1; last <= -46 {
		t.Errorf("the last native bucket is %d", last)
	}
	check.Same(t, "the text has the classic ones", strings.Contains(s.text(t), `le="0.0001"`), true)
}

// metric returns the only metric of a family that has these labels.
func metric(t *testing.T, s *site, family string, labels map[string]string) (found *dto.Metric) {
	t.Helper()
	for _, f := range check.Value(s.registry.Gather())(t) {
		for _, m := range f.GetMetric() {
			has := 0
			for _, l := range m.GetLabel() {
				if want, ok := labels[l.GetName()]; ok && want == l.GetValue() {
					has++
				}
			}
			if f.GetName() == family && has == len(labels) {
				found = m
			}
		}
	}
	if found == nil {
		t.Fatalf("there is no %s with %v", family, labels)
	}
	return found
}

// TestNamesOfMetrics: they are as Prometheus wants them.
func TestNamesOfMetrics(t *testing.T) {
	t.Parallel()
	s, p := main1(t, observe.Config{})
	work(t, p, 20, rand.New(rand.NewPCG(check.Seed(t), 1)))
	for _, problem := range check.Value(testutil.GatherAndLint(s.registry))(t) {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// operations are what work does with a table, and with SQL.
var operations = []string{"get", "find", "create", "delete", "count"}

// tenant is one of a thousand.
func tenant(r *rand.Rand) string { return fmt.Sprintf("tenant-%d", r.IntN(1000)) }

// work does n things at random, with a thousand tenants.
func work(t *testing.T, p *pool.Pool, n int, r *rand.Rand) {
	ctx := t.Context()
	for range n {
		notes, who, id := table(p, r.IntN(tableCount)), tenant(r), 1+r.Int64N(100)
		switch r.IntN(7) {
		case 0:
			_, _ = notes.Get(ctx, id)
		case 1:
			_, _ = notes.Find(ctx, query.Where(byTenant.Eq(who)))
		case 2:
			_ = notes.Create(ctx, &note{ID: id, Tenant: who}) // some fail: the key is there
		case 3:
			_ = notes.Delete(ctx, id)
		case 4:
			_, _ = notes.Count(ctx, query.Where(byTenant.Eq(who)))
		case 5: // SQL with values in it, which is another text each time
			_, _ = p.Exec(ctx, fmt.Sprintf("SELECT id FROM notes0 WHERE tenant = '%s' AND id = %d", who, id))
		case 6: // and which is wrong
			_, _ = p.Exec(ctx, fmt.Sprintf("SELECT id FROM notes0 WHERE tenant = '%s", who))
		}
	}
}

var byTenant = query.TextCol(func(n *note) *string { return &n.Tenant })

// TestSeriesAreBounded: whatever tables, servers and tenants there are, there are no more series than names in the
// program, none tells of a tenant, and while texts come and go counters never go down.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	calls, servers := 3000, 3
	if check.Long() {
		calls = 100_000
	}
	c := smrtprom.Config{Observers: map[string]*observe.Observer{}, Pools: map[string]*pool.Pool{}}
	for i := range servers {
		o, p := open(t, observe.Config{MaxShapes: 20})
		c.Observers[fmt.Sprint("db", i)], c.Pools[fmt.Sprint("db", i)] = o, p
	}
	s := serve(t, c)

	var wg sync.WaitGroup
	for _, p := range c.Pools {
		r := rand.New(rand.NewPCG(check.Seed(t), uint64(p.Stats().Max)))
		wg.Go(func() { work(t, p, calls/servers, r) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	last, scrapes := map[string]float64{}, 0
	for running := true; running; scrapes++ {
		select {
		case <-done:
			running = false
		default:
		}
		now := samples(t, s.text(t))
		for series, before := range last {
			if after, ok := now[series]; isCounter(series) && (!ok || after < before) {
				t.Fatalf("%s was %v, and is %v (there: %t)", series, before, after, ok)
			}
		}
		last = now
	}
	text := s.text(t)
	if strings.Contains(text, "tenant") {
		t.Error("a tenant is in the output")
	}
	outcomes, evicted := 0, 0
	for series := range last {
		if strings.HasPrefix(series, "smrt_statements_total{") {
			outcomes++
		}
	}
	for _, o := range c.Observers {
		evicted += len(o.Snapshot().Others)
	}
	most := (tableCount*len(operations) + 3) * servers * 4 // and raw SQL, transactions, catalog
	t.Logf("%d calls, %d scrapes, %d series of smrt_statements_total, at most %d; %d in all", calls, scrapes, outcomes, most, len(last))
	if outcomes > most {
		t.Errorf("%d series of smrt_statements_total, want at most %d", outcomes, most)
	}
	check.Same(t, "texts were evicted", evicted > 0, true)
}

// isCounter reports whether a series only grows. Those of pools that do not are left out.
func isCounter(series string) bool {
	name, _, _ := strings.Cut(series, "{")
	return strings.HasSuffix(name, "_total") || strings.HasPrefix(name, "smrt_statement_seconds")
}

// TestOverflow: names beyond the cap are other, none is lost, and those that had a
// series keep it.
func TestOverflow(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, p := open(t, observe.Config{})
	s := serve(t, smrtprom.Config{Observers: map[string]*observe.Observer{"main": o}, MaxSeries: 3})
	run := func(name string, times int) {
		for range times {
			check.Value(p.Exec(ctx, "-- name: "+name+" :exec\nSELECT 1"))(t)
		}
	}
	series := func(name string) string {
		operation := ""
		if name == "" {
			operation = "other"
		}
		return fmt.Sprintf(`smrt_statements_total{observer="main",operation="%s",outcome="ok",query="%s",table=""}`, operation, name)
	}
	run("A", 1)
	run("B", 2)
	run("C", 3)
	got := samples(t, s.text(t))
	check.Same(t, "other, before there is any", got[series("")], 0)
	check.Same(t, "overflows", got["smrt_series_overflow_total"], 0)

	run("D", 50)
	run("E", 70)
	for i := range 3 {
		got = samples(t, s.text(t))
		check.Same(t, "other", got[series("")], 120)
		check.Same(t, "A", got[series("A")], 1)
		check.Same(t, "C", got[series("C")], 3)
		check.Same(t, "overflows", got["smrt_series_overflow_total"], float64(2*(i+1)))
	}
	for name := range got {
		if strings.Contains(name, `query="D"`) || strings.Contains(name, `query="E"`) {
			t.Errorf("there is %s", name)
		}
	}
	o.Reset()
	run("D", 4)
	got = samples(t, s.text(t))
	check.Same(t, "other after Reset", got[series("")], 4)
}

// TestErrorsOverflow: SQLSTATEs have a cap of their own.
func TestErrorsOverflow(t *testing.T) {
	t.Parallel()
	o, p := open(t, observe.Config{})
	s := serve(t, smrtprom.Config{Observers: map[string]*observe.Observer{"main": o}, MaxSeries: 2})
	sum, labelled := 0.0, 0
	for i := range 5 {
		_, err := p.Exec(t.Context(), fmt.Sprintf("DO $$ BEGIN RAISE EXCEPTION '' USING ERRCODE = 'P100%d'; END $$", i))
		check.Same(t, "fails", err != nil, true)
		s.text(t)
	}
	for series, n := range samples(t, s.text(t)) {
		if strings.HasPrefix(series, "smrt_errors_total") {
			sum += n
			labelled++
		}
	}
	check.Same(t, "errors", sum, 5)
	check.Same(t, "series", labelled, 3)
}

// TestLabelsOfAnySQL: what cannot be a label does not end the scrape.
func TestLabelsOfAnySQL(t *testing.T) {
	t.Parallel()
	s, p := main1(t, observe.Config{})
	for _, name := range []string{"a\xffb", strings.Repeat("x", 5000), `"\`} {
		_, _ = p.Exec(t.Context(), "-- name: "+name+" :exec\nSELECT 1")
	}
	text := s.text(t)
	got := samples(t, text)
	check.Same(t, "other", got[`smrt_statement_seconds_count{observer="main",operation="other",query="",table=""}`], 2)
	check.Same(t, "quoted", got[`smrt_statement_seconds_count{observer="main",operation="",query="\"\\",table=""}`], 1)
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	o := check.Value(observe.New(observe.Config{}))(t)
	one := map[string]*observe.Observer{"main": o}
	for _, c := range []struct {
		config smrtprom.Config
		says   string
	}{
		{smrtprom.Config{}, "nothing to collect"},
		{smrtprom.Config{Observers: one, MaxSeries: -1}, "from 1 to 100000"},
		{smrtprom.Config{Observers: one, MaxSeries: 100_001}, "from 1 to 100000"},
		{smrtprom.Config{Observers: map[string]*observe.Observer{"a": nil}}, `"a"`},
		{smrtprom.Config{Observers: map[string]*observe.Observer{"\xff": o}}, "UTF-8"},
		{smrtprom.Config{Pools: map[string]*pool.Pool{"b": nil}}, `"b"`},
	} {
		_, err := smrtprom.New(c.config)
		check.Error(t, c.says, err, smrt.ErrBadOptions)
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v does not say %q", err, c.says)
		}
	}
}
