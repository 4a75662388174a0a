package txn

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/alarm"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// attempt is one attempt at a transaction: what all its handles share.
type attempt struct {
	tx      pgx.Tx
	conn    *pgx.Conn
	options *Options
	foreign bool // begun by somebody else, who ends it
	adopted bool // and says how it ended
	began   time.Time

	// use says who may touch the connection. pgx checks this too, but without
	// synchronisation, so that two goroutines may both find it free.
	use atomic.Uint32

	// The fields below may be touched only by the goroutine that has made use
	// isBusy.
	open  closer    // rows or batch results, while use is inOpen
	first error     // first error that the server reported
	names int       // savepoints made so far
	quiet time.Time // since when nothing was sent, if there is an IdleTimeout
	sent  time.Time // when the last call began

	doom atomic.Pointer[doom] // ends all levels

	late atomic.Pointer[canceled] // the last statement that the server gave up

	mu    sync.Mutex
	hooks []hook
	told  bool // how it ended: it takes no hooks any more
	loose bool // the closure has ended it: nobody knows how

	// The outermost level, here so that an attempt is one piece of memory.
	outer managedTx
	scope handle.Scope

	identity identity // for CommitUnknownError
	notes    *commitNotes
}

// endedByClosure is for a transaction that ended before COMMIT was sent.
func (a *attempt) endedByClosure() error {
	a.loose = true
	return pgerr.ErrTxEnded
}

// doom is an error after which no statement is sent.
type doom struct{ err error }

// The states of use, and what leads from one to the other. Who has made it isBusy
// has the connection to itself until it changes the state again.
//
//	isFree  --take-->               isBusy  --give-->                isFree
//	isBusy  --leaveOpen, reopen-->  isOpen  --retake, by its owner-> isBusy
//	isFree, isOpen  --end-->        isEnded
//	isBusy  --end, after waiting--> isLeft  --give or reopen: leave rolls back
const (
	isFree  uint32 = iota
	isBusy         // a call is being made
	isOpen         // rows or batch results are open, no call is being made on them
	isEnded        // nothing may be sent any more
	isLeft         // likewise, but a call is being made that does not return: its goroutine rolls back when it does
)

// closer ends rows or batch results.
type closer interface{ shut() }

// take gives the caller the connection. It reads the clock, because a timeout is
// told from a request to cancel by how long the statement took. That is 65 of the
// 90 ns that taking costs, where a round trip on the same machine takes 30,000 or
// more; a clock that is read only after the error would be too late.
func (a *attempt) take() error {
	if a.use.CompareAndSwap(isFree, isBusy) {
		a.sent = time.Now()
		return nil
	}
	if a.use.Load() >= isEnded {
		return smrt.ErrTxDone
	}
	return smrt.ErrTxConcurrentUse
}

// settle is give for a deferred call, so that a panic below, in a type of the
// caller that encodes itself for instance, does not keep the connection.
func (a *attempt) settle(err *error) { *err = a.give(*err) }

// give returns it after a call that was answered with err.
func (a *attempt) give(err error) error {
	err = a.note(err)
	if a.options.IdleTimeout != 0 {
		a.quiet = time.Now()
	}
	a.putBack()
	return err
}

// putBack returns it when nothing was sent.
func (a *attempt) putBack() {
	if !a.use.CompareAndSwap(isBusy, isFree) {
		a.leave()
	}
}

// leave ends the transaction after a call that end did not wait for.
func (a *attempt) leave() {
	if !a.foreign {
		a.rollback(context.Background())
	}
}

// leaveOpen returns it with rows or batch results open.
func (a *attempt) leaveOpen(c closer) {
	a.open = c
	a.reopen()
}

// reopen is leaveOpen for what was open before.
func (a *attempt) reopen() {
	if !a.use.CompareAndSwap(isBusy, isOpen) {
		a.open.shut()
		a.leave()
	}
}

// retake gives the connection to c, which was left open.
func (a *attempt) retake(c closer) bool {
	if !a.use.CompareAndSwap(isOpen, isBusy) {
		return false
	}
	if a.open != c {
		a.reopen()
		return false
	}
	return true
}

// done returns it when c has been closed.
func (a *attempt) done(err error) error {
	a.open = nil
	return a.give(err)
}

