package readreplica

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// demand is what a context asks of the reads under it. It never changes, so
// that one look into the context is all that a read needs.
type demand struct {
	session *session
	primary bool
	within  time.Duration // 0: not asked for
	least   smrt.Position
}

type demandKey struct{}

func demandOf(ctx context.Context) *demand {
	d, _ := ctx.Value(demandKey{}).(*demand)
	return d
}

// demanding returns a context with a changed demand.
func demanding(ctx context.Context, change func(*demand)) context.Context {
	var d demand
	if old := demandOf(ctx); old != nil {
		d = *old
	}
	change(&d)
	return context.WithValue(ctx, demandKey{}, &d)
}

// WithPrimary returns a context under which reads go to the primary. There they
// see everything that is committed, and need no room by Config.PrimaryShare.
func WithPrimary(ctx context.Context) context.Context {
	return demanding(ctx, func(d *demand) { d.primary = true })
}

// WithMaxStale returns a context under which reads see everything that was
// committed d or longer ago. A d that is shorter than Config.ProbeInterval
// costs a question to the primary now and then, which concurrent reads share.
// A d of 0 or less is as little as can be: all that was committed before the
// read began.
func WithMaxStale(ctx context.Context, d time.Duration) context.Context {
	return demanding(ctx, func(of *demand) { of.within = max(d, 1) })
}

// WithPosition returns a context under which reads see everything up to a
// position, such as that of a commit which another program has sent along with
// a message. See txn.Result for how to get one.
func WithPosition(ctx context.Context, p smrt.Position) context.Context {
	return demanding(ctx, func(d *demand) { d.least = p })
}

// WithSession returns a context with a new session. Under it, whatever router
// it is used with, reads see what was written before (read-your-writes) and
// never less than earlier reads did (monotonic reads). A session is for what
// one user does one after the other, such as a request; it is safe for
// concurrent use, but then "before" means: answered before the read began.
//
// What is done by hand on connections lent by Router.Acquire and Reader.Acquire
// is not seen: tell of writes with [MarkWritten].
func WithSession(ctx context.Context) context.Context {
	return demanding(ctx, func(d *demand) { d.session = &session{} })
}

// MarkWritten tells the session of ctx that something was committed in a way
// that the router has not seen, such as by another program that has just
// answered. Without a session it does nothing.
func MarkWritten(ctx context.Context) {
	if d := demandOf(ctx); d != nil && d.session != nil {
		d.session.mu.Lock()
		defer d.session.mu.Unlock()
		d.session.wrote = now()
		for i := range d.session.parts {
			p := &d.session.parts[i]
			p.wrote, p.dirty = d.session.wrote, true
		}
	}
}

// session is what was written and read by one user.
type session struct {
	mu    sync.Mutex
	wrote instant // what routers that were not used yet must see
	parts []part
}

// part is a session's part with one router.
//
// A position costs a round trip, so it is asked for only when it is needed:
// after a write, or when a read leaves the node where the last one was. Until
// then the session knows when it wrote and where it read.
type part struct {
	router *Router
	floor  smrt.Position // what reads must see
	wrote  instant       // time of a write with an unknown position, 0 for none
	seen   []sighting    // reads that floor does not cover: the last on each node
	dirty  bool          // something was written under this context
}

// sighting is that a read on a node ended at a time.
type sighting struct {
	node *Node
	at   instant
}

// last is where all that floor does not cover was read, nil if there is no such
// thing, if it was on several nodes, by reads at the same time, or if the node
// has lost it since.
func (p *part) last() *Node {
	if len(p.seen) != 1 || !p.seen[0].node.keeps(p.seen[0].at) {
		return nil
	}
	return p.seen[0].node
}

// on returns the session's part with r. s.mu is held.
func (s *session) on(r *Router) *part {
	for i := range s.parts {
		if s.parts[i].router == r {
			return &s.parts[i]
		}
	}
	s.parts = append(s.parts, part{router: r, wrote: s.wrote, dirty: s.wrote != 0})
	return &s.parts[len(s.parts)-1]
}

// wrote notes that something may have been committed.
func (r *Router) wrote(ctx context.Context) {
	d := demandOf(ctx)
	if d == nil || d.session == nil {
		return
	}
	s := d.session
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.on(r)
	p.wrote, p.dirty = now(), true
}

// keepCommits returns where the positions of commits go: to the session of ctx.
func (r *Router) keepCommits(ctx context.Context) func(smrt.Position) {
	d := demandOf(ctx)
	if d == nil || d.session == nil || !r.kind().positions() {
		return nil
	}
	began := now()
	return func(p smrt.Position) { r.committed(d.session, p, began) }
}

