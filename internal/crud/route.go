package crud

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// nodesOf makes room for a Bound on each node of a handle, nil if it does not
// route.
func nodesOf(db smrt.DB) []atomic.Pointer[Bound] {
	if r := handle.RouterOf(db); r != nil {
		return make([]atomic.Pointer[Bound], r.Nodes())
	}
	return nil
}

// onNode is b on a node of its handle. It is made once and kept, so that
// routing needs no memory; two that are made at the same time are alike.
func (b *Bound) onNode(on smrt.DB, node int) *Bound {
	if p := b.nodes[node].Load(); p != nil && p.DB == on {
		return p
	}
	p := *b
	p.bindHere(on) // a node routes no further
	b.nodes[node].Store(&p)
	return &p
}

// Read runs what a declared read of s consists of on one node, and all of it
// again on another if the handle says so. Without a handle that routes, that is
// b itself. Locks are the primary's, so what takes them goes to the handle.
//
// read must be able to run again, and give its errors their type.
func (b *Bound) Read(ctx context.Context, op table.Op, s *plan.Spec, read func(on *Bound) error) error {
	if b.nodes == nil && !locks(s) { // the common case costs a call
		return read(b)
	}
	return b.route(ctx, op, s, func(on *Bound) (bool, error) { return false, read(on) })
}

// route is Read for what may become final: no longer to be run again, because
// its caller has seen a part of it.
func (b *Bound) route(ctx context.Context, op table.Op, s *plan.Spec, read func(on *Bound) (final bool, err error)) error {
	if locks(s) {
		if err := handle.RefuseWrite(b.DB); err != nil {
			return b.fail(ctx, op, err)
		}
	}
	if b.nodes == nil || locks(s) || s.Empty() && ctx != nil { // which sends nothing
		_, err := read(b)
		return err
	}
	var last error
	err := handle.Read(ctx, b.DB, func(on smrt.DB, node int) (final bool, err error) {
		final, last = read(b.onNode(on, node))
		return final, last
	})
	if err == nil || err == last { //nolint:errorlint // the very error that has its type
		return err
	}
	return fmt.Errorf("%s %s: %w", op, b.Table.Name, err)
}

func locks(s *plan.Spec) bool { return s != nil && s.Lock != plan.NoLock }
