package observe

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/readreplica"
)

// What this package reads in the text of a statement.
var (
	RelationsFor = relationsFor
	Trim         = trim
	Counted      = counted
)

// Classify names the kind of a frame.
func Classify(function, file string) string {
	return [...]string{"user", "library", "neutral", "handle", "sender"}[classify(function, file)]
}

// Search returns the positions of the frames that make the site of a stack,
// whose frames are given by the first letters of their kinds.
func Search(kinds string) string {
	s := callSites{kinds: map[uintptr]kind{}}
	var stack []uintptr
	for i, letter := range kinds {
		pc := uintptr(i + 1)
		s.kinds[pc] = map[rune]kind{'u': user, 'l': library, 'n': neutral, 'h': wrapper, 's': sender}[letter]
		stack = append(stack, pc)
	}
	at, found := s.search(stack, true)
	text := ""
	for _, pc := range at[:found] {
		text += strconv.Itoa(int(pc) - 1)
	}
	return text
}

// KeptBy returns how many statements and loops the scope of a context holds,
// whichever are more.
func KeptBy(ctx context.Context) int {
	s := scopeOf(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(len(s.statements), len(s.loops))
}

// FramesNamed returns how many frames a tracer has seen on the stacks it walked.
func FramesNamed(t pgx.QueryTracer) int {
	p := &t.(*tracer).callSites
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.kinds)
}

// Record records a call of a text that took d, as a connection would.
func Record(o *Observer, text string, d time.Duration) {
	recordEvent(o, text, Event{Run: 1, Callers: 1, Server: d})
}

// RecordError records a call that failed.
func RecordError(o *Observer, text, state string) {
	recordEvent(o, text, Event{Run: 1, Callers: 1, Outcome: Failed, SQLState: state})
}

func recordEvent(o *Observer, text string, e Event) {
	sh := o.shapes.of(text, func() Name { return nameOf(text) })
	if sh != nil {
		e.Name = sh.name
	}
	o.shapes.add(sh, &e)
}

// Quantile counts durations and returns a quantile of them.
func Quantile(times []time.Duration, q float64) time.Duration {
	r := record{counts: &counts{}}
	for _, d := range times {
		r.count(bucketOf(d), 1)
	}
	return r.histogram().Quantile(q)
}

// Fill makes the bucket of a duration as full as it can be, in the statistics of a
// text that was sent more than once.
func Fill(o *Observer, text string, d time.Duration) {
	o.shapes.byText[text].record.counts[bucketOf(d)] = math.MaxUint32
}

// Tokens returns the bucket of a slow log.
func Tokens(t testing.TB, c SlowLog) func(time.Time) (dropped int, ok bool) {
	l, err := newSlowLog(c)
	if err != nil {
		t.Fatal(err)
	}
	return l.take
}

// RecordSlow keeps a call as the slow log does.
func RecordSlow(o *Observer, text string) { o.recent.add(&Event{SQL: text}, Frame{}) }

// Slow returns the texts of the slow calls that are kept.
func Slow(o *Observer) (texts []string) {
	for _, c := range o.recent.copies() {
		texts = append(texts, c.SQL)
	}
	return texts
}

// Hold lets nobody read or change what is known of a text, until it is released.
func Hold(o *Observer, text string) (release func()) {
	sh := o.shapes.byText[text]
	sh.mu.Lock()
	return sh.mu.Unlock
}

// Forget makes the next page anew.
func Forget(h http.Handler) { h.(*handler).last = nil }

// StatesOf returns the roles and states that a page shows of nodes.
func StatesOf(nodes ...readreplica.NodeStats) (out []string) {
	for _, n := range stateOfRouter("", readreplica.Stats{Nodes: nodes}).Nodes {
		out = append(out, n.Role+" "+n.State)
	}
	return out
}

// Planner returns what limits plans.
func Planner() *planner { return &planner{} }

// Take and Give are take and give.
func (p *planner) Take(shape uint64, now time.Time) bool { return p.take(shape, now) }
func (p *planner) Give(began, now time.Time)             { p.give(began, now) }
