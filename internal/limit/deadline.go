package limit

import (
	"container/heap"
	"sync"
	"time"
)

// deadlines are the calls under way whose time a Set limits. They share one timer: a
// timer of each took 1.1 us of a Get, five times what the rest of a limit
// takes, because the runtime wakes a thread for each one that is the next to end.
type deadlines struct {
	mu    sync.Mutex
	calls byEnd
	timer *time.Timer // runs expire
	next  time.Time   // when it does; zero: it does not
}

// add lets the time of c be over at end.
func (d *deadlines) add(c *Call, end time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.end = end
	heap.Push(&d.calls, c)
	if d.next.IsZero() || end.Before(d.next) {
		d.wake(end)
	}
}

// remove takes back what add did, unless the time is over.
func (d *deadlines) remove(c *Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.place > 0 {
		heap.Remove(&d.calls, c.place-1)
	}
}

// expire ends the calls whose time is over. A timer whose call has ended finds none,
// and is set for the next call, if there is one.
func (d *deadlines) expire() {
	for _, c := range d.over(time.Now()) {
		c.late.Store(true)
		c.cancel()
	}
}

func (d *deadlines) over(now time.Time) (over []*Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.calls) > 0 && !d.calls[0].end.After(now) {
		over = append(over, heap.Pop(&d.calls).(*Call))
	}
	d.next = time.Time{}
	if len(d.calls) > 0 {
		d.wake(d.calls[0].end)
	}
	return over
}

func (d *deadlines) wake(at time.Time) {
	d.next = at
	if d.timer == nil {
		d.timer = time.AfterFunc(time.Until(at), d.expire)
		return
	}
	d.timer.Reset(time.Until(at))
}

// byEnd is a heap whose first call is the next to end. Place is where a call is in it,
// plus 1.
type byEnd []*Call

func (h byEnd) Len() int           { return len(h) }
func (h byEnd) Less(i, j int) bool { return h[i].end.Before(h[j].end) }

func (h byEnd) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}

func (h *byEnd) Push(c any) {
	*h = append(*h, c.(*Call))
	c.(*Call).place = len(*h)
}

func (h *byEnd) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last], *h = nil, (*h)[:last]
	c.place = 0
	return c
}
