package observe

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/page"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/readreplica"
)

// A page is made when it is asked for:
//
//	ServeHTTP       refuses who may not see it, and what is no reading
//	report          waits for its turn, and makes a report unless the last one is new
//	  addStatements copies what is known of each text, and ranks it
//	  addTransactions  copies their sums, and those of which an operator wants to know
//	  addRecent     copies the slow calls and the findings
//	  pools, ...    ask the handles for their counters, which takes their locks for a moment
//	  server.ask    sends the one statement of a page, if a server is to be asked
//	document        writes the report, as the request wants it
//
// A report has all that any request can want of it, so that those of one second share
// it: the entries that come first in each order, and no others. It is some 1 MB at most,
// with texts of 2 KB each, and the last one is kept.
const (
	fresh    = time.Second // how old a report may be that is shown once more
	mostRows = 50          // of statements on a page
)

// handler is the page of an Observer.
type handler struct {
	observer *Observer
	config   PageConfig
	document *page.Document
	server   *serverView // nil: none is asked
	pools    []func() page.Pool
	routers  []func() page.Router

	turn chan struct{} // has one place: who is in it makes the report
	last *page.Report  // guarded by turn
}

// entryOf returns what is shown of a shape. Its text is shown without literals even if
// it has a name: a program can put values below one.
func entryOf(s *Shape) page.Entry {
	out := page.Entry{
		Name: s.Name.String(), SQL: redact(s.SQL), Calls: s.Calls, Rows: s.Rows,
		Failed: s.Failed, Cancelled: s.Cancelled, Refused: s.Refused, Shared: s.Shared, Again: s.Again, Queued: s.Queued, Errors: s.Errors,
		Total: page.Seconds(s.Total()), Waited: page.Seconds(s.Waited), Server: page.Seconds(s.Server), Decoded: page.Seconds(s.Decoded), Held: page.Seconds(s.Held),
		Max: page.Seconds(s.Max), Whole: s.Whole > 0, Times: columnsOf(s.Times),
	}
	out.P50, out.P95, out.P99 = page.Seconds(s.Times.Quantile(0.5)), page.Seconds(s.Times.Quantile(0.95)), page.Seconds(s.Times.Quantile(0.99))
	return out
}

// columnsOf returns how many calls took how long, two columns for each doubling, from
// the first to the last that has calls.
func columnsOf(h Histogram) (out []page.Column) {
	const width = perOctave / 2
	if len(h.filled) == 0 {
		return nil
	}
	first := int(h.filled[0].which) / width
	for _, b := range h.filled {
		for i := first + len(out); i <= int(b.which)/width; i++ {
			from, _ := bounds(uint8(i * width))
			_, to := bounds(uint8(i*width + width - 1))
			out = append(out, page.Column{From: from, To: to})
		}
		out[len(out)-1].Calls += b.n
	}
	return out
}

// ranked is a shape that has a place in several orders.
type ranked struct {
	*Shape
	p99 time.Duration
}

// orders are the orders of statements, by what the page calls them. Each puts the
// largest first.
var orders = map[string]func(a, b ranked) int{
	"time":   func(a, b ranked) int { return cmp.Compare(b.Total(), a.Total()) },
	"calls":  func(a, b ranked) int { return cmp.Compare(b.Calls, a.Calls) },
	"rows":   func(a, b ranked) int { return cmp.Compare(b.Rows, a.Rows) },
	"errors": func(a, b ranked) int { return cmp.Compare(b.Failed, a.Failed) },
	"p99":    func(a, b ranked) int { return cmp.Compare(b.p99, a.p99) },
	"max":    func(a, b ranked) int { return cmp.Compare(b.Max, a.Max) },
}

// What can be a handle of a page.
type (
	smrtPool  interface{ Stats() pool.Stats }
	pgxPool   interface{ Stat() *pgxpool.Stat }
	someNodes interface{ Stats() readreplica.Stats }
)

