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

// maxRuns is how often a read is run at most, on different nodes.
const maxRuns = 4

// next chooses the node for a read.
func (r *Router) next(ctx context.Context, last handle.Try) (handle.Try, error) {
	if last.On != nil {
		return r.again(ctx, last)
	}
	if d := demandOf(ctx); d != nil {
		return r.choose(ctx, d, last)
	}
	if t := r.table.Load(); len(t.readers) > 0 {
		return r.on(r.choice(t.readers), last), nil
	}
	return r.choose(ctx, &demand{}, last)
}

// choice is the picker's, if it is one: a read does not fail because of it.
func (r *Router) choice(nodes []*Node) *Node {
	if n := r.cfg.Picker(nodes); slices.Contains(nodes, n) {
		return n
	}
	return LeastLatency(nodes)
}

// on is a try on a node.
func (r *Router) on(n *Node, last handle.Try) handle.Try {
	last.On, last.Node, last.Began = n.on, n.index, int64(n.begin())
	return last
}

// done ends a read.
func (r *Router) done(ctx context.Context, t handle.Try) error {
	n := r.nodes[t.Node]
	r.finish(n, t)
	saw(ctx, n) // before an error there may have been rows
	if t.Err == nil {
		return nil
	}
	_, err := r.judge(ctx, n, t.Err)
	return err
}

// saw notes in the session of ctx that it was answered by a node.
func saw(ctx context.Context, n *Node) {
	if d := demandOf(ctx); d != nil && d.session != nil {
		d.session.didRead(n)
	}
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
func (r *Router) judge(ctx context.Context, n *Node, err error) (elsewhere bool, _ error) {
	if ctx.Err() != nil {
		return false, err
	}
	if errors.Is(err, smrt.ErrPoolExhausted) || errors.Is(err, smrt.ErrConnectTimeout) || errors.Is(err, errWentBack) { // busy, in its way, which is no fault
		return true, err
	}
	standby := r.table.Load().primary != n
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
	if r.cfg.off&offClassify != 0 {
		n.failed(err)
	}
	return false, err
}

// writeError is a write that was declared as a read.
type writeError struct{ err error }

func (e *writeError) Error() string   { return fmt.Sprintf("%v: %v", smrt.ErrWriteOnReplica, e.err) }
func (e *writeError) Unwrap() []error { return []error{smrt.ErrWriteOnReplica, e.err} }

// again chooses another node after a failure.
func (r *Router) again(ctx context.Context, last handle.Try) (handle.Try, error) {
	n := r.nodes[last.Node]
	r.finish(n, last)
	elsewhere, err := r.judge(ctx, n, last.Err)
	if !elsewhere {
		saw(ctx, n) // that a row is not there is an answer as well
	}
	last.Tried |= 1 << n.index
	last.Count++
	if !elsewhere || last.Count >= maxRuns || ctx.Err() != nil || r.cfg.off&offRerun != 0 {
		return handle.Try{}, err
	}
	d := demandOf(ctx)
	if d == nil {
		d = &demand{}
	}
	r.counter.reruns.Add(1)
	next, chosen := r.choose(ctx, d, handle.Try{Tried: last.Tried, Count: last.Count, Err: err})
	if chosen != nil {
		return handle.Try{}, chosen
	}
	next.Err = nil
	return next, nil
}

// choose finds a node that serves a read with demands.
func (r *Router) choose(ctx context.Context, d *demand, last handle.Try) (handle.Try, error) {
	if d.primary {
		return r.onPrimary(ctx, last)
	}
	if !r.kind().positions() {
		return r.chooseByRole(ctx, d, last)
	}
	need, read, err := r.need(ctx, d)
	if err != nil {
		return handle.Try{}, err
	}
	if read != nil && r.mayStay(read, need, last) {
		return r.on(read, last), nil
	}
	if d.session != nil {
		seen, err := r.settle(ctx, d.session)
		if err != nil {
			return handle.Try{}, r.unknown(ctx, err)
		}
		need = later(need, seen)
	}
	if n := r.pick(need, last); n != nil {
		return r.on(n, last), nil
	}
	var waited time.Duration
	if n := r.promising(need, last); n != nil {
		began := now()
		if n.await(ctx, need, r.waitLimit(ctx)) {
			r.counter.waited(began.since())
			return r.on(n, last), nil
		}
		if ctx.Err() != nil {
			return handle.Try{}, ctx.Err()
		}
		waited = began.since()
		r.counter.waited(waited)
	}
	return r.fallback(ctx, d, need, waited, last)
}

// need is what a read must see, except what the last read of its session saw,
// and where that was.
func (r *Router) need(ctx context.Context, d *demand) (need smrt.Position, read *Node, err error) {
	if need, err = r.validated(ctx, d.least); err != nil {
		return need, nil, err
	}
	if d.session != nil {
		var floor smrt.Position
		if floor, read, err = r.floorOf(ctx, d.session); err != nil {
			return need, nil, r.unknown(ctx, err)
		}
		need = later(need, floor)
	}
	if d.within > 0 {
		t := instant(int64(now()) - int64(d.within))
		r.mu.Lock()
		floor, known := r.floorAt(t, true)
		r.mu.Unlock()
		if !known {
			if floor, err = r.since(ctx, t); err != nil {
				return need, nil, r.unknown(ctx, err)
			}
		}
		need = later(need, floor)
	}
	need, err = r.translated(ctx, d, need)
	return need, read, err
}

// translated is a position on the primary's timeline that covers what is left
// of one on an older timeline: after a promotion its number means something
// else, and may be ahead of everything although nothing is missing.
func (r *Router) translated(ctx context.Context, d *demand, need smrt.Position) (smrt.Position, error) {
	if need.IsZero() || need.Timeline >= r.newest() || r.cfg.off&offTimelines != 0 {
		return need, nil
	}
	at, err := r.since(ctx, now())
	if err != nil {
		return need, r.unknown(ctx, err)
	}
	if d.session != nil {
		d.session.raise(r, at)
	}
	return at, nil
}

// newest is the timeline of the primary.
func (r *Router) newest() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.timeline
}

