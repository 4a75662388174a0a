package txn

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// hook is what to do after a transaction. One of commit, rollback and undo is
// set.
type hook struct {
	commit, rollback func(context.Context)
	undo             handle.Undo // at once, and not after the outermost transaction
	undone           bool        // its savepoint was rolled back
}

// AfterCommit lets fn run once the outermost transaction of ctx is known to be
// committed, and the connection is free again. It does not run if the
// transaction, or the savepoint it was registered in, is rolled back, nor if the
// attempt is repeated, nor if the outcome of the commit remains unknown. Between
// commit and hook the process may die: what must not be lost belongs into the
// transaction.
//
// Hooks run in the order they were registered, on the goroutine of Run, under
// the context that was given to Run. If one panics the others run nevertheless,
// and then Run panics.
//
// The error is smrt.ErrNoTx if ctx is not the context of a closure, or if the
// transaction was begun by hand and nobody says how it ends; see [Adopt].
func AfterCommit(ctx context.Context, fn func(context.Context)) error {
	return register(ctx, hook{commit: fn}, fn)
}

// AfterRollback lets fn run once what was done in this attempt is known to be
// undone: because the transaction was rolled back, or repeated, or because the
// savepoint that fn was registered in was rolled back. In the last case, too,
// it runs after the end of the outermost transaction. It is for undoing what
// the closure did outside of the database.
//
// Order, goroutine, context and errors are those of [AfterCommit].
func AfterRollback(ctx context.Context, fn func(context.Context)) error {
	return register(ctx, hook{rollback: fn}, fn)
}

func register(ctx context.Context, k hook, fn func(context.Context)) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if fn == nil {
		return &smrt.OptionsError{Option: "hook", Reason: "must not be nil"}
	}
	h := current(ctx)
	if h == nil || h.a.foreign && !h.a.adopted {
		return smrt.ErrNoTx
	}
	if h.a.tx == nil { // one that could not be adopted
		return h.usable()
	}
	if h.ended() {
		return smrt.ErrTxDone
	}
	h.a.mu.Lock()
	h.a.hooks = append(h.a.hooks, k)
	h.a.mu.Unlock()
	return nil
}

// OnUndo implements handle.Undoer.
func (h *managedTx) OnUndo(u handle.Undo) bool {
	if h.a.tx == nil || h.ended() {
		return false
	}
	h.a.mu.Lock()
	defer h.a.mu.Unlock()
	if h.a.told {
		return false
	}
	h.a.hooks = append(h.a.hooks, hook{undo: u})
	return true
}

// Knows implements handle.Knower.
func (h *managedTx) Knows() bool { return !h.a.foreign }

var (
	_ handle.Undoer = (*managedTx)(nil)
	_ handle.Knower = (*managedTx)(nil)
)

// current returns the innermost transaction of ctx.
func current(ctx context.Context) *managedTx {
	if sc := handle.ScopeOf(ctx); sc != nil {
		h, _ := sc.Tx.(*managedTx)
		return h
	}
	return nil
}

// marked returns how many hooks there are.
func (a *attempt) marked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.hooks)
}

// undone notes that everything since mark was rolled back, and takes back what
// calls wrote to the caller's values since, the last first.
func (a *attempt) undone(mark int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	takeBack(a.hooks[mark:], NotCommitted, false)
	for i := mark; i < len(a.hooks); i++ {
		a.hooks[i].undone = true
	}
}

// takeBack ends what is kept of what calls wrote to the caller's values, and takes
// it back if it was undone.
func takeBack(hooks []hook, o Outcome, loose bool) {
	for i := len(hooks) - 1; i >= 0; i-- {
		k := &hooks[i]
		if k.undo == nil {
			continue
		}
		if d, ok := k.undo.(handle.Doubter); ok && (o == Unknown || loose) {
			d.Doubt()
		}
		if o == NotCommitted {
			k.undo.Undo()
		}
		k.undo.Forget()
		k.undo = nil // so that it happens once
	}
}

