package readreplica

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
		return tryOn(r.picked(t.readers), last), nil
	}
	return r.choose(ctx, &demand{}, last)
}

// picked is the node of the picker, if that is one of nodes: a read does not
// fail because of a picker.
func (r *Router) picked(nodes []*Node) *Node {
	if n := r.cfg.Picker(nodes); slices.Contains(nodes, n) {
		return n
	}
	return LeastLatency(nodes)
}

// tryOn is a try on a node.
func tryOn(n *Node, last handle.Try) handle.Try {
	last.On, last.Node, last.Began = n.on, n.index, int64(n.begin())
	return last
}

// again chooses another node after a failure.
func (r *Router) again(ctx context.Context, last handle.Try) (handle.Try, error) {
	n := r.nodes[last.Node]
	r.finish(n, last)
	elsewhere, err := r.judge(ctx, n, last.Err)
	if !elsewhere {
		noteRead(ctx, n) // that a row is not there is an answer as well
	}
	last.Tried |= 1 << n.index
	last.Count++
	if !elsewhere || last.Count >= maxRuns || ctx.Err() != nil {
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

// done ends a read.
func (r *Router) done(ctx context.Context, t handle.Try) error {
	n := r.nodes[t.Node]
	r.finish(n, t)
	noteRead(ctx, n) // before an error there may have been rows
	if t.Err == nil {
		return nil
	}
	_, err := r.judge(ctx, n, t.Err)
	return err
}

// noteRead notes in the session of ctx that a node has served a read.
func noteRead(ctx context.Context, n *Node) {
	if s := sessionOf(ctx); s != nil {
		s.noteRead(n)
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
	return false, err
}

// writeError is a write that was declared as a read.
type writeError struct{ err error }

func (e *writeError) Error() string   { return fmt.Sprintf("%v: %v", smrt.ErrWriteOnReplica, e.err) }
func (e *writeError) Unwrap() []error { return []error{smrt.ErrWriteOnReplica, e.err} }
