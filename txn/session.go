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

// session is one attempt at a transaction: what all its handles share.
type session struct {
	tx      pgx.Tx
	conn    *pgx.Conn
	options *Options
	foreign bool // begun by somebody else, who ends it
	adopted bool // and says how it ended
	began   time.Time

	// use says who may touch the connection. pgx checks this too, but without
	// synchronisation, so that two goroutines may both find it free.
	use atomic.Uint32

	// What is below belongs to whoever has use.
	open  closer    // rows or batch results, while use is inOpen
	first error     // first error that the server reported
	names int       // savepoints made so far
	quiet time.Time // since when nothing was sent, if there is an IdleTimeout
	sent  time.Time // when the last call began

	doom atomic.Pointer[doom] // ends all levels

	late atomic.Pointer[canceled] // the last statement that the server gave up

	mu    sync.Mutex
	hooks []hook

	// The outermost level, here so that an attempt is one piece of memory.
	outer managedTx
	scope handle.Scope

	identity identity // for CommitUnknownError
	notes    *commitNotes
}

// doom is an error after which no statement is sent.
type doom struct{ err error }

// The states of use.
const (
	isFree  uint32 = iota
	isBusy         // a call is being made
	isOpen         // rows or batch results are open, no call is being made on them
	isEnded        // nothing may be sent any more
	isLeft         // likewise, but a call is being made that does not return: its goroutine rolls back when it does
)

// closer ends rows or batch results.
type closer interface{ shut() }

// take gives the caller the connection.
func (s *session) take() error {
	if s.use.CompareAndSwap(isFree, isBusy) {
		s.sent = time.Now()
		return nil
	}
	if s.use.Load() >= isEnded {
		return smrt.ErrTxDone
	}
	return smrt.ErrTxConcurrentUse
}

// settle is give for a deferred call, so that a panic below, in a type of the
// caller that encodes itself for instance, does not keep the connection.
func (s *session) settle(err *error) { *err = s.give(*err) }

// give returns it after a call that was answered with err.
func (s *session) give(err error) error {
	err = s.note(err)
	if s.options.IdleTimeout != 0 {
		s.quiet = time.Now()
	}
	if !s.use.CompareAndSwap(isBusy, isFree) {
		s.leave()
	}
	return err
}

// leave ends the transaction after a call that end did not wait for.
func (s *session) leave() {
	if !s.foreign {
		s.rollback(context.Background())
	}
}

// leaveOpen returns it with rows or batch results open.
func (s *session) leaveOpen(c closer) {
	s.open = c
	s.reopen()
}

// reopen is leaveOpen for what was open before.
func (s *session) reopen() {
	if !s.use.CompareAndSwap(isBusy, isOpen) {
		s.open.shut()
		s.leave()
	}
}

// retake gives the connection to c, which was left open.
func (s *session) retake(c closer) bool {
	if !s.use.CompareAndSwap(isOpen, isBusy) {
		return false
	}
	if s.open != c {
		s.reopen()
		return false
	}
	return true
}

// done returns it when c has been closed.
func (s *session) done(err error) error {
	s.open = nil
	return s.give(err)
}

// note remembers the first error of the server: what comes after it in the same
// transaction only says that there was one.
func (s *session) note(err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return s.noteLost(err)
	}
	if pgerr.IsCanceled(pg) {
		s.noteCanceled(pg)
	}
	if !pgerr.IsTxAborted(pg) {
		if s.first == nil {
			s.first = s.withSentinel(err)
		}
		return err
	}
	if s.first != nil && s.options.off&offPoison == 0 {
		return &smrt.AbortedError{Err: s.first}
	}
	return err
}

// noteLost is note for an error that is not of the server. A server that ends a
// connection because it was idle for too long says so, but who writes to the
// connection learns only that it is closed; so the clock must tell.
func (s *session) noteLost(err error) error {
	if s.conn == nil || !s.conn.IsClosed() {
		return err
	}
	if limit := s.options.IdleTimeout; limit != 0 && pgerr.IsLost(err) && time.Since(s.quiet) >= limit {
		err = &timed{smrt.ErrTxTimedOut, err}
	}
	if s.first == nil {
		s.first = err
	}
	return err
}

// failed tells whether the server has aborted the transaction.
func (s *session) failed() bool {
	return s.conn != nil && s.conn.PgConn().TxStatus() == handle.StatusFailed
}

// inside tells whether the connection is in a transaction.
func (s *session) inside() bool {
	return s.conn == nil || s.conn.PgConn().TxStatus() != handle.StatusIdle
}

// end takes the connection for good, and tells whether something was using it.
// Rows that are open are closed. A goroutine that is in the middle of a call is
// waited for; if that takes too long, its connection is cut under it, and if even
// that does not end its call, because it is in code of the caller, it is left.
func (s *session) end() (inUse bool) {
	if s.use.CompareAndSwap(isFree, isEnded) {
		return false
	}
	start := time.Now()
	for wait := 10 * time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
		switch {
		case s.use.CompareAndSwap(isFree, isEnded):
			return inUse
		case s.use.CompareAndSwap(isOpen, isBusy):
			defer s.use.Store(isEnded) // also if what was queued for a result panics
			s.open.shut()
			s.open = nil
			return true
		case s.use.Load() >= isEnded:
			return inUse
		}
		inUse = true
		if waited := time.Since(start); waited > 2*s.options.commitTimeout() && s.use.CompareAndSwap(isBusy, isLeft) {
			return true
		} else if waited > s.options.commitTimeout() {
			s.cut()
		}
		time.Sleep(wait)
	}
}

// left tells whether the connection still belongs to another goroutine.
func (s *session) left() bool { return s.use.Load() == isLeft }

// cut closes the connection under whoever uses it.
func (s *session) cut() {
	if s.conn != nil {
		_ = alarm.Wire(s.conn).Close()
	}
}

// limit returns a context for COMMIT and ROLLBACK, which does not end with the
// caller's. When the time is up the connection is cut instead, until the alarm
// is switched off.
func (s *session) limit(ctx context.Context) (context.Context, alarm.Stop) {
	if ctx.Done() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	if s.conn == nil {
		return ctx, alarm.Stop{}
	}
	return ctx, alarm.Of(s.conn).Set(s.options.commitTimeout())
}

// rollback undoes the transaction. The caller's context may have ended; pgx
// would then not tell the server but drop the connection.
func (s *session) rollback(ctx context.Context) {
	ctx, stop := s.limit(ctx)
	defer stop.Off()
	_ = s.tx.Rollback(ctx) // if it fails, pgx drops the connection, and the server rolls back
}

// destroy keeps the connection out of the pool it came from.
func (s *session) destroy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.commitTimeout())
	defer cancel()
	_ = s.conn.Close(ctx)
}

// condemn makes every later call on every handle of the transaction fail, so
// that a fault which only the outermost transaction can mend reaches it, even
// if closures on the way ignore it.
func (s *session) condemn(err error) { s.doom.CompareAndSwap(nil, &doom{err}) }