// unknown is the error of a read whose demands cannot be measured.
func (r *Router) unknown(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &smrt.FreshnessError{Reason: "no server can be asked how far it is", Err: err}
}

// mayStay tells whether the node where a session read last may serve another
// read of it: there, nothing that was seen can be missing, and nobody has to be
// asked.
func (r *Router) mayStay(n *Node, need smrt.Position, last handle.Try) bool {
	return last.Tried&(1<<n.index) == 0 && slices.Contains(r.table.Load().readers, n) && r.reached(n, need)
}

// reached tells whether a node has replayed a position, by what is known.
func (r *Router) reached(n *Node, need smrt.Position) bool {
	s := n.status.Load()
	if s == nil {
		return false
	}
	if r.cfg.off&offTimelines != 0 {
		return s.position >= need.LSN
	}
	return need.IsZero() || s.timeline == need.Timeline && s.position >= need.LSN
}

// pick chooses among the replicas that have replayed need.
func (r *Router) pick(need smrt.Position, last handle.Try) *Node {
	var few [8]*Node
	able := few[:0]
	for _, n := range r.table.Load().readers {
		if last.Tried&(1<<n.index) == 0 && r.reached(n, need) {
			able = append(able, n)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return r.choice(able)
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
	return r.on(n, last), nil
}

// fallback serves a read for which no replica is fresh enough.
func (r *Router) fallback(ctx context.Context, d *demand, need smrt.Position, waited time.Duration, last handle.Try) (handle.Try, error) {
	t := r.table.Load()
	fail := &smrt.FreshnessError{Need: need, Within: d.within.Truncate(time.Microsecond), Waited: waited, Err: last.Err}
	switch n := t.primary; {
	case n != nil && last.Tried&(1<<n.index) != 0:
		fail.Reason = "the primary failed too"
	case n != nil && r.slots == nil:
		return r.on(n, last), nil
	case r.cfg.Fallback == Strict && len(r.nodes) > 1:
		fail.Reason = "the primary does not serve reads by Config.Fallback"
	case n == nil:
		fail.Reason = "there is no primary"
	case r.cfg.off&offSlots != 0:
		return r.on(n, last), nil
	default:
		if r.takeSlot(ctx, len(t.readers) > 0 && waited == 0) {
			r.counter.fallbacks.Add(1)
			last.Slot = true
			return r.on(n, last), nil
		}
		if ctx.Err() != nil {
			return handle.Try{}, ctx.Err()
		}
		fail.Reason = fmt.Sprintf("the primary has no room: %d reads are on it already (Config.PrimaryShare)", cap(r.slots))
	}
	if n := r.stale(d, last); n != nil {
		return r.on(n, last), nil
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
		p := d.session.look(r)
		if p.wrote != 0 && p.wrote.since() < r.cfg.Sticky {
			return r.onPrimary(ctx, last)
		}
		for _, read := range slices.Backward(p.seen) {
			if r.mayStay(read.node, smrt.Position{}, last) {
				return r.on(read.node, last), nil // another replica may be behind this one
			}
		}
	}
	if n := r.pick(smrt.Position{}, last); n != nil {
		return r.on(n, last), nil
	}
	return r.fallback(ctx, d, smrt.Position{}, 0, last)
}
