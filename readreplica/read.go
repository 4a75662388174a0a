package readreplica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// choose finds a node that serves a read with demands.
func (r *Router) choose(ctx context.Context, d *demand, last handle.Try) (handle.Try, error) {
	switch {
	case d.primary:
		return r.onPrimary(ctx, last)
	case !r.kind().positions():
		return r.chooseByRole(ctx, d, last)
	}
	need, n, err := r.measure(ctx, d, last)
	if err != nil {
		return handle.Try{}, err
	}
	if n == nil {
		n = r.pick(need, last)
	}
	if n != nil {
		return tryOn(n, last), nil
	}
	var waited time.Duration
	if n := r.promising(need, last); n != nil {
		began := now()
		reached := n.await(ctx, need, r.waitLimit(ctx))
		waited = began.since()
		r.counter.waited(waited)
		switch {
		case reached:
			return tryOn(n, last), nil
		case ctx.Err() != nil:
			return handle.Try{}, ctx.Err()
		}
	}
	return r.fallback(ctx, d, need, waited, last)
}

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
//     replica that has replayed it will do.
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
	if only, _ := d.session.lastReads(r); only.node != nil && r.mayStay(only, need, last) {
		return need, only.node, nil // case 3
	}
	seen, err := r.coverReads(ctx, d.session) // case 4, or nothing to do
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

// coverReads makes the position of a session cover what it has read, and
// returns it. If a node does not tell its position, the primary's will do,
// because no standby is ahead of it.
func (r *Router) coverReads(ctx context.Context, s *session) (smrt.Position, error) {
	only, reads := s.lastReads(r)
	if only.node != nil {
		reads = []lastRead{only}
	}
	p, _ := s.notes(r)
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

// reached reports whether a node has replayed a position, by what is known.
func (n *Node) reached(need smrt.Position) bool {
	s := n.status.Load()
	return s != nil && (need.IsZero() || s.timeline == need.Timeline && s.position >= need.LSN)
}

// pick chooses among the replicas that have replayed need.
func (r *Router) pick(need smrt.Position, last handle.Try) *Node {
	var few [8]*Node
	able := few[:0]
	for _, n := range r.table.Load().readers {
		if last.Tried&(1<<n.index) == 0 && n.reached(need) {
			able = append(able, n)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return r.picked(able)
}

// promising is the replica that is closest to need, nil if none will get there.
func (r *Router) promising(need smrt.Position, last handle.Try) *Node {
	var best *Node
	var at uint64
	for _, n := range r.table.Load().readers {
		s := n.status.Load()
		if last.Tried&(1<<n.index) != 0 || s.timeline != need.Timeline {
			continue
		}
		if best == nil || s.position > at {
			best, at = n, s.position
		}
	}
	return best
}

// waitLimit is how long a read waits for a replica.
func (r *Router) waitLimit(ctx context.Context) time.Duration {
	limit := r.cfg.Wait
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/10)
	}
	return limit
}

// onPrimary sends a read to the primary because that was asked for.
func (r *Router) onPrimary(ctx context.Context, last handle.Try) (handle.Try, error) {
	n, err := r.writer(ctx, r.limit())
	if err != nil {
		return handle.Try{}, err
	}
	if last.Tried&(1<<n.index) != 0 {
		return handle.Try{}, last.Err
	}
	return tryOn(n, last), nil
}

// fallback serves a read for which no replica is fresh enough.
func (r *Router) fallback(ctx context.Context, d *demand, need smrt.Position, waited time.Duration, last handle.Try) (handle.Try, error) {
	t := r.table.Load()
	fail := &smrt.FreshnessError{Need: need, Within: d.within.Truncate(time.Microsecond), Waited: waited, Err: last.Err}
	switch n := t.primary; {
	case n != nil && last.Tried&(1<<n.index) != 0:
		fail.Reason = "the primary failed too"
	case n != nil && r.slots == nil:
		return tryOn(n, last), nil
	case r.cfg.Fallback == Strict && len(r.nodes) > 1:
		fail.Reason = "the primary does not serve reads by Config.Fallback"
	case n == nil:
		fail.Reason = "there is no primary"
	default:
		if r.takeSlot(ctx, len(t.readers) > 0 && waited == 0) {
			r.counter.fallbacks.Add(1)
			last.Slot = true
			return tryOn(n, last), nil
		}
		if ctx.Err() != nil {
			return handle.Try{}, ctx.Err()
		}
		fail.Reason = fmt.Sprintf("the primary has no room: %d reads are on it already (Config.PrimaryShare)", cap(r.slots))
	}
	if n := r.stale(d, last); n != nil {
		return tryOn(n, last), nil
	}
	if last.Err != nil && len(t.readers) > 0 && need.IsZero() {
		return handle.Try{}, last.Err // all were tried: freshness was not the matter
	}
	r.counter.refused.Add(1)
	return handle.Try{}, fail
}

// takeSlot takes a slot of the primary. As long as replicas are alive it is
// worth while to wait a little for one; if they are gone it is not.
func (r *Router) takeSlot(ctx context.Context, patient bool) bool {
	select {
	case r.slots <- struct{}{}:
		return true
	default:
	}
	if !patient {
		return false
	}
	timer := time.NewTimer(r.waitLimit(ctx))
	defer timer.Stop()
	select {
	case r.slots <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// stale is any replica within Config.MaxStale, if the policy allows it and
// nothing was asked for by name.
func (r *Router) stale(d *demand, last handle.Try) *Node {
	if r.cfg.Fallback != StaleIfFull || d.within > 0 || !d.least.IsZero() {
		return nil
	}
	return r.pick(smrt.Position{}, last)
}

// chooseByRole is choose where positions cannot be compared.
func (r *Router) chooseByRole(ctx context.Context, d *demand, last handle.Try) (handle.Try, error) {
	switch {
	case r.kind() == Detect:
		if _, err := r.writer(ctx, r.limit()); err != nil && r.kind() == Detect {
			return handle.Try{}, err // no server has answered yet
		}
		return r.choose(ctx, d, last)
	case r.kind().current():
	case d.within > 0:
		return handle.Try{}, r.noPositions("WithMaxStale")
	case !d.least.IsZero():
		return handle.Try{}, r.noPositions("WithPosition")
	case d.session != nil:
		if _, wrote := d.session.notes(r); wrote != 0 && wrote.since() < r.cfg.Sticky {
			return r.onPrimary(ctx, last)
		}
		only, reads := d.session.lastReads(r)
		for _, read := range append(reads, only) { // another replica may be behind this one
			if read.node != nil && r.mayStay(read, smrt.Position{}, last) {
				return tryOn(read.node, last), nil
			}
		}
	}
	if n := r.pick(smrt.Position{}, last); n != nil {
		return tryOn(n, last), nil
	}
	return r.fallback(ctx, d, smrt.Position{}, 0, last)
}
