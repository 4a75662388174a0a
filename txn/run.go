package txn

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/scope"
)

// Func is what runs in a transaction. It may run several times, so what it does
// outside of the database must bear that; see [AfterCommit]. Its context and
// transaction are valid until it returns.
type Func = func(ctx context.Context, tx pgx.Tx) error

// Run runs fn in a transaction, which is committed if fn returns nil and rolled
// back if it returns an error, panics or calls runtime.Goexit. At most one
// Options may be given.
//
// A transaction that fails for a reason which usually passes is rolled back and
// fn run again: serialization failures and deadlocks, a lost connection before
// COMMIT was sent, a server that restarts or is no longer the primary, a cached
// statement that no longer fits its table. Limits are in [Options].
//
// If Run returns nil, the transaction is committed. If it returns
// smrt.ErrCommitUnknown, it may be; see [Options].Key for how never to see that.
// With any other error nothing of it was applied.
//
// Inside of fn, Run on the same handle or on tx is nested; see [Nesting]. Inside
// a transaction that was begun by hand it makes a savepoint.
func Run(ctx context.Context, db Beginner, fn Func, options ...Options) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if db == nil || fn == nil {
		return &smrt.OptionsError{Option: "db, fn", Reason: "must not be nil"}
	}
	r := &run{fn: fn}
	if err := r.options.resolve(options); err != nil {
		return err
	}
	if r.options.Result != nil {
		*r.options.Result = Result{}
	}
	inner, ok := scope.Root(db).(Beginner)
	if !ok {
		return &smrt.OptionsError{Option: "db", Reason: "wraps a handle that cannot begin transactions: pass one that can"}
	}
	r.db = inner
	return r.dispatch(ctx)
}

// dispatch finds out whether a transaction is open already.
func (r *run) dispatch(ctx context.Context) error {
	around := scope.Of(ctx)
	switch tx := r.db.(type) {
	case *handle:
		return nested(ctx, tx, around, r)
	case pgx.Tx:
		if found := around.Find(tx); found != nil { // adopted
			return nested(ctx, found.Tx.(*handle), found, r)
		}
		return nested(ctx, &foreign(tx, &r.options).outer, nil, r)
	}
	if found := around.Find(r.db); found != nil {
		if h, ok := found.Tx.(*handle); ok {
			return nested(ctx, h, found, r)
		}
	}
	if err := checkIdle(r.db); err != nil {
		return err
	}
	r.around, r.root = around, r.db
	return r.loop(ctx)
}

// foreign is a transaction that somebody else ends.
func foreign(tx pgx.Tx, o *Options) *session {
	s := &session{tx: tx, conn: tx.Conn(), options: o, foreign: true, began: time.Now()}
	s.outer.s = s
	return s
}

// run is one call of Run at the outermost level.
type run struct {
	db      Beginner
	fn      Func
	options Options
	token   string // of its markers

	around *scope.Scope // of the transactions that it is to be part of
	root   any
	also   any

	retry retry
	doubt *session // an attempt whose commit may have happened
	lost  error    // why that is not known
}

// loop makes attempts until one is conclusive.
func (r *run) loop(ctx context.Context) error {
	if r.options.Key != "" {
		r.token = newToken()
	}
	r.retry.begin(&r.options)
	for {
		again, err := r.attempt(ctx)
		if err == nil {
			return nil
		}
		if again == pgerr.Permanent {
			return r.conclude(err)
		}
		if again == pgerr.NotPrimary {
			r.resetPool()
		}
		if err := r.retry.wait(ctx, again, err, r.doubt != nil); err != nil {
			return r.conclude(err)
		}
	}
}

// conclude is the last word: as long as a commit is in doubt it is that.
func (r *run) conclude(err error) error {
	if r.doubt == nil {
		return err
	}
	var given *smrt.RetryError
	if errors.As(err, &given) {
		err = given.Err // it would say that nothing was applied
	}
	if !errors.Is(err, r.lost) {
		err = errors.Join(r.lost, err)
	}
	return r.unknown(r.doubt, err)
}

func (r *run) unknown(s *session, err error) error {
	e := &smrt.CommitUnknownError{
		Key: r.options.Key, XID: s.identity.xid, System: s.identity.system, Timeline: s.identity.timeline,
		Epoch: s.identity.epoch, StartedAt: s.began, Err: err,
	}
	if s.conn != nil {
		e.BackendPID = s.conn.PgConn().PID()
	}
	return e
}

// resetPool lets a pool forget all its connections: a server that was the
// primary answers health checks as before.
func (r *run) resetPool() {
	if pool, ok := r.db.(interface{ Reset() }); ok {
		pool.Reset()
	}
}

// attempt runs the closure once. The fault says whether another attempt could
// end otherwise.
func (r *run) attempt(ctx context.Context) (pgerr.Fault, error) {
	if err := ctx.Err(); err != nil {
		return pgerr.Permanent, err
	}
	s, applied, err := r.begin(ctx)
	if err != nil {
		return r.beginFault(err)
	}
	if applied {
		return r.applied(ctx, s)
	}
	if r.doubt != nil { // the marker could be written, so it was not there
		doubt := r.doubt
		r.doubt = nil
		doubt.after(ctx, false)
		if r.retry.exhausted() {
			s.rollback(ctx)
			return pgerr.Permanent, r.retry.givenUp("attempts", r.lost)
		}
	}
	r.retry.attempt()
	fault, err := r.execute(ctx, s)
	if err == nil || r.doubt == nil { // it is known what became of it
		s.after(ctx, err == nil)
	}
	return fault, err
}

