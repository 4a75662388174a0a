package readreplica

import (
	"context"
	"errors"
	"slices"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/wal"
)

// A replica may serve a read if it has replayed the position that the read must
// see. This file says which one that is (measure, need), and how positions are
// found out: those of the primary by since, which concurrent callers share, and
// those of a replica by Node.position.

// measure returns what a read needs; see need. Where that takes a position of
// the primary and it does not tell, the read waits, as a write does, for as long
// as Config.Failover: a probe may be answered when a question was not, and
// another primary may come.
func (r *Router) measure(ctx context.Context, d *demand, last handle.Try) (need smrt.Position, stay *Node, err error) {
	began, until := now(), r.limit()
	for {
		need, stay, err = r.need(ctx, d, began, last)
		switch {
		case err == nil, errors.Is(err, smrt.ErrBadToken):
			return need, stay, err
		case ctx.Err() != nil:
			return need, nil, ctx.Err()
		}
		if _, e := r.writer(ctx, until); errors.Is(e, smrt.ErrPoolClosed) || ctx.Err() != nil {
			return need, nil, e
		}
		if now() >= until {
			return need, nil, &smrt.FreshnessError{Reason: "no server can be asked how far it is", Err: err}
		}
		r.hurry()
		r.pause(ctx, r.cfg.ProbeInterval/20)
	}
}

// need returns the position that a replica must have replayed to serve a read
// that began at a time, and the node that the read is to stay on, nil if any
// replica with that position will do.
//
// In a session a read must cover the session's position, and what earlier reads
// saw on other nodes. There are four cases:
//
//  1. All that was written and read lies before the session's position. Any
//     replica that has replayed it will do. So it is if all that was read since
//     then was on one node and a probe has told how far that is: it becomes the
//     session's position, so that a session is not tied to a node for ever.
//  2. Something was written, and where is not known. The primary is asked for
//     its position, which becomes the session's. (A commit whose position came
//     with the answer does not get here.)
//  3. All that was read since then was on one node, which may have shown more
//     than the session's position. The read stays there, and nobody is asked,
//     if the node has replayed the session's position, still serves reads and
//     has not lost what it showed.
//  4. Otherwise each of the nodes that were read from is asked for its position,
//     which becomes the session's. That is case 1 again.
func (r *Router) need(ctx context.Context, d *demand, began instant, last handle.Try) (need smrt.Position, stay *Node, err error) {
	if need, err = r.validated(ctx, d.least); err != nil {
		return need, nil, err
	}
	if d.within > 0 {
		p, err := r.since(ctx, began-instant(d.within))
		if err != nil {
			return need, nil, err
		}
		need = later(need, p)
	}
	if d.session == nil {
		need, err = r.translated(ctx, need)
		return need, nil, err
	}
	written, err := r.coverWrites(ctx, d.session) // cases 1 and 2
	if err != nil {
		return need, nil, err
	}
	if need, err = r.translated(ctx, later(need, written)); err != nil {
		return need, nil, err
	}
	only, several := d.session.lastReads(r)
	if only.node != nil {
		if p, told := only.node.told(only.at); told && r.isReached(later(need, p), last) {
			return later(need, d.session.coverRead(r, only, p)), nil, nil // case 1, after a probe
		}
		if r.mayStay(only, need, last) {
			return need, only.node, nil // case 3
		}
	}
	seen, err := r.coverReads(ctx, d.session, only, several) // case 4, or nothing to do
	return later(need, seen), nil, err
}

// coverWrites makes the position of a session cover what it has written, and
// returns it.
func (r *Router) coverWrites(ctx context.Context, s *session) (smrt.Position, error) {
	p, wrote := s.notes(r)
	at := wrote
	if r.isOld(p) {
		at = now() // its number means something else on the new timeline
	}
	if at == 0 {
		return p, nil
	}
	current, err := r.since(ctx, at)
	if err != nil {
		return p, err
	}
	s.raise(r, current, wrote)
	return later(p, current), nil
}

// coverReads makes the position of a session cover what it has read, as lastReads
// returned it, and returns the position, which is zero if there is nothing to do.
// If a node does not tell its position, the primary's will do, because no standby
// is ahead of it.
func (r *Router) coverReads(ctx context.Context, s *session, only lastRead, reads []lastRead) (p smrt.Position, err error) {
	if only.node != nil {
		reads = []lastRead{only}
	}
	for _, read := range reads {
		at, err := read.node.position(ctx, read.at)
		if err != nil {
			if at, err = r.since(ctx, read.at); err != nil {
				return p, err
			}
		}
		p = s.coverRead(r, read, at)
	}
	return p, nil
}

// translated returns a position on the primary's timeline that covers what is
// left of one on an older timeline. After a promotion its number means something
// else, and may be ahead of everything although nothing is missing.
func (r *Router) translated(ctx context.Context, need smrt.Position) (smrt.Position, error) {
	if !r.isOld(need) {
		return need, nil
	}
	return r.since(ctx, now())
}

// isOld reports whether a position is on an older timeline than the primary's.
func (r *Router) isOld(p smrt.Position) bool {
	if p.IsZero() {
		return false
	}
	_, timeline, _ := r.known()
	return p.Timeline < timeline
}

// mayStay reports whether the node that a session has read from may serve
// another read of it: what was seen there cannot be missing there.
func (r *Router) mayStay(read lastRead, need smrt.Position, last handle.Try) bool {
	n := read.node
	return read.node.keeps(read.at) && last.Tried&(1<<n.index) == 0 &&
		slices.Contains(r.table.Load().readers, n) && n.reached(need)
}