// inherit takes over the hooks of an attempt whose commit turned out not to have
// happened. They run when this one is over: until then it holds a connection,
// which they may need.
func (a *attempt) inherit(lost *attempt) {
	lost.undone(0)
	a.hooks, lost.hooks = lost.hooks, nil
}

// after runs the hooks that fit the outcome, of which Unknown fits only those
// of what was undone before COMMIT.
func (a *attempt) after(ctx context.Context, o Outcome) {
	a.mu.Lock()
	hooks := a.hooks
	a.hooks, a.told = nil, true
	a.mu.Unlock()
	takeBack(hooks, o, a.loose)
	if len(hooks) > 0 {
		runHooks(ctx, hooks, o)
	}
}

// runHooks runs the hooks that fit the outcome, in order. If one panics, or ends its
// goroutine, the others run before that goes on.
func runHooks(ctx context.Context, hooks []hook, o Outcome) {
	for i, k := range hooks {
		var fn func(context.Context)
		switch {
		case k.undone || o == NotCommitted:
			fn = k.rollback
		case o == Committed:
			fn = k.commit
		}
		if fn == nil {
			continue
		}
		func() {
			returned := false
			defer func() {
				if !returned { // a panic, or Goexit: the others first
					runHooks(ctx, hooks[i+1:], o)
				}
			}()
			fn(ctx)
			returned = true
		}()
	}
}

// Adopted is a transaction that was begun by hand. See [Adopt].
type Adopted struct {
	a   *attempt
	ctx context.Context
}

// Adopt makes a transaction that was begun by hand the outermost one: hooks
// registered under the returned context wait for it, and Run on db or on tx
// makes savepoints in it. The caller ends the transaction, and then says how with
// Committed or RolledBack.
//
// It is also how to test hooks, and other code that calls Run, without leaving
// rows in the database:
//
//	tx, _ := pool.Begin(ctx)
//	defer tx.Rollback(ctx)
//	ctx, outer := txn.Adopt(ctx, pool, tx)
//	err := shop.PlaceOrder(ctx, ...) // calls txn.Run(ctx, pool, ...)
//	outer.Committed()                // runs the hooks, commits nothing
//
// A tx that is nil, or that Run began, cannot be adopted: Run and the hooks then
// return smrt.ErrBadOptions under the context.
func Adopt(ctx context.Context, db Beginner, tx pgx.Tx) (context.Context, *Adopted) {
	a := adopt(tx)
	if ctx == nil { // Run and the hooks refuse it
		return ctx, &Adopted{a: a, ctx: ctx}
	}
	return handle.WithScope(ctx, &handle.Scope{
		Parent: handle.ScopeOf(ctx), Root: handle.Root(db), Also: handle.Root(tx), Tx: &a.outer,
	}), &Adopted{a: a, ctx: ctx}
}

func adopt(tx pgx.Tx) *attempt {
	reason := ""
	if isNil(tx) {
		reason = "must not be nil: look at the error of whatever began it"
	} else if _, ok := handle.Root(tx).(*managedTx); ok {
		reason = "is one that Run began, which knows itself how it ends: use the context of its closure"
	} else {
		a := foreign(tx, &Options{})
		a.adopted = true
		return a
	}
	a := &attempt{options: &Options{}, foreign: true, adopted: true}
	a.outer.a = a
	a.condemn(&smrt.OptionsError{Option: "tx", Reason: reason})
	return a
}

// Committed ends the adopted transaction and runs the hooks that wait for a
// commit, on the calling goroutine. It sends nothing. A second call, also of
// RolledBack, does nothing.
func (a *Adopted) Committed() { a.finish(Committed) }

// RolledBack ends the adopted transaction and runs the hooks that wait for a
// rollback, as Committed does with the others.
func (a *Adopted) RolledBack() { a.finish(NotCommitted) }

func (a *Adopted) finish(o Outcome) {
	a.a.end()
	a.a.after(a.ctx, o)
}
