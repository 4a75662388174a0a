package pool

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// queue refuses calls while the pool is overloaded, by the rule of CoDel: a queue
// that empties now and then is a burst, one that does not is more work than can be
// done, and waiting in it is of no use to anybody.
//
//	above       since when no call has got a connection within target
//	overloaded  that has been so for interval: whoever has waited for twice target is refused
//	neither     a call got one within target, or nobody has waited for interval
//
// The oldest call is served first, as pgxpool's queue is one of its own, in that
// order. To serve the newest first takes a queue before that one, which must know
// when each connection comes back: also those that are hijacked, and those lent by the
// pool below. So the calls that are served have waited for twice target, instead of
// most of them for nothing.
//
// A call that need not wait reads one word of it.
type queue struct {
	target, interval time.Duration
	busy             atomic.Bool // above is set

	mu         sync.Mutex
	waiting    list.List // of *patience, the oldest first
	left       time.Time // when the last call did
	above      time.Time // zero: not above
	overloaded bool
	timer      *time.Timer // nil until somebody waits
}

// enter adds a call that has begun to wait.
func (q *queue) enter(w *patience) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.isForgotten(w.since) {
		q.calm()
	}
	w.place = q.waiting.PushBack(w)
	q.next(w.since)
}

// served is told of a call that got a connection without waiting.
func (q *queue) served() {
	if q != nil && q.busy.Load() {
		q.mu.Lock()
		q.calm()
		q.mu.Unlock()
	}
}

// leave removes a call that waits no more, and has got a connection or not.
func (q *queue) leave(w *patience, served bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(w)
	now := time.Now()
	q.left = now
	switch {
	case served && now.Sub(w.since) < q.target:
		q.calm()
	case served && q.above.IsZero():
		q.rise(w.since.Add(q.target))
	}
	q.next(now)
}

// look refuses who is to be refused.
func (q *queue) look() {
	now := time.Now()
	q.mu.Lock()
	if oldest := q.oldest(); oldest != nil && q.above.IsZero() && now.Sub(oldest.since) >= q.target {
		q.rise(oldest.since.Add(q.target))
	}
	q.overloaded = q.overloaded || !q.above.IsZero() && now.Sub(q.above) >= q.interval
	var refused []*patience
	for q.overloaded {
		oldest := q.oldest()
		if oldest == nil || now.Sub(oldest.since) < 2*q.target {
			break
		}
		q.remove(oldest)
		refused = append(refused, oldest)
	}
	q.next(now)
	q.mu.Unlock()
	for _, w := range refused { // without the lock, which whoever has that of a patience waits for
		w.stop(errRefused, overload)
	}
}

// next sets the timer to when look has something to do.
func (q *queue) next(now time.Time) {
	oldest := q.oldest()
	if oldest == nil {
		return
	}
	at := q.above.Add(q.interval)
	switch {
	case q.overloaded:
		at = oldest.since.Add(2 * q.target)
	case q.above.IsZero():
		at = oldest.since.Add(q.target)
	}
	if q.timer == nil {
		q.timer = time.AfterFunc(at.Sub(now), q.look)
		return
	}
	q.timer.Reset(at.Sub(now))
}

func (q *queue) oldest() *patience {
	if e := q.waiting.Front(); e != nil {
		return e.Value.(*patience)
	}
	return nil
}

func (q *queue) remove(w *patience) {
	if w.place != nil {
		q.waiting.Remove(w.place)
		w.place = nil
	}
}

func (q *queue) rise(since time.Time) {
	q.above = since
	q.busy.Store(true)
}

func (q *queue) calm() {
	q.above, q.overloaded = time.Time{}, false
	q.busy.Store(false)
}

// isOverloaded reports whether calls are refused now.
func (q *queue) isOverloaded() bool {
	if q == nil || !q.busy.Load() {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.overloaded && !q.isForgotten(time.Now())
}

// isForgotten reports whether nobody has waited for so long that a call which waits now
// is the first of another burst.
func (q *queue) isForgotten(now time.Time) bool {
	return q.waiting.Len() == 0 && now.Sub(q.left) >= q.interval
}
