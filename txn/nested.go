package txn

import (
	"context"
	"errors"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/scope"
)

// errPanicked is what a transaction is aborted by when a closure that joined it
// panicked and the panic was caught around it.
var errPanicked = errors.New("a closure that joined it panicked")

// nested runs fn inside the transaction h, which the scope around is about.
func nested(ctx context.Context, h *handle, around *scope.Scope, r *run) error {
	fn, o := r.fn, &r.options
	if o.Nested == Independent {
		return independent(ctx, around, r)
	}
	if err := o.inside(h.s.options); err != nil && !h.s.foreign {
		return err
	} else if h.s.foreign && o.Key != "" {
		return o.bad("Key", "needs a transaction that Run begins, and this one was begun by hand")
	}
	if o.Result != nil {
		o.Result.Attempts = 1
	}
	if around == nil || around.Tx != h { // h was passed on without its context
		around = &scope.Scope{Parent: scope.Of(ctx), Also: h.s.tx, Tx: h}
		if outer := scope.Of(ctx); outer != nil && owner(outer) == h.s {
			around.Parent, around.Root, around.Also = outer.Parent, outer.Root, outer.Also
		}
	}
	if o.Nested == Savepoint || h.s.foreign && h.name == "" {
		return inSavepoint(ctx, h, around, fn)
	}
	return joined(ctx, h, around, fn)
}

func owner(sc *scope.Scope) *session {
	if h, ok := sc.Tx.(*handle); ok {
		return h.s
	}
	return nil
}

// independent begins a transaction beside the one around it.
func independent(ctx context.Context, around *scope.Scope, r *run) error {
	if r.options.Reserve == nil {
		return smrt.ErrNoReserve
	}
	reserve, ok := scope.Root(r.options.Reserve).(Beginner)
	if !ok || around.Find(reserve) != nil || scope.Of(ctx).Find(reserve) != nil {
		return smrt.ErrNoReserve
	}
	if around != nil {
		r.also = around.Root
	}
	r.db, r.root, r.around = reserve, reserve, scope.Of(ctx)
	return r.loop(ctx)
}

// joined runs fn as a part of h.
func joined(ctx context.Context, h *handle, around *scope.Scope, fn Func) error {
	if err := h.check(); err != nil {
		return err
	}
	err := errPanicked
	defer func() {
		if err != nil {
			h.doom.CompareAndSwap(nil, &doom{err})
		}
	}()
	here := *around
	here.Tx = h
	err = fn(scope.With(ctx, &here), h)
	if err == nil && h.s.failed() && h.s.options.off&offPoison == 0 {
		err = h.s.swallowed()
	}
	return err
}

// check tells whether h can be used at all.
func (h *handle) check() error {
	if err := h.enter(); err != nil {
		return err
	}
	return h.s.give(nil)
}

// swallowed is the error that a closure did not return.
func (s *session) swallowed() error {
	if err := s.take(); err != nil {
		return err
	}
	first := s.first
	_ = s.give(nil)
	if first == nil {
		return smrt.ErrTxAborted
	}
	return &smrt.AbortedError{Err: first}
}

// inSavepoint runs fn so that it can be undone by itself.
func inSavepoint(ctx context.Context, h *handle, around *scope.Scope, fn Func) error {
	level, err := h.savepoint(ctx)
	if err != nil {
		return err
	}
	s := h.s
	returned := false
	defer func() {
		if !returned { // the panic may be caught by the closure around this one
			level.rewind(ctx)
		}
	}()
	here := *around
	here.Tx = level
	err = fn(scope.With(ctx, &here), level)
	returned = true
	if err == nil && level.doom.Load() != nil {
		err = &smrt.AbortedError{Err: level.doom.Load().err}
	}
	if err == nil && s.failed() {
		err = s.swallowed()
	}
	if err == nil {
		return level.release(ctx)
	}
	if outermost(s, err) {
		level.over.Store(true)
		s.condemn(err)
		return err
	}
	level.rewind(ctx)
	return timeoutOf(err, err)
}

// rewind undoes what was done since the savepoint, also when ctx has ended.
// Where that fails the whole transaction cannot go on.
func (h *handle) rewind(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.s.options.commitTimeout())
	defer cancel()
	if err := h.undo(ctx); err != nil {
		h.s.condemn(err)
	}
}

// outermost tells whether only a new transaction can mend err: a savepoint
// keeps the snapshot that a serialization failure is about.
func outermost(s *session, err error) bool {
	switch pgerr.FaultOf(err) {
	case pgerr.Conflict, pgerr.StalePlan, pgerr.NotPrimary, pgerr.Lost:
		return !s.foreign || s.conn != nil && s.conn.IsClosed()
	}
	return false
}