// committed notes a commit of a transaction that was not begun before a time. A
// write that was answered before then has its record before that of the commit,
// so its own position need not be known any more.
func (r *Router) committed(s *session, p smrt.Position, began instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part := s.on(r)
	part.dirty = true
	if p.IsZero() { // it could not be read
		part.wrote = now()
		return
	}
	part.floor = later(part.floor, p)
	if part.wrote < began {
		part.wrote = 0
	}
}

// raise makes reads see a position.
func (s *session) raise(r *Router, p smrt.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part := s.on(r)
	part.floor = later(part.floor, p)
}

// later is the position that covers both. On a newer timeline numbers are not
// comparable with those of the older.
func later(a, b smrt.Position) smrt.Position {
	if b.Timeline > a.Timeline || b.Timeline == a.Timeline && b.LSN > a.LSN {
		return b
	}
	return a
}

// didRead notes where a read was.
func (s *session) didRead(n *Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.on(n.router)
	for i := range p.seen {
		if p.seen[i].node == n {
			p.seen[i].at = now()
			return
		}
	}
	p.seen = append(p.seen, sighting{n, now()})
}

// look is a copy of the session's part with r.
func (s *session) look(r *Router) part {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := *s.on(r)
	p.seen = slices.Clone(p.seen)
	return p
}

// floorOf is what reads of the session must see, without what was seen on the
// last node: that is for reads on others.
func (r *Router) floorOf(ctx context.Context, s *session) (floor smrt.Position, last *Node, err error) {
	s.mu.Lock()
	p := s.on(r)
	floor, last = p.floor, p.last()
	wrote := p.wrote
	s.mu.Unlock()
	if wrote == 0 {
		return floor, last, nil
	}
	at, err := r.since(ctx, wrote)
	if err != nil {
		return smrt.Position{}, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.on(r)
	mine.floor = later(mine.floor, at)
	if mine.wrote == wrote {
		mine.wrote = 0
	}
	return mine.floor, mine.last(), nil
}

// settle makes the floor cover what was read. If a node where that was does not
// answer, the primary's position does, because no standby is ahead of it.
func (r *Router) settle(ctx context.Context, s *session) (smrt.Position, error) {
	p := s.look(r)
	for _, read := range p.seen {
		at, err := read.node.position(ctx, read.at)
		if err != nil {
			if at, err = r.since(ctx, read.at); err != nil {
				return smrt.Position{}, err
			}
		}
		p.floor = s.settled(r, read, at)
	}
	return p.floor, nil
}

// settled notes a position that covers what a read saw, and returns the floor.
func (s *session) settled(r *Router, read sighting, at smrt.Position) smrt.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.on(r)
	p.floor = later(p.floor, at)
	p.seen = slices.DeleteFunc(p.seen, func(other sighting) bool { return other == read })
	return p.floor
}

// position is one that covers what a read that ended on the node at t saw.
func (n *Node) position(ctx context.Context, t instant) (smrt.Position, error) {
	if s := n.status.Load(); s != nil && s.standby && s.asked > t && n.keeps(t) {
		return s.bound(), nil
	}
	if n.router.table.Load().primary == n || !n.keeps(t) {
		return n.router.since(ctx, t)
	}
	ctx, cancel := context.WithTimeout(ctx, n.router.cfg.ProbeTimeout)
	defer cancel()
	s := &status{asked: now()}
	if err := s.read(ctx, n.reads, PostgreSQL); err != nil {
		return smrt.Position{}, err
	}
	n.router.counter.positions.Add(1)
	return s.bound(), nil
}

// Position returns what the session of ctx has written and read, as a position
// that covers both; zero if that is nothing. It asks for positions that are not
// known yet, which is at most one round trip for each. Inside a transaction
// begun on the router it is smrt.ErrTxBypass, because a commit that has not
// happened has no position.
func (r *Router) Position(ctx context.Context) (smrt.Position, error) {
	if err := handle.Check(ctx, r); err != nil {
		return smrt.Position{}, err
	}
	d := demandOf(ctx)
	if d == nil || d.session == nil {
		return smrt.Position{}, bad("ctx", "has no session: see WithSession")
	}
	if !r.kind().positions() {
		return smrt.Position{}, r.noPositions("Position")
	}
	if _, _, err := r.floorOf(ctx, d.session); err != nil {
		return smrt.Position{}, err
	}
	return r.settle(ctx, d.session)
}

func (r *Router) noPositions(what string) error {
	return bad(what, "is not possible: positions cannot be compared on "+r.kind().String())
}
