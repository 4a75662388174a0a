package observe

import (
	"slices"
	"sync"
	"time"
)

// maxSlowCalls is how many slow calls are kept for the page.
const maxSlowCalls = 50

// slowCall is a call that the slow log has. Its text has no literals, its event no
// arguments and no error: both may hold values.
type slowCall struct {
	at   time.Time
	site Frame // the zero Frame if the slow log has none
	Event
}

// recently are the last slow calls that an Observer has seen. Its lock is taken by calls
// that the slow log has, and by the page.
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

// redact returns a text for the page: without literals, and not too long. Texts that are
// cut off within a literal have no part of it.
func redact(sql string) string { return WithoutLiterals(clip(sql)) }
