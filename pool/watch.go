package pool

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/traced"
)

// Times are functions that a pool calls with how long something took, on the goroutine
// that waits for it. So they are quick, and do not call the pool. Each may be nil.
type Times struct {
	Waited func(time.Duration) // for a connection that was then lent: 0 for most
	Opened func(time.Duration) // to open a connection, up to the server's word that it is ready
	Lent   func(time.Duration) // that a connection was lent, until it was given back
}

// Watch calls the functions of t from now on, until stop is called: it returns how that is
// done. A call of the pool then reads the clock twice more. Connections that Pgx lends, and
// those that are hijacked, are not among those lent.
func (p *Pool) Watch(t Times) (stop func()) {
	w := &t
	p.change(func(all []*Times) []*Times { return append(all, w) })
	return func() {
		p.change(func(all []*Times) []*Times {
			return slices.DeleteFunc(all, func(other *Times) bool { return other == w })
		})
	}
}

// change replaces the watchers by changed ones. They are nil if there are none, which is
// all that a call looks at then.
func (p *Pool) change(by func([]*Times) []*Times) {
	for {
		old := p.watchers.Load()
		var all []*Times
		if old != nil {
			all = slices.Clone(*old)
		}
		next := &all
		if all = by(all); len(all) == 0 {
			next = nil
		}
		if p.watchers.CompareAndSwap(old, next) {
			return
		}
	}
}

// tell tells the watchers of a time.
func (p *Pool) tell(of func(*Times) func(time.Duration), took time.Duration) {
	all := p.watchers.Load()
	if all == nil {
		return
	}
	for _, w := range *all {
		if f := of(w); f != nil {
			f(took)
		}
	}
}

// lent notes that a connection is lent, to a call that has waited for it.
func (p *Pool) lent(conn *pgx.Conn, waited time.Duration) {
	if p.watchers.Load() == nil {
		return
	}
	p.tell(func(t *Times) func(time.Duration) { return t.Waited }, waited)
	if s := stateOf(conn.PgConn()); s != nil {
		s.lent = traced.Now()
	}
}

// back notes that the connection is given back.
func (s *connState) back() {
	if s.lent != 0 {
		s.pool.tell(func(t *Times) func(time.Duration) { return t.Lent }, traced.Now()-s.lent)
		s.lent = 0
	}
}

// opened counts a connection that was opened.
func (p *Pool) opened(took time.Duration) {
	p.counts.opened.Add(1)
	p.counts.openTime.Add(int64(took))
	p.tell(func(t *Times) func(time.Duration) { return t.Opened }, took)
}