// addHandles sorts handles into pools and routers.
func (p *handler) addHandles(handles map[string]smrt.DB) error {
	for _, name := range slices.Sorted(maps.Keys(handles)) {
		switch db := handles[name].(type) {
		case someNodes:
			p.routers = append(p.routers, func() page.Router { return stateOfRouter(name, db.Stats()) })
		case smrtPool:
			p.pools = append(p.pools, func() page.Pool { return stateOfPool(name, db.Stats()) })
		case pgxPool:
			p.pools = append(p.pools, func() page.Pool { return stateOfPgx(name, db.Stat()) })
		default:
			return bad("Handles", "must be pools and routers: a *pool.Pool, a *pgxpool.Pool or a *readreplica.Router, has a %T as %q", db, name)
		}
	}
	return nil
}

// stateOfPool returns what is shown of a pool of package pool.
func stateOfPool(name string, s pool.Stats) page.Pool {
	return page.Pool{
		Name: name, Max: s.Max, InUse: s.InUse, Idle: s.Idle, Opening: s.Opening, Waiting: s.Waiting, Acquires: s.Acquires, Waits: s.Waits, WaitTime: page.Seconds(s.WaitTime),
		Cancelled: s.Cancelled, Exhausted: s.Exhausted, Opened: s.Dials, Closed: s.Destroyed + s.Recycled + s.Expired,
	}
}

// stateOfPgx returns the same of a pool of pgx, which does not tell why a call got no
// connection.
func stateOfPgx(name string, s *pgxpool.Stat) page.Pool {
	return page.Pool{
		Name: name, Max: s.MaxConns(), InUse: s.AcquiredConns(), Idle: s.IdleConns(), Opening: s.ConstructingConns(),
		Acquires: s.AcquireCount(), Waits: s.EmptyAcquireCount(), WaitTime: page.Seconds(s.EmptyAcquireWaitTime()), Cancelled: s.CanceledAcquireCount(),
		Opened: s.NewConnsCount(), Closed: s.MaxLifetimeDestroyCount() + s.MaxIdleDestroyCount(),
	}
}

// stateOfRouter returns what is shown of a router. A standby that is up and gets no
// reads is too far behind, or has not answered often enough since it came back.
func stateOfRouter(name string, s readreplica.Stats) page.Router {
	r := page.Router{Name: name, Engine: s.Engine.String(), Waits: s.Waits, Fallbacks: s.Fallbacks, Refused: s.Refused, Reruns: s.Reruns}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		out := page.Node{
			Name: n.Name, Role: "standby", State: "up, no reads", Behind: n.Behind, Latency: page.Seconds(n.Latency), Age: page.Seconds(n.Age),
			InFlight: n.InFlight, Reads: n.Reads,
		}
		if n.Primary {
			out.Role = "primary"
		}
		switch {
		case !n.Up:
			out.State = "down"
		case n.Reading:
			out.State = "reading"
		case n.Primary:
			out.State = "up"
		}
		r.Nodes = append(r.Nodes, out)
	}
	return r
}

// report returns what to show now. It is made by one caller at a time, of which each
// may show that of the one before if it is new enough.
func (p *handler) report(ctx context.Context) (*page.Report, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.last != nil && time.Since(p.last.At) < fresh {
		return p.last, nil
	}
	snap := p.observer.Snapshot()
	r := &page.Report{Title: p.config.Title, Since: snap.Since, At: snap.At}
	addStatements(r, snap)
	addTransactions(r, &snap.Transactions, p.observer.lately.copies())
	addRecent(r, p.observer)
	for _, k := range Memory() {
		r.Memory = append(r.Memory, page.Kept(k))
	}
	for _, state := range p.pools {
		r.Pools = append(r.Pools, state())
	}
	for _, state := range p.routers {
		r.Routers = append(r.Routers, state())
	}
	if p.server != nil {
		r.Server = p.server.ask(ctx, snap.Shapes)
	}
	r.At = time.Now() // from here on it is new, however long the server took
	p.last = r
	return r, nil
}