// beginFault says what a transaction that could not be begun means.
func (r *run) beginFault(err error) (pgerr.Fault, error) {
	if errors.Is(err, smrt.ErrBadOptions) {
		return pgerr.Permanent, err
	}
	fault := pgerr.FaultOf(err)
	err = timeoutOf(pgerr.Wrap("begin", "transaction", err), err)
	switch fault {
	case pgerr.Ended, pgerr.Race:
		return pgerr.Permanent, err
	case pgerr.Lost:
		if c, ok := r.db.(interface{ IsClosed() bool }); ok && c.IsClosed() { // a single connection does not come back
			return pgerr.Permanent, err
		}
	case pgerr.NotPrimary:
		if r.options.ReadOnly {
			return pgerr.Permanent, err
		}
	}
	return fault, err
}

// applied answers an attempt whose marker was there already.
func (r *run) applied(ctx context.Context, s *session) (pgerr.Fault, error) {
	ours := false
	var err error
	if r.doubt != nil {
		ours, err = r.ours(ctx, s)
	}
	s.rollback(ctx)
	if err != nil {
		return pgerr.FaultOf(err), err
	}
	doubt := r.doubt
	r.doubt = nil
	if doubt != nil {
		doubt.after(ctx, ours)
	}
	if ours {
		return pgerr.Permanent, nil
	}
	return pgerr.Permanent, smrt.ErrAlreadyApplied
}

// execute runs the closure and ends the transaction.
func (r *run) execute(ctx context.Context, s *session) (pgerr.Fault, error) {
	h := &s.outer
	s.scope = scope.Scope{Parent: r.around, Root: r.root, Also: r.also, Tx: h}
	returned := false
	defer func() {
		if !returned { // a panic or Goexit, which go on after this
			h.over.Store(true)
			s.end()
			s.rollback(ctx)
			s.after(ctx, false)
		}
	}()
	err := r.fn(scope.With(ctx, &s.scope), h)
	returned = true
	inUse := s.end()
	h.over.Store(true)
	if err = r.verdict(h, err, inUse); err == nil {
		if err = ctx.Err(); err == nil {
			return r.commit(ctx, s)
		}
	}
	fault := r.faultOf(s, err)
	if fault == pgerr.NotPrimary {
		s.destroy(ctx)
	}
	s.rollback(ctx)
	return fault, timeoutOf(err, err)
}

// verdict is the error of a closure: the one it returned, or one that it did
// not return and that leaves nothing to commit.
func (r *run) verdict(h *handle, err error, inUse bool) error {
	if r.options.off&offPoison != 0 {
		return err
	}
	s := h.s
	switch {
	case err != nil:
		return err
	case s.doom.Load() != nil:
		return &smrt.AbortedError{Err: s.doom.Load().err}
	case h.doom.Load() != nil:
		return &smrt.AbortedError{Err: h.doom.Load().err}
	case s.failed() && s.first != nil:
		return &smrt.AbortedError{Err: s.first}
	case inUse:
		return smrt.ErrTxConcurrentUse
	case s.conn != nil && s.conn.IsClosed() && s.first != nil:
		return s.first
	case s.conn != nil && s.conn.IsClosed():
		return pgconn.ErrConnClosed
	case !s.inside():
		return errEnded
	}
	return nil
}

// errEnded is for SQL that ends the transaction under Run's feet.
var errEnded = &smrt.OptionsError{
	Option: "fn", Reason: "ended the transaction with SQL of its own; what it did before that may have been committed",
}

// faultOf says whether a closure that failed with err could succeed another
// time. A closure may return an error of its own for one of the server's, so
// that the first of the server's is looked at too, if it was the end of the
// transaction.
func (r *run) faultOf(s *session, err error) pgerr.Fault {
	if errors.Is(err, smrt.ErrTxTimedOut) {
		return pgerr.Permanent
	}
	fault := r.retryable(pgerr.FaultOf(err))
	if fault == pgerr.Permanent && s.first != nil && (s.failed() || s.conn != nil && s.conn.IsClosed()) {
		fault = r.retryable(pgerr.FaultOf(s.first))
	}
	if d := s.doom.Load(); fault == pgerr.Permanent && d != nil {
		fault = r.retryable(pgerr.FaultOf(d.err))
	}
	return fault
}

// retryable leaves of the faults those that are retried with these options.
func (r *run) retryable(f pgerr.Fault) pgerr.Fault {
	switch {
	case f == pgerr.Ended,
		f == pgerr.Race && !r.options.MayRace && r.options.Isolation != pgx.Serializable,
		f == pgerr.NotPrimary && r.options.ReadOnly: // then it is the closure that writes
		return pgerr.Permanent
	}
	return f
}

// commit ends the transaction. COMMIT does not end with the caller's context:
// that would not undo it, but only hide its outcome.
func (r *run) commit(ctx context.Context, s *session) (pgerr.Fault, error) {
	done := ctx
	if r.options.off&offDetached == 0 {
		var stop func() bool
		done, stop = s.limit(ctx)
		defer stop()
	}
	if r.options.Result != nil {
		s.notes = watchNotes(s.conn)
	}
	err := s.tx.Commit(done)
	if err == nil {
		if s.notes != nil {
			r.options.Result.NotReplicated = s.notes.notReplicated
		}
		return pgerr.Permanent, nil
	}
	if !pgerr.IsCommitUnknown(err) || errors.Is(err, pgx.ErrTxCommitRollback) {
		return r.retryable(pgerr.FaultOf(err)), timeoutOf(pgerr.Wrap("commit", "transaction", err), err)
	}
	if r.options.Result != nil {
		r.options.Result.Doubts++
	}
	if r.options.off&offDoubt != 0 {
		return pgerr.Lost, err
	}
	r.doubt, r.lost = s, err
	if r.options.Key == "" {
		return pgerr.Permanent, err // loop makes it a CommitUnknownError
	}
	return pgerr.Lost, err
}
