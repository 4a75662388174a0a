package observe

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/smrt-go/smrt/internal/kept"
)

// A spot is where in the program something was seen that costs the database more than it
// has to. Four are recognised while statements are sent:
//
//	loop          the scope of a request has found it, and says so to its policy as well
//	request       the 101st call of a scope, which scopes inside of it may make. A scope that has made none itself, such as one of a test around requests, is no request
//	budget        a scope makes the first call above its Options.MaxCalls; the page shows it
//	transaction   a connection was in a transaction, and no statement ran for most of it
//
// The stack is walked where one is seen and at no other time, so that calls which do
// nothing wrong pay for a comparison. What is kept of a spot are the addresses of three
// frames, which are named when a snapshot is made.

// spotKind is what was seen at a place in the program.
type spotKind uint8

const (
	loopSpot    spotKind = iota // a scope repeats a statement there
	requestSpot                 // the 101st call of a scope is made there
	budgetSpot                  // a scope makes the first call above its limit there
	idleSpot                    // a transaction ends there that did nothing for most of its time
)

// From where on something is a spot.
const (
	maxSpots  = 256
	manyCalls = 100                    // of one request
	longIdle  = 100 * time.Millisecond // of one transaction
)

// spotID tells spots apart.
type spotID struct {
	kind  spotKind
	text  string
	at    callSite
	calls int // that the scope had made then, where that is what is wrong
}

// spot is what is known of one.
type spot struct {
	times      uint64
	last       time.Time
	open, idle time.Duration
}

// spots are places in the program that keep the database busy for nothing, as an Observer
// has seen them.
type spots struct {
	mu   sync.Mutex
	seen map[spotID]*spot
}

// newSpots registers what it returns, which so is in Memory, and is made less by Shrink. A
// spot that was dropped comes back when it is seen again, and counts from one.
func newSpots() *spots {
	s := &spots{seen: map[spotID]*spot{}}
	kept.Add("spots", s, (*spots).report, (*spots).shrink)
	return s
}

// add counts a spot.
func (s *spots) add(id spotID, open, idle time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.seen[id]
	if at == nil {
		if len(s.seen) >= maxSpots {
			return
		}
		at = &spot{}
		s.seen[id] = at
	}
	at.times++
	at.last = time.Now()
	at.open += open
	at.idle += idle
}

// all returns the findings of the spots, in an order that does not depend on chance. What
// is above a budget is not among them: it is what the program says, and not what was seen.
func (s *spots) all() (all []Finding) {
	for id, at := range s.copies() {
		if id.kind != budgetSpot {
			all = append(all, id.finding(at))
		}
	}
	slices.SortFunc(all, bySite)
	return all
}

// copies returns what is known of each spot.
func (s *spots) copies() map[spotID]spot {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[spotID]spot, len(s.seen))
	for id, at := range s.seen {
		out[id] = *at
	}
	return out
}

// finding describes a spot.
func (id spotID) finding(at spot) Finding {
	f := Finding{Name: nameOf(id.text), SQL: id.text, Times: at.times, Open: at.open, Idle: at.idle, Calls: id.calls}
	f.locate(id.at)
	switch id.kind {
	case loopSpot:
		f.Instead = instead(id.text)
	case requestSpot, budgetSpot:
		f.Instead = insteadOfMany
	case idleSpot:
		f.Instead = "do what is slow before the transaction, or after it, as in txn.AfterCommit"
	}
	return f
}

// bySite orders findings.
func bySite(a, b Finding) int {
	c := cmp.Or(a.Site.compare(b.Site), cmp.Compare(a.Calls, b.Calls), cmp.Compare(a.Open, b.Open), cmp.Compare(a.SQL, b.SQL))
	for i := 0; c == 0 && i < min(len(a.Callers), len(b.Callers)); i++ {
		c = a.Callers[i].compare(b.Callers[i])
	}
	return c
}

// compare orders frames.
func (f Frame) compare(g Frame) int {
	return cmp.Or(cmp.Compare(f.File, g.File), cmp.Compare(f.Line, g.Line), cmp.Compare(f.Function, g.Function))
}

// reset forgets everything, also what is seen at this moment: the next time comes.
func (s *spots) reset() { s.shrink(0) }

// spotBytes is what a spot takes besides its text, which its shape mostly has too.
const spotBytes = 200

// report says what is kept.
func (s *spots) report() kept.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return kept.Report{Entries: len(s.seen), Capacity: maxSpots, Bytes: int64(len(s.seen) * spotBytes)}
}

// shrink drops all but so many spots, which come back if they matter.
func (s *spots) shrink(to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.seen {
		if len(s.seen) <= to {
			return
		}
		delete(s.seen, id)
	}
}

// end returns where the program ends a transaction. Not all ends go through pgx's connection.
func (t *tracer) end() callSite {
	var stack [256]uintptr
	at, _ := t.callSites.search(stack[:runtime.Callers(callersSkip, stack[:])], false)
	return at
}
