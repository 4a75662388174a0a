package readreplica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// A read goes through this file from top to bottom:
//
//   - next sends it to any replica that reads, if its context demands nothing;
//     else choose finds a node.
//   - choose asks position.go for the position that the read must see, picks
//     among the replicas that have replayed it, waits a little for the one that
//     is closest to it, and turns to fallback.
//   - fallback takes a slot of the primary, if there is one, or a stale replica,
//     if the policy allows that.
//   - The caller runs the read. If it fails, again judges the error, and chooses
//     another node if that can help. In the end done gives back what was taken.

// maxRuns is how often a read is run at most, on different nodes.
const maxRuns = 4

// next chooses the node for a read: the first time for its first try, and after
// a failure for another one.
func (r *Router) next(ctx context.Context, last handle.Try) (handle.Try, error) {
	d := demandOf(ctx)
	if last.On != nil {
		return r.again(ctx, d, last)
	}
	if t := r.table.Load(); d == noDemand && len(t.readers) > 0 {
		return tryOn(r.picked(t.readers), last), nil
	}
	return r.choose(ctx, d, last)
}

// choose finds a node that serves a read with demands.
func (r *Router) choose(ctx context.Context, d *demand, last handle.Try) (handle.Try, error) {
	switch {
	case d.fills:
		return r.toFill(ctx, last)
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
		_, wrote := d.session.notes(r)
		only, reads := d.session.lastReads(r)
		if wrote != 0 && wrote.since() < r.cfg.Sticky {
			return r.onPrimary(ctx, last)
		}
		for _, read := range append(reads, only) { // another replica may be behind this one, but not for ever
			if read.node != nil && read.at.since() < r.cfg.Sticky && r.mayStay(read, smrt.Position{}, last) {
				return tryOn(read.node, last), nil
			}
		}
	}
	if n := r.pick(smrt.Position{}, last); n != nil {
		return tryOn(n, last), nil
	}
	return r.fallback(ctx, d, smrt.Position{}, 0, last)
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

// pick chooses among the replicas that have replayed need, leaving out those that
// were tried. It needs no memory for up to eight of them.
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

// picked is the node of the picker, if that is one of nodes: a read does not
// fail because of a picker.
func (r *Router) picked(nodes []*Node) *Node {
	if n := r.cfg.Picker(nodes); slices.Contains(nodes, n) {
		return n
	}
	return LeastLatency(nodes)
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

// fallback serves a read for which no replica is fresh enough. With a single server
// there is no limit; else, by Config.Fallback:
//
//	              the primary has room   has none                            is gone
//	PrimaryIfRoom the primary            refused                             refused
//	Strict        refused                refused                             refused
//	StaleIfFull   the primary            a replica within MaxStale, if the   likewise
//	                                     read asks only for what its
//	                                     session wrote or read
//
// Where replicas were tried and failed, and freshness was not the matter, it is the
// last of their errors.
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
		fail.Reason = fmt.Sprintf("the primary has no room: as many reads are on it as Config.PrimaryShare lets be, which is %d", cap(r.slots))
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

// tryOn is a try on a node, which counts as running there from now on.
func tryOn(n *Node, last handle.Try) handle.Try {
	last.On, last.Node, last.Began = n.on, n.index, int64(n.begin())
	return last
}

// again chooses another node after a failure. What the try has taken is given back
// first: its count in flight, and its slot of the primary if it had one; the next
// try takes its own.
func (r *Router) again(ctx context.Context, d *demand, last handle.Try) (handle.Try, error) {
	n := r.nodes[last.Node]
	r.finish(n, last)
	elsewhere, err := r.judge(ctx, n, last.Err)
	if !elsewhere {
		d.session.noteRead(n) // that a row is not there is an answer as well
	}
	last.Tried |= 1 << n.index
	last.Count++
	if !elsewhere || last.Count >= maxRuns || ctx.Err() != nil {
		return handle.Try{}, err
	}
	r.counter.reruns.Add(1)
	if pgerr.IsUnlogged(err) {
		d = &demand{session: d.session, primary: true}
	}
	next, chosen := r.choose(ctx, d, handle.Try{Tried: last.Tried, Count: last.Count, Err: err})
	if chosen != nil {
		return handle.Try{}, chosen
	}
	next.Err = nil
	return next, nil
}

// done ends a read.
func (r *Router) done(ctx context.Context, t handle.Try) error {
	n := r.nodes[t.Node]
	r.finish(n, t)
	sessionOf(ctx).noteRead(n) // before an error there may have been rows
	if t.Err == nil {
		return nil
	}
	_, err := r.judge(ctx, n, t.Err)
	return err
}

// finish gives back what a try took.
func (r *Router) finish(n *Node, t handle.Try) {
	n.end(instant(t.Began), t.Err == nil)
	if t.Slot {
		<-r.slots
	}
}

// judge says what the error of a read means: for the node, and whether another
// one could do better.
//
//	error                              the node             the read
//	the caller's context has ended     -                    ends
//	no connection in time, one that    is as it was         is run elsewhere
//	was idle too long, or a standby
//	that went back
//	read-only transaction (25006)      is as it was         ends: it is a write (ErrWriteOnReplica)
//	an unlogged table, on a standby    is as it was         is run on the primary
//	conflict, on a standby: recovery   counts as slower     is run elsewhere
//	conflict, on the primary           is as it was         ends: it is for the application
//	lost, out of memory or room        has failed           is run elsewhere
//	any other                          is as it was         ends: it is for the application
func (r *Router) judge(ctx context.Context, n *Node, err error) (elsewhere bool, _ error) {
	if ctx.Err() != nil {
		return false, err
	}
	if errors.Is(err, smrt.ErrPoolExhausted) || errors.Is(err, smrt.ErrConnectTimeout) || errors.Is(err, errWentBack) || isIdle(err) { // busy, in its way, which is no fault
		return true, err
	}
	standby := r.table.Load().primary != n
	if standby && pgerr.IsUnlogged(err) {
		return true, err
	}
	switch faultOf(err) {
	case pgerr.NotPrimary:
		return false, &writeError{err}
	case pgerr.Conflict:
		if !standby {
			return false, err
		}
		n.conflicted()
		r.counter.conflicts.Add(1)
		return true, err
	case pgerr.Lost, pgerr.Crowded:
		n.failed(err)
		return true, err
	}
	return false, err
}

// writeError is a write that was declared as a read.
type writeError struct{ err error }

func (e *writeError) Error() string { return fmt.Sprintf("%v: %v", smrt.ErrWriteOnReplica, e.err) }

func (e *writeError) Unwrap() []error { return []error{smrt.ErrWriteOnReplica, e.err} }