// addStatements adds the sum of all calls, and those that come first in each order.
func addStatements(r *page.Report, snap Snapshot) {
	all := slices.Concat(snap.Shapes, snap.Others)
	total, sum := Shape{Name: Name{Operation: "all"}, Stats: snap.Total()}, record{counts: &counts{}}
	var list []ranked
	for i := range all {
		for _, b := range all[i].Times.filled {
			sum.count(b.which, b.n)
		}
		if all[i].Calls+all[i].Again > 0 { // else its first call runs
			list = append(list, ranked{&all[i], all[i].Times.Quantile(0.99)})
		}
	}
	total.Times = sum.histogram()
	r.Total, r.Texts, r.By = entryOf(&total), len(list), map[string][]page.Entry{}
	slices.SortFunc(list, func(a, b ranked) int { return byTotal(*a.Shape, *b.Shape) })
	entries := map[*Shape]page.Entry{}
	for name, order := range orders {
		sorted := slices.Clone(list)
		slices.SortStableFunc(sorted, order)
		r.By[name] = nil // there is the order, and perhaps nothing in it
		for _, s := range sorted[:min(len(sorted), mostRows)] {
			if _, ok := entries[s.Shape]; !ok {
				entries[s.Shape] = entryOf(s.Shape)
			}
			r.By[name] = append(r.By[name], entries[s.Shape])
		}
	}
}

// addTransactions adds what is known of all transactions, and those that were remarkable.
func addTransactions(r *page.Report, sums *Transactions, lately []slowCall) {
	t := &r.Transactions
	*t = page.Transactions{
		Begun: sums.Begun, Committed: sums.Committed, RolledBack: sums.RolledBack, InDoubt: sums.InDoubt, Retried: sums.Retried,
		Open: page.Seconds(sums.Open), Idle: page.Seconds(sums.Idle), P50: page.Seconds(sums.Times.Quantile(0.5)),
		P95: page.Seconds(sums.Times.Quantile(0.95)), P99: page.Seconds(sums.Times.Quantile(0.99)),
	}
	t.Pending = sums.Begun - sums.Committed - sums.RolledBack - sums.InDoubt
	for _, c := range lately {
		t.Recent = append(t.Recent, page.Transaction{
			At: c.at, Ending: c.ending(), Outcome: c.Outcome.String(), SQLState: c.SQLState, Attempt: max(c.Tries, 1), Cause: c.Cause,
			Open: page.Seconds(c.Server + c.Held), Idle: page.Seconds(c.Held), Node: c.Node,
		})
	}
}

// addRecent adds slow calls, whose texts have no literals already, and findings.
func addRecent(r *page.Report, o *Observer) {
	if o.slow != nil {
		r.Slow.On, r.Slow.Threshold = true, page.Seconds(o.slow.Threshold)
	}
	for _, c := range o.recent.copies() {
		site := ""
		if c.site.Function != "" {
			site = c.site.String()
		}
		r.Slow.Calls = append(r.Slow.Calls, page.SlowCall{
			Site: site,
			At:   c.at, Name: c.Name.String(), Kind: c.Kind.String(), SQL: c.SQL, Server: page.Seconds(c.Server), Waited: page.Seconds(c.Waited),
			Decoded: page.Seconds(c.Decoded), Held: page.Seconds(c.Held), Rows: c.Rows, Outcome: c.Outcome.String(), SQLState: c.SQLState, Node: c.Node,
		})
	}
	for id, at := range o.spots.copies() {
		f := id.finding(at)
		out := page.Finding{
			At: at.last, Kind: [...]string{"loop", "many calls", "budget", "idle transaction"}[id.kind], Times: f.Times, Calls: f.Calls,
			Open: page.Seconds(f.Open), Idle: page.Seconds(f.Idle), SQL: redact(f.SQL), Site: f.Site.String(), Instead: f.Instead,
		}
		for _, c := range f.Callers {
			out.Callers = append(out.Callers, c.String())
		}
		r.Findings = append(r.Findings, out)
	}
	slices.SortFunc(r.Findings, func(a, b page.Finding) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.SQL, b.SQL))
	})
}