// isReached reports whether one of the replicas that were not tried has replayed a
// position.
func (r *Router) isReached(need smrt.Position, last handle.Try) bool {
	return slices.ContainsFunc(r.table.Load().readers, func(n *Node) bool {
		return last.Tried&(1<<n.index) == 0 && n.reached(need)
	})
}

// reached reports whether a node has replayed a position, by what is known.
func (n *Node) reached(need smrt.Position) bool {
	s := n.status.Load()
	return s != nil && (need.IsZero() || s.timeline == need.Timeline && s.position >= need.LSN)
}

// validated refuses a position that cannot be one of this cluster. What seems
// to be ahead may only be newer than what was last seen of the primary, so it
// is asked once; if it does not answer, the position is believed.
func (r *Router) validated(ctx context.Context, p smrt.Position) (smrt.Position, error) {
	if p.IsZero() {
		return p, nil
	}
	system, timeline, newest := r.known()
	if system != 0 && p.System != system {
		return p, &smrt.TokenError{Reason: "foreign"}
	}
	if p.Timeline < timeline || p.Timeline == timeline && p.LSN <= newest {
		return p, nil
	}
	at, err := r.since(ctx, now())
	if err != nil {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		return p, nil //nolint:nilerr // nobody knows better
	}
	switch {
	case p.Timeline > at.Timeline:
		r.hurry() // a standby may have been promoted just now
		return p, &smrt.TokenError{Reason: "timeline"}
	case p.Timeline == at.Timeline && p.LSN > at.LSN+tokenSlack:
		return p, &smrt.TokenError{Reason: "future"}
	}
	return p, nil
}

// told is position as far as the last probe has told it.
func (n *Node) told(t instant) (p smrt.Position, told bool) {
	if s := n.status.Load(); s != nil && s.standby && s.asked > t && n.keeps(t) {
		return s.bound(), true
	}
	return p, false
}

// position is one that covers what a read that ended on the node at t saw.
func (n *Node) position(ctx context.Context, t instant) (smrt.Position, error) {
	if p, told := n.told(t); told {
		return p, nil
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

// since returns a position of the primary that was asked for after t, so that
// it covers every commit that was answered before t. Callers who want the same
// at the same time share the question.
func (r *Router) since(ctx context.Context, t instant) (smrt.Position, error) {
	for {
		r.mu.Lock()
		p, known := r.sampleAfter(t, true)
		r.mu.Unlock()
		if known {
			return p, nil
		}
		r.askMu.Lock()
		a := r.asking
		mine := a == nil
		if mine {
			a = &asking{began: now(), done: make(chan struct{})}
			r.asking = a
		}
		r.askMu.Unlock()
		if mine {
			r.ask(ctx, a)
		} else {
			select {
			case <-a.done:
			case <-ctx.Done():
				return smrt.Position{}, ctx.Err()
			}
		}
		if a.began > t && (a.err == nil || mine) {
			return a.at, a.err
		}
		if err := ctx.Err(); err != nil {
			return smrt.Position{}, err
		}
	}
}

// asking is a question for the primary's position that several callers share.
type asking struct {
	began instant
	done  chan struct{}
	at    smrt.Position
	err   error
}

// ask asks the primary.
func (r *Router) ask(ctx context.Context, a *asking) {
	defer func() {
		r.askMu.Lock()
		r.asking = nil
		r.askMu.Unlock()
		close(a.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ProbeTimeout)
	defer cancel()
	n := r.table.Load().primary
	if n == nil {
		a.err = r.noPrimary()
		return
	}
	r.counter.positions.Add(1)
	if a.at, a.err = wal.Now(ctx, n.reads); a.err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table.Load().primary == n && a.at.Timeline == r.timeline {
		r.remember(&status{asked: a.began, system: a.at.System, timeline: a.at.Timeline, position: a.at.LSN})
	}
}

// sample is how far the primary had written at a time.
type sample struct {
	asked    instant
	position smrt.Position
	covers   bool // also what was committed without waiting for the flush
}

// maxSamples bounds the memory of samples. At one a second it is 17 minutes.
const maxSamples = 1024

// remember keeps the primary's position, to measure replicas against.
func (r *Router) remember(s *status) {
	if n := len(r.samples); n > 0 && r.samples[n-1].asked >= s.asked {
		return
	}
	if len(r.samples) == maxSamples {
		r.samples = append(r.samples[:0], r.samples[maxSamples/2:]...)
	}
	r.samples = append(r.samples, sample{s.asked, s.where(), !s.async})
}

// sampleAfter returns the earliest position that covers everything that was
// committed before a time; known is false if nobody has asked since. What was
// committed without waiting for the flush is covered only if all is asked for.
// r.mu is held.
func (r *Router) sampleAfter(t instant, all bool) (p smrt.Position, known bool) {
	for _, s := range r.samples {
		if s.asked > t && (s.covers || !all) {
			return s.position, true
		}
	}
	return smrt.Position{}, false
}

// known is what was last seen of the primary: the cluster, its newest timeline, and
// how far the log was. Each is zero until a primary was seen.
func (r *Router) known() (system int64, timeline uint32, newest uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := len(r.samples); k > 0 {
		newest = r.samples[k-1].position.LSN
	}
	return r.system, r.timeline, newest
}

// later is the position that covers both. On a newer timeline numbers are not
// comparable with those of the older.
func later(a, b smrt.Position) smrt.Position {
	if b.Timeline > a.Timeline || b.Timeline == a.Timeline && b.LSN > a.LSN {
		return b
	}
	return a
}
