package readreplica

import (
	"context"
	"slices"
	"sync"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// session is what one user has written and read. It only keeps notes; what they
// mean for a read is decided by [Router.need].
type session struct {
	mu      sync.Mutex
	wrote   instant // last write that every router must take into account
	history []history
}

// history is what a session has done on one router.
//
// Asking for a position takes a round trip. So the session notes when it wrote
// and where it read, and positions are asked for when a read needs them.
type history struct {
	router   *Router
	position smrt.Position // reads must see it
	raised   instant       // when position was known
	wrote    instant       // time of a write that position does not cover, 0 for none
	reads    []lastRead    // reads that position does not cover: the last on each node
	written  bool          // something was written
}

// lastRead is when the last read of a session on a node ended.
type lastRead struct {
	node *Node
	at   instant
}

// on returns the session's history on r. s.mu is held.
func (s *session) on(r *Router) *history {
	for i := range s.history {
		if s.history[i].router == r {
			return &s.history[i]
		}
	}
	s.history = append(s.history, history{router: r, wrote: s.wrote, written: s.wrote != 0})
	return &s.history[len(s.history)-1]
}

// markWritten notes a write that no router has seen.
func (s *session) markWritten() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrote = now()
	for i := range s.history {
		h := &s.history[i]
		h.wrote, h.written = s.wrote, true
	}
}

// noteWrite notes a write through r that ended at a time. Its position is not
// known.
func (s *session) noteWrite(r *Router, at instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.on(r)
	h.wrote, h.written = max(h.wrote, at), true
}

// resume notes a write of an earlier request of the same user.
func (s *session) resume(r *Router, at instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.on(r)
	h.wrote = max(h.wrote, at)
}

// noteCommit notes the position of a commit, which is zero if it could not be
// read, of a transaction that began no earlier than a time. A write that was
// answered before then has its record before that of the commit, so its own
// position is not needed any more.
func (s *session) noteCommit(r *Router, p smrt.Position, began instant) {
	if p.IsZero() {
		s.noteWrite(r, now())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.on(r)
	h.position, h.raised, h.written = later(h.position, p), now(), true
	if h.wrote < began {
		h.wrote = 0
	}
}

// noteRead notes a read that has ended on a node. Without a session it does nothing.
func (s *session) noteRead(n *Node) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read(n, now())
}

// allows reports whether a session lets a read be served by a row that was read from
// the primary at a moment.
func (s *session) allows(r *Router, m *handle.Moment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.on(r)
	return (h.wrote == 0 || instant(m.Began) > h.wrote) && covers(m, h.position, h.raised)
}

// noteKept notes that the session was served a row that a cache had read from a node
// at a time.
func (s *session) noteKept(n *Node, at instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read(n, at)
}

// read notes a read. s.mu is held.
func (s *session) read(n *Node, at instant) {
	h := s.on(n.router)
	for i := range h.reads {
		if h.reads[i].node == n {
			h.reads[i].at = max(h.reads[i].at, at)
			return
		}
	}
	h.reads = append(h.reads, lastRead{n, at})
}

// raise makes reads see a position that covers the write of a time, 0 for none.
func (s *session) raise(r *Router, p smrt.Position, wrote instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.on(r)
	h.position, h.raised = later(h.position, p), now()
	if h.wrote == wrote {
		h.wrote = 0
	}
}

// coverRead makes reads see a position that covers what an earlier read saw. It
// returns all that they must see now.
func (s *session) coverRead(r *Router, read lastRead, p smrt.Position) smrt.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.on(r)
	h.position, h.raised = later(h.position, p), now()
	h.reads = slices.DeleteFunc(h.reads, func(other lastRead) bool { return other == read })
	return h.position
}

// notes returns what reads must see by what is known, and the time of a write
// that this does not cover.
func (s *session) notes(r *Router) (p smrt.Position, wrote instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.on(r)
	return h.position, h.wrote
}

// lastReads returns the only read that the position does not cover, in which
// case nothing is allocated, or a copy of several.
func (s *session) lastReads(r *Router) (only lastRead, several []lastRead) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch h := s.on(r); len(h.reads) {
	case 0:
	case 1:
		only = h.reads[0]
	default:
		several = slices.Clone(h.reads)
	}
	return only, several
}

// hasWritten reports whether something was written through r.
func (s *session) hasWritten(r *Router) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on(r).written
}

// errNoSession is the error of asking a context for what only a session has.
var errNoSession = bad("ctx", "has no session: see WithSession")

// Position returns what the session of ctx has written and read, as a position
// that covers both; zero if that is nothing. It asks for positions that are not
// known yet, which is at most one round trip for each node. Without a session, and
// on an engine without positions, the error is smrt.ErrBadOptions. Inside a
// transaction begun on the router it is smrt.ErrTxBypass, because a commit that has
// not happened has no position.
func (r *Router) Position(ctx context.Context) (smrt.Position, error) {
	if err := handle.Check(ctx, r); err != nil {
		return smrt.Position{}, err
	}
	s := sessionOf(ctx)
	if s == nil {
		return smrt.Position{}, errNoSession
	}
	if !r.kind().positions() {
		return smrt.Position{}, r.noPositions("Position")
	}
	written, err := r.coverWrites(ctx, s)
	if err != nil {
		return smrt.Position{}, err
	}
	only, several := s.lastReads(r)
	seen, err := r.coverReads(ctx, s, only, several)
	if err != nil {
		return smrt.Position{}, err
	}
	return later(written, seen), nil
}

// noPositions is the error of asking for what needs positions, on an engine that has
// none.
func (r *Router) noPositions(what string) error {
	return bad(what, "is not possible: positions cannot be compared on "+r.kind().String())
}

// keepCommits returns where the positions of commits go: to the session of ctx.
func (r *Router) keepCommits(ctx context.Context) func(smrt.Position) {
	s := sessionOf(ctx)
	if s == nil || !r.kind().positions() {
		return nil
	}
	began := now()
	return func(p smrt.Position) { s.noteCommit(r, p, began) }
}

// wrote notes in the session of ctx that something may have been committed.
func (r *Router) wrote(ctx context.Context) {
	if s := sessionOf(ctx); s != nil {
		s.noteWrite(r, now())
	}
}