// note remembers the first error of the server: what comes after it in the same
// transaction only says that there was one.
func (a *attempt) note(err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return a.noteLost(err)
	}
	if pgerr.IsCanceled(pg) {
		a.noteCanceled(pg)
	}
	if !pgerr.IsTxAborted(pg) {
		if a.first == nil {
			a.first = a.withSentinel(err)
		}
		return err
	}
	if a.first != nil {
		return &smrt.AbortedError{Err: a.first}
	}
	return err
}

// noteLost is note for an error that is not of the server.
func (a *attempt) noteLost(err error) error {
	if a.conn == nil || !a.conn.IsClosed() {
		return err
	}
	err = a.idledOut(err)
	if a.first == nil {
		a.first = err
	}
	return err
}

// idledOut adds that a lost connection was idle for too long. The server that ends
// one for that reason says so, but who writes to it learns only that it is closed;
// so the clock must tell. idledOut does not look at the connection, which after a
// COMMIT may be another's.
func (a *attempt) idledOut(err error) error {
	if limit := a.options.IdleTimeout; limit != 0 && pgerr.IsLost(err) && time.Since(a.quiet) >= limit {
		return &timed{smrt.ErrTxTimedOut, err}
	}
	return err
}

// failed reports whether the server has aborted the transaction.
func (a *attempt) failed() bool {
	return a.conn != nil && a.conn.PgConn().TxStatus() == handle.StatusFailed
}

// inside reports whether the connection is in a transaction.
func (a *attempt) inside() bool {
	return a.conn == nil || a.conn.PgConn().TxStatus() != handle.StatusIdle
}

// end takes the connection permanently, and reports whether something was using it.
// Rows that are open are closed. A goroutine that is in the middle of a call is
// waited for; if that takes too long, its connection is cut under it, and if even
// that does not end its call, because it is in code of the caller, it is left.
func (a *attempt) end() (inUse bool) {
	if a.use.CompareAndSwap(isFree, isEnded) {
		return false
	}
	start := time.Now()
	for wait := 10 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
		switch {
		case a.use.CompareAndSwap(isFree, isEnded):
			return inUse
		case a.use.CompareAndSwap(isOpen, isBusy):
			defer a.use.Store(isEnded) // also if what was queued for a result panics
			a.open.shut()
			a.open = nil
			return true
		case a.use.Load() >= isEnded:
			return inUse
		}
		inUse = true
		if waited := time.Since(start); waited > 2*a.options.commitTimeout() && a.use.CompareAndSwap(isBusy, isLeft) {
			return true
		} else if waited > a.options.commitTimeout() {
			a.cut()
		}
		time.Sleep(wait)
	}
}

// left reports whether the connection still belongs to another goroutine.
func (a *attempt) left() bool { return a.use.Load() == isLeft }

// cut closes the connection under whoever uses it.
func (a *attempt) cut() {
	if a.conn != nil {
		_ = alarm.Wire(a.conn).Close()
	}
}

// limit returns a context for COMMIT and ROLLBACK, which does not end with the
// caller's. When the time is up the connection is cut instead, until the alarm
// is switched off.
func (a *attempt) limit(ctx context.Context) (context.Context, alarm.Stop) {
	if ctx.Done() != nil {
		ctx = lasting{ctx}
	}
	if a.conn == nil {
		return ctx, alarm.Stop{}
	}
	return ctx, alarm.Of(a.conn).Set(a.options.commitTimeout())
}

// lasting is a context that does not end with the one that it has the values of. Each look at
// a value of one that is made by context.WithoutCancel allocates, which an observed COMMIT
// did twice. Only context.Cause tells that it is not: it is that of the other one.
type lasting struct{ context.Context }

// Deadline, Done and Err implement context.Context.
func (lasting) Deadline() (time.Time, bool) { return time.Time{}, false }
func (lasting) Done() <-chan struct{}       { return nil }
func (lasting) Err() error                  { return nil }

// rollback undoes the transaction. The caller's context may have ended; pgx
// would then not tell the server but drop the connection.
func (a *attempt) rollback(ctx context.Context) {
	ctx, stop := a.limit(ctx)
	defer stop.Off()
	_ = a.tx.Rollback(ctx) // if it fails, pgx drops the connection, and the server rolls back
}

// destroy keeps the connection out of the pool it came from.
func (a *attempt) destroy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.options.commitTimeout())
	defer cancel()
	_ = a.conn.Close(ctx)
}

// condemn makes every later call on every handle of the transaction fail, so
// that a fault which only the outermost transaction can mend reaches it, even
// if closures on the way ignore it.
func (a *attempt) condemn(err error) { a.doom.CompareAndSwap(nil, &doom{err}) }
