package readreplica

import (
	"context"
	"fmt"
	"weak"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// A cache reads what it keeps from the primary, because a standby may not have what
// the cache was told of. Whether what it keeps can be the answer to a read depends on
// what that demands:
//
//	the read demands       the row was read from the primary
//	nothing                at any time
//	WithMaxStale           no longer ago than that
//	WithPosition           after the context was made, or when the log was known to be further
//	a session              after its last write, as far as that has no position; after that
//	                       was known, or when the log was known to be further
//	WithPrimary            is not asked for
//
// Further, and not as far: where the log has reached the end of a commit, others may not
// see it yet. A session has read what it is served, so that it sees no less afterwards.
// What it has read before may be newer, if another process has written.

var (
	_ handle.Leads = routerTraits{}
	_ handle.Led   = led{}
)

// Lead returns what caches have to know.
func (t routerTraits) Lead() (handle.Led, error) {
	switch {
	case t.r.kind() == Detect:
		return nil, t.r.noPrimary()
	case !t.r.kind().positions():
		return nil, bad("db", "must lead to servers of PostgreSQL, and not through a pooler, for rows to be kept: of the others it is not known which has the newest ("+t.r.kind().String()+")")
	}
	return led{weak.Make(t.r)}, nil
}

// led is a router for a cache.
type led struct{ router weak.Pointer[Router] }

// Fill returns a context under which a read goes to the primary at once, or fails.
func (led) Fill(ctx context.Context) context.Context {
	return demanding(ctx, func(d *demand) { d.fills = true })
}

// Fills reports whether a row of the primary can be the answer. A position may be wrong,
// which is for the read to say.
func (led) Fills(ctx context.Context) bool {
	d := demandOf(ctx)
	return !d.primary && d.least.IsZero()
}

// Began returns how far the log is known to be. What was probed last is enough.
func (l led) Began() (m handle.Moment) {
	if r := l.router.Value(); r != nil {
		m.Began = int64(now())
		m.Position = r.newest()
	}
	return m
}

// Ended adds the time.
func (led) Ended(m handle.Moment) handle.Moment {
	m.Ended = int64(now())
	return m
}

// Serves reports whether a row can be the answer to a read under ctx.
func (l led) Serves(ctx context.Context, m *handle.Moment) bool {
	d := demandOf(ctx)
	if d == noDemand {
		return true
	}
	r := l.router.Value()
	return r != nil && r.serves(d, m)
}

func (r *Router) serves(d *demand, m *handle.Moment) bool {
	began := instant(m.Began)
	switch {
	case d.primary, d.within > 0 && began.since() > d.within, !covers(m, d.least, d.leastAt):
		return false
	case d.session == nil:
		return true
	}
	n := r.table.Load().primary
	if n == nil {
		return false // nobody could tell later what was seen
	}
	if !d.session.allows(r, m) {
		return false
	}
	d.session.noteKept(n, instant(m.Ended))
	return true
}

// covers reports whether what was read from the primary at a moment has what was
// committed up to a position, zero for none, that was known at a time.
func covers(m *handle.Moment, p smrt.Position, known instant) bool {
	at := m.Position
	return p.IsZero() || instant(m.Began) > known || at.System == p.System && at.Timeline == p.Timeline && at.LSN > p.LSN
}

// OnPrimary calls changed each time that another server has become the primary.
func (l led) OnPrimary(changed func()) (stop func()) {
	r := l.router.Value()
	if r == nil {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leads == nil {
		r.leads = map[*func()]struct{}{}
	}
	key := &changed
	r.leads[key] = struct{}{}
	return func() {
		if r := l.router.Value(); r != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.leads, key)
		}
	}
}

// leader is who leads in what history.
type leader struct {
	node     *Node
	timeline uint32
}

// lead tells caches if there is another leader than the last one. What they keep may not
// be there. It is called after reads can find the new one, so that nothing is
// read from the old one afterwards. r.mu is held.
func (r *Router) lead(n *Node) {
	if n == nil {
		return
	}
	s := n.status.Load()
	if next := (leader{n, s.timeline}); next != r.led {
		r.led = next
		for changed := range r.leads {
			(*changed)()
		}
	}
}

// newest is the last position of the primary that is known, zero if none is.
func (r *Router) newest() (p smrt.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := len(r.samples); k > 0 {
		p = r.samples[k-1].position
	}
	return p
}

// toFill sends a read to the primary whose row will be kept. Who wants it can do
// without, so that no room and no primary is waited for.
func (r *Router) toFill(ctx context.Context, last handle.Try) (handle.Try, error) {
	n := r.table.Load().primary
	switch {
	case n == nil:
		return handle.Try{}, r.noPrimary()
	case last.Tried&(1<<n.index) != 0:
		return handle.Try{}, last.Err
	case r.slots == nil:
		return tryOn(n, last), nil
	case !r.takeSlot(ctx, false):
		return handle.Try{}, &smrt.FreshnessError{Reason: fmt.Sprintf("the primary has no room: as many reads are on it as Config.PrimaryShare lets be, which is %d", cap(r.slots))}
	}
	last.Slot = true
	return tryOn(n, last), nil
}
