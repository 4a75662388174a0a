package observe

import (
	"slices"
	"sync"
	"time"
)

// maxSlowCalls is how many slow calls are kept for the page, and how many transactions.
const maxSlowCalls = 50

// slowCall is a call that the slow log has. Its text has no literals, its event no
// arguments and no error: both may hold values.
type slowCall struct {
	at   time.Time
	site Frame // the zero Frame if the slow log has none
	Event
}

// recently are the last slow calls that an Observer has seen, or transactions of which an
// operator wants to know. Its lock is taken by those, and by the page.
type recently struct {
	mu   sync.Mutex
	slow []slowCall // a ring, once it is full
	next int
}

// add keeps a slow call in place of the oldest.
func (r *recently) add(e *Event, site Frame) {
	c := slowCall{at: time.Now(), site: site, Event: *e}
	c.SQL, c.Args, c.Err, c.Sharers = redact(e.SQL), nil, nil, nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.slow) < maxSlowCalls {
		r.slow = append(r.slow, c)
		return
	}
	r.slow[r.next] = c
	r.next = (r.next + 1) % maxSlowCalls
}

// copies returns what is kept, the newest first.
func (r *recently) copies() []slowCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	slow := slices.Concat(r.slow[r.next:], r.slow[:r.next])
	slices.Reverse(slow)
	return slow
}

// forget forgets all.
func (r *recently) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow, r.next = nil, 0
}

// isRemarkable reports whether an operator wants to know of a transaction that has ended:
// its COMMIT had no answer, the server refused something in it, it was a further attempt,
// or it was open for as long as a call takes that the slow log has.
func (o *Observer) isRemarkable(e *Event) bool {
	long := defaultThreshold
	if o.slow != nil {
		long = o.slow.Threshold
	}
	return e.Outcome != OK || e.Tries > 1 || e.Server+e.Held >= long
}

// redact returns a text for the page: without literals, and not too long. Texts that are
// cut off within a literal have no part of it.
func redact(sql string) string { return WithoutLiterals(clip(sql)) }
