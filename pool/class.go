package pool

import (
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
)

// WithClass returns a context of one request, whose calls are of a class that Classes
// of [Config] names: together, calls of the class have no more connections than it
// says. An inner WithClass wins.
//
// Call it for each request, report or job: calls under one of these contexts are taken
// for those of one request, which may call the pool while it reads a stream of it, or
// is in a transaction. Such a call need not wait for the request's own connection, so
// that a class can have twice as many as Classes says. One of a third connection may
// wait for its own request, as long as AcquireTimeout.
//
// Reads that share a statement with those of other callers are of no class. A pool
// without Classes ignores the class.
func WithClass(ctx context.Context, name string) context.Context {
	if ctx == nil {
		return ctx
	}
	return context.WithValue(ctx, classKey{}, &member{name})
}

type classKey struct{}

// OfOneCall says that a statement of several callers is of the class of none.
func (classKey) OfOneCall() {}

// member is a request of a class.
type member struct{ class string }

// class bounds the connections of its members. They wait in order.
//
// A request has the first of its connections while fewer than most are lent. For the
// others twice as many may be lent: if it had to wait for less it could wait for
// itself. It cannot as long as requests have two connections, as those that have their
// first are most at the highest, and the second ones end by themselves.
type class struct {
	name string
	most int

	mu      sync.Mutex
	lent    int
	held    map[*member]int // connections of each request that has one
	waiting list.List       // of *classWaiter
	waits   int64
	refused int64
}

// classWaiter is a call that waits for its class. The channel is closed when it may
// go on.
type classWaiter struct {
	of    *member
	ready chan struct{}
}

// classPlace is what a connection of a class gives back.
type classPlace struct {
	class *class
	of    *member
}

// giveBack does nothing if p is nil.
func (p *classPlace) giveBack() {
	if p != nil {
		p.class.leave(p.of)
	}
}

// classes makes them of what was configured.
func classes(most map[string]int) map[string]*class {
	all := make(map[string]*class, len(most))
	for name, n := range most {
		all[name] = &class{name: name, most: n, held: map[*member]int{}}
	}
	return all
}

// place waits for the class of ctx, and returns how long. It returns nil if there is
// none.
func (p *Pool) place(ctx context.Context) (place *classPlace, waited time.Duration, err error) {
	m, ok := ctx.Value(classKey{}).(*member)
	if !ok {
		return nil, 0, nil
	}
	c := p.classes[m.class]
	if c == nil {
		return nil, 0, bad("WithClass", fmt.Sprintf("names %q, which must be in Classes of the pool: %s",
			m.class, strings.Join(slices.Sorted(maps.Keys(p.classes)), ", ")))
	}
	if waited, err = c.enter(ctx, m, p.acquireTimeout()); err != nil {
		if ctx.Err() == nil {
			p.counts.exhausted.Add(1)
		}
		return nil, waited, err
	}
	return &classPlace{c, m}, waited, nil
}

// enter waits until m may have one more connection, or ctx or limit is over. It returns
// how long that took.
func (c *class) enter(ctx context.Context, m *member, limit time.Duration) (waited time.Duration, err error) {
	c.mu.Lock()
	if c.may(m) { // nobody waits who may, too: leave sees to that
		c.take(m)
		c.mu.Unlock()
		return 0, nil
	}
	w := &classWaiter{m, make(chan struct{})}
	place := c.waiting.PushBack(w)
	c.waits++
	c.mu.Unlock()

	began := time.Now()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.ready:
		return time.Since(began), nil
	case <-timer.C:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-w.ready: // meanwhile
		return time.Since(began), nil
	default:
	}
	c.waiting.Remove(place)
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("wait for a connection of class %q: %w", c.name, err)
	}
	c.refused++
	waited = time.Since(began)
	return waited, &smrt.PoolExhaustedError{Reason: "class", Class: c.name, Waited: waited, InUse: int32(c.lent), Max: int32(c.most)}
}

// may reports whether m may have one more connection.
func (c *class) may(m *member) bool {
	return c.lent < c.most || c.held[m] > 0 && c.lent < 2*c.most
}

func (c *class) take(m *member) {
	c.lent++
	c.held[m]++
}

// leave takes a connection of m back, and lets those go on who may.
func (c *class) leave(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lent--
	if c.held[m]--; c.held[m] == 0 {
		delete(c.held, m)
	}
	for e := c.waiting.Front(); e != nil && c.lent < 2*c.most; {
		w, next := e.Value.(*classWaiter), e.Next()
		if c.may(w.of) {
			c.take(w.of)
			c.waiting.Remove(e)
			close(w.ready)
		}
		e = next
	}
}

// hold lets a connection give the place back when it comes back itself, or is closed.
func (p *classPlace) hold(conn *pgx.Conn) {
	if p == nil {
		return
	}
	s := stateOf(conn.PgConn())
	if s == nil {
		p.giveBack()
		return
	}
	s.place.Store(p)
	below := conn.PgConn().Conn()
	if t, ok := below.(*tls.Conn); ok {
		below = t.NetConn()
	}
	if w, ok := below.(*wire); ok { // one that is hijacked is not given back
		w.of.Store(s)
	}
}

// leaveClass gives back the place that the connection has, if it has one.
func (s *connState) leaveClass() {
	if p := s.place.Swap(nil); p != nil {
		p.giveBack()
	}
}

// ClassStats is the state of a class at one moment.
type ClassStats struct {
	Name    string
	Max     int   // connections, as configured
	InUse   int   // lent to calls of the class
	Waiting int   // calls that wait for one of them
	Waits   int64 // calls that have waited, so far
	Refused int64 // those of them that are smrt.ErrPoolExhausted, so far
}

// Classes returns the state of the classes of the pool, by name.
func (p *Pool) Classes() []ClassStats {
	all := make([]ClassStats, 0, len(p.classes))
	for _, c := range p.classes {
		c.mu.Lock()
		all = append(all, ClassStats{c.name, c.most, c.lent, c.waiting.Len(), c.waits, c.refused})
		c.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b ClassStats) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
