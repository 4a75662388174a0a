package txn

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// errPanicked is what a transaction is aborted by when a closure that joined it
// panicked and the panic was caught around it.
var errPanicked = errors.New("a closure that joined it panicked")

// What Run does inside a transaction:
//
//	Nested       the transaction around is Run's   it was begun by hand
//	Join         runs fn on it (joined)            makes a savepoint
//	Savepoint    makes a savepoint (inSavepoint)   makes a savepoint
//	Independent  begins another one on Reserve     begins another one on Reserve
//
// And when fn fails there:
//
//	joined       dooms its level: every later call on it, and its end, return the
//	             error, even if the closure around ignores it
//	savepoint    is undone, and the level around goes on; but an error that only a
//	             new transaction can mend (outermost), and a savepoint that cannot
//	             be undone, condemn the whole attempt, which Run then retries
//	independent  is retried by itself; the transaction around gets the error

// nested runs fn inside the transaction h, which the scope around is about.
func nested(ctx context.Context, h *managedTx, around *handle.Scope, r *run) error {
	fn, o := r.fn, &r.options
	if o.Nested == Independent {
		return independent(ctx, around, r)
	}
	if err := handle.CheckTenant(ctx); err != nil {
		return err
	}
	if err := o.inside(); err != nil {
		return err
	}
	if level, err := h.isolation(ctx, o); err != nil {
		return err
	} else if err := o.isolated(level); err != nil {
		return err
	}
	if r.result != nil {
		r.result.Attempts = 1
	}
	if around == nil || around.Tx != h { // h was passed on without its context
		around = &handle.Scope{Parent: handle.ScopeOf(ctx), Also: h.a.tx, Tx: h}
		if outer := handle.ScopeOf(ctx); outer != nil && owner(outer) == h.a {
			around.Parent, around.Root, around.Also = outer.Parent, outer.Root, outer.Also
		}
	}
	if o.Nested == Savepoint || h.a.foreign && h.name == "" {
		return inSavepoint(ctx, h, around, fn)
	}
	return joined(ctx, h, around, fn)
}

func owner(sc *handle.Scope) *attempt {
	if h, ok := sc.Tx.(*managedTx); ok {
		return h.a
	}
	return nil
}

// isolation is the level of the transaction. Of one that was begun by hand only
// the server knows it, and is asked if it matters.
func (h *managedTx) isolation(ctx context.Context, o *Options) (level pgx.TxIsoLevel, err error) {
	if !h.a.foreign || strength[o.Isolation] <= strength[pgx.ReadCommitted] {
		return h.a.options.Isolation, nil
	}
	err = h.QueryRow(ctx, "SELECT current_setting('transaction_isolation')").Scan(&level)
	return level, pgerr.Wrap("begin", "transaction", err)
}

// independent begins a transaction beside the one around it.
func independent(ctx context.Context, around *handle.Scope, r *run) error {
	if isNil(r.options.Reserve) {
		return smrt.ErrNoReserve
	}
	reserve, ok := handle.Root(r.options.Reserve).(Beginner)
	if !ok || isNil(reserve) || around.Find(reserve) != nil || handle.ScopeOf(ctx).Find(reserve) != nil {
		return smrt.ErrNoReserve
	}
	if around != nil {
		r.also = around.Root
	}
	r.db, r.root, r.around = reserve, reserve, handle.ScopeOf(ctx)
	return r.loop(ctx)
}

// joined runs fn as a part of h.
func joined(ctx context.Context, h *managedTx, around *handle.Scope, fn Func) error {
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
	err = fn(handle.WithScope(ctx, &here), h)
	if err == nil && h.a.failed() {
		err = h.a.swallowed()
	}
	return err
}

// check reports whether h can be used at all.
func (h *managedTx) check() error {
	if err := h.enter(); err != nil {
		return err
	}
	h.a.putBack()
	return nil
}

// swallowed is the error that a closure did not return.
func (a *attempt) swallowed() error {
	if err := a.take(); err != nil {
		return err
	}
	first := a.first
	a.putBack()
	if first == nil {
		return smrt.ErrTxAborted
	}
	return &smrt.AbortedError{Err: first}
}

// inSavepoint runs fn so that it can be undone by itself.
func inSavepoint(ctx context.Context, h *managedTx, around *handle.Scope, fn Func) error {
	level, err := h.savepoint(ctx)
	if err != nil {
		return err
	}
	a := h.a
	returned := false
	defer func() {
		if !returned { // the panic may be caught by the closure around this one
			level.rewind(ctx, errPanicked)
		}
	}()
	here := *around
	here.Tx = level
	err = fn(handle.WithScope(ctx, &here), level)
	returned = true
	if err == nil && level.doom.Load() != nil {
		err = &smrt.AbortedError{Err: level.doom.Load().err}
	}
	if err == nil && a.failed() {
		err = a.swallowed()
	}
	if err == nil {
		return level.release(ctx)
	}
	if outermost(a, err) {
		level.over.Store(true)
		a.condemn(err)
		return err
	}
	level.rewind(ctx, err)
	if busy := a.take(); busy != nil { // or the transaction cannot go on
		return a.withSentinel(err)
	}
	err = a.classify(ctx, err, "")
	_ = a.give(nil)
	return err
}

// rewind undoes what was done since the savepoint because of cause, also when
// ctx has ended. Where that fails the whole transaction cannot go on; the cause
// then says whether another one could, as when a deadline of the closure's own
// has made pgx close the connection.
func (h *managedTx) rewind(ctx context.Context, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.a.options.commitTimeout())
	defer cancel()
	if err := h.undo(ctx); err != nil {
		h.a.condemn(errors.Join(cause, err))
	}
}

// outermost reports whether only a new transaction can mend err: a savepoint
// keeps the snapshot that a serialization failure is about.
func outermost(a *attempt, err error) bool {
	switch pgerr.FaultOf(err) {
	case pgerr.Conflict, pgerr.StalePlan, pgerr.NotPrimary, pgerr.Lost, pgerr.Idle:
		return !a.foreign || a.conn != nil && a.conn.IsClosed()
	}
	return false
}
