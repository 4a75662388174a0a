package txn

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/wal"
)

// Func is what runs in a transaction. It may run several times, so what it does
// outside of the database must bear that; see [AfterCommit]. Its context and
// transaction are valid until it returns, and for one goroutine at a time.
type Func = func(ctx context.Context, tx pgx.Tx) error

// Run runs fn in a transaction, which is committed if fn returns nil and rolled
// back if it returns an error, panics or calls runtime.Goexit. At most one
// Options may be given.
//
// A transaction that fails for a reason which usually passes is rolled back and
// fn run again: serialization failures and deadlocks, a connection that was
// lost or ended by the server before COMMIT was sent, a server that restarts or
// is no longer the primary, a cached statement that no longer fits its table.
// Limits are in [Options]; where one is reached the error is
// smrt.ErrRetriesExhausted and the last of the failures.
//
// If Run returns nil, the transaction is committed. If it returns
// smrt.ErrCommitUnknown, it may be; see [Options].Key for how never to see that.
// With any other error this call has applied nothing, unless fn sent a COMMIT of
// its own. What fn returns is returned as it is, unless it was caused by a timeout
// of the server or by a connection pooler: then the error is also
// smrt.ErrStatementTimeout, ErrLockTimeout, ErrTxTimedOut or ErrPoolerMode. A
// timeout and a request to cancel have one SQLSTATE; to tell them apart, Run asks
// the server, in one to three round trips after the rollback, unless the
// statement took as long as [Options] allow.
//
// smrt.ErrTxAborted means that fn ignored an error which the transaction could
// not go on after. Options that cannot work are smrt.ErrBadOptions, before
// anything is sent, and a connection that is in a transaction already is
// smrt.ErrTxOpen.
//
// Inside of fn, Run on the same handle or on tx is nested; see [Nesting]. Inside
// a transaction that was begun by hand it makes a savepoint.
//
// Run may be called by any number of goroutines if db may be, as a pool may.
func Run(ctx context.Context, db Beginner, fn Func, options ...Options) error {
	return start(ctx, db, &run{fn: fn}, options)
}

// RunResult is [Run], and also returns how the transaction went, whether it failed
// or not. The error is that of Run.
func RunResult(ctx context.Context, db Beginner, fn Func, options ...Options) (Result, error) {
	var result Result
	err := start(ctx, db, &run{fn: fn, result: &result}, options)
	return result, err
}

// start checks what a call was given and runs it.
func start(ctx context.Context, db Beginner, r *run, options []Options) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	if isNil(db) {
		return errNilHandle
	}
	if r.fn == nil {
		return &smrt.OptionsError{Option: "fn", Reason: "must not be nil"}
	}
	if err := r.options.resolve(options); err != nil {
		return err
	}
	if err := handle.RefuseBegin(db); err != nil {
		return err
	}
	inner, ok := handle.Root(db).(Beginner)
	if ok && isNil(inner) {
		return errNilHandle
	}
	if !ok {
		return &smrt.OptionsError{Option: "db", Reason: "wraps a handle that cannot begin transactions: pass one that can"}
	}
	r.db = inner
	if r.limits = limit.SetOf(db); r.limits != nil {
		fn := r.fn
		r.fn = func(ctx context.Context, tx pgx.Tx) error { return fn(ctx, limit.OnTx(tx, r.limits)) }
	}
	return r.dispatch(ctx)
}

// errNilHandle refuses a nil handle, and a nil pointer in an interface, which is
// what becomes of a pool that could not be opened.
var errNilHandle = &smrt.OptionsError{Option: "db", Reason: "must not be nil: look at the error of whatever opened it"}

func isNil(db any) bool {
	v := reflect.ValueOf(db)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// dispatch finds out whether a transaction is open already.
func (r *run) dispatch(ctx context.Context) error {
	around := handle.ScopeOf(ctx)
	switch tx := r.db.(type) {
	case *managedTx:
		return nested(ctx, tx, around, r)
	case pgx.Tx:
		if found := around.Find(tx); found != nil { // adopted
			return nested(ctx, found.Tx.(*managedTx), found, r)
		}
		return nested(ctx, &foreign(tx, &r.options).outer, nil, r)
	}
	if found := around.Find(r.db); found != nil {
		if h, ok := found.Tx.(*managedTx); ok {
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
func foreign(tx pgx.Tx, o *Options) *attempt {
	a := &attempt{tx: tx, conn: tx.Conn(), options: o, foreign: true, began: time.Now()}
	a.outer.a = a
	return a
}

// run is one call of Run at the outermost level.
type run struct {
	db      Beginner
	fn      Func
	options Options
	limits  *limit.Set
	result  *Result // nil if the caller does not want it
	token   string  // tells its markers from those of others

	keepPosition  func(smrt.Position) // where the position of the commit goes, nil if the handle does not want it
	wantsPosition bool
	stale         bool  // a cached statement did not fit its tables any more
	outdated      error // it was run again because of this
	raced         *pgconn.PgError

	around     *handle.Scope // of the transactions that it is to be part of
	root, also any

	retry retry
	doubt *attempt // an attempt whose commit may have happened
	lost  error    // why that is not known
}

// loop makes attempts until one is conclusive.
func (r *run) loop(ctx context.Context) error {
	if r.options.Key != "" {
		r.token = rand.Text()
	}
	if !r.options.ReadOnly { // which nobody has to find again on a standby
		r.keepPosition = handle.KeepCommits(ctx, r.db)
	}
	r.wantsPosition = r.options.TrackPosition || r.keepPosition != nil
	r.retry.begin(&r.options)
	for {
		again, err := r.try(ctx)
		if err == nil {
			return nil
		}
		if again == pgerr.Permanent || again == pgerr.Race && r.racedAgain(err) || again == pgerr.Outdated && r.outdatedAgain(err) {
			return r.conclude(ctx, err)
		}
		if again == pgerr.NotPrimary {
			handle.Reset(r.db) // its connections would go on answering pings
		}
		if r.stale = r.stale || again == pgerr.StalePlan || again == pgerr.Outdated; again != pgerr.Race {
			r.raced = nil
		}
		if err := r.retry.wait(ctx, again, err, r.doubt != nil); err != nil {
			return r.conclude(ctx, err)
		}
	}
}

// racedAgain reports whether err is the violation that the attempt before ended
// with: the same constraint, and the same values as far as the server tells them.
// This attempt has seen the row that it conflicts with, so that the violation is
// the answer.
func (r *run) racedAgain(err error) bool {
	var pg *pgconn.PgError
	last := r.raced
	if r.raced = nil; !errors.As(err, &pg) {
		return false
	}
	r.raced = pg
	return last != nil && last.Code == pg.Code && last.SchemaName == pg.SchemaName && last.TableName == pg.TableName &&
		last.ConstraintName == pg.ConstraintName && last.Detail == pg.Detail
}

// try runs the closure once. The fault says whether another attempt could
// end otherwise.
func (r *run) try(ctx context.Context) (pgerr.Fault, error) {
	if err := ctx.Err(); err != nil {
		return pgerr.Permanent, err
	}
	a, applied, err := r.beginInTime(ctx)
	if err != nil {
		return r.beginFault(err)
	}
	if applied {
		return r.applied(ctx, a)
	}
	if r.doubt != nil { // the marker could be written, so it was not there
		a.inherit(r.doubt)
		r.doubt = nil
		if r.retry.exhausted() {
			a.rollback(ctx)
			a.after(ctx, NotCommitted)
			return pgerr.Permanent, r.retry.givenUp("attempts", r.lost)
		}
	}
	r.retry.attempt()
	if r.result != nil {
		r.result.Attempts = r.retry.attempts
	}
	fault, err := r.execute(ctx, a)
	switch {
	case err == nil:
		a.after(ctx, Committed)
	case r.doubt == nil: // it is known what became of it
		a.after(ctx, NotCommitted)
	}
	return fault, err
}

// beginFault says what a transaction that could not be begun means.
func (r *run) beginFault(err error) (pgerr.Fault, error) {
	if errors.Is(err, smrt.ErrBadOptions) {
		return pgerr.Permanent, err
	}
	fault := pgerr.FaultOf(err)
	err = withSentinel(pgerr.Wrap("begin", "transaction", err), err, errors.Is(err, smrt.ErrStatementTimeout))
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

// applied ends an attempt whose marker was there already.
func (r *run) applied(ctx context.Context, a *attempt) (pgerr.Fault, error) {
	ours := false
	var err error
	var p smrt.Position
	if r.doubt != nil {
		ours, err = r.ours(ctx, a)
		if ours && r.wantsPosition {
			p, _ = wal.Now(ctx, a.tx) // the commit lies before, as it can be seen
		}
	}
	a.rollback(ctx)
	if err != nil {
		return pgerr.FaultOf(err), err
	}
	doubt := r.doubt
	r.doubt = nil
	if ours {
		r.reportPosition(p)
		doubt.after(ctx, Committed)
		return pgerr.Permanent, nil
	}
	if doubt != nil {
		doubt.after(ctx, NotCommitted)
	}
	return pgerr.Permanent, smrt.ErrAlreadyApplied
}

// execute runs the closure and ends the transaction.
func (r *run) execute(ctx context.Context, a *attempt) (pgerr.Fault, error) {
	h := &a.outer
	a.scope = handle.Scope{Parent: r.around, Root: r.root, Also: r.also, Tx: h, Attempt: r.retry.attempts}
	returned := false
	defer func() {
		if !returned { // a panic or Goexit, which go on after this
			h.over.Store(true)
			a.end()
			if !a.left() {
				a.rollback(ctx)
			}
			a.after(ctx, NotCommitted)
		}
	}()
	err := r.fn(handle.WithScope(ctx, &a.scope), h)
	inUse := a.end()
	returned = true
	h.over.Store(true)
	if a.left() {
		return pgerr.Permanent, cmp.Or(err, smrt.ErrTxConcurrentUse)
	}
	if err = r.verdict(h, err, inUse); err == nil {
		if err = ctx.Err(); err == nil {
			return r.commit(ctx, a)
		}
	}
	fault := r.faultOf(a, err)
	if fault == pgerr.NotPrimary {
		a.destroy(ctx)
	}
	err = pgerr.Canceled(ctx.Err(), a.classify(ctx, err, rollbackFirst))
	a.rollback(ctx)
	return fault, err
}

// verdict is the error of a closure: the one it returned, or one that it did
// not return and that leaves nothing to commit.
func (r *run) verdict(h *managedTx, err error, inUse bool) error {
	a := h.a
	switch {
	case err != nil:
		return err
	case a.doom.Load() != nil:
		return &smrt.AbortedError{Err: a.doom.Load().err}
	case h.doom.Load() != nil:
		return &smrt.AbortedError{Err: h.doom.Load().err}
	case a.failed() && a.first != nil:
		return &smrt.AbortedError{Err: a.first}
	case inUse:
		return smrt.ErrTxConcurrentUse
	case a.conn != nil && a.conn.IsClosed() && a.first != nil:
		return a.first
	case a.conn != nil && a.conn.IsClosed():
		return pgconn.ErrConnClosed
	case !a.inside():
		return a.endedByClosure()
	}
	return nil
}

// faultOf says whether a closure that failed with err could succeed another
// time. A closure may return an error of its own for one of the server's, so
// that the first of the server's is looked at too, if it was the end of the
// transaction.
func (r *run) faultOf(a *attempt, err error) pgerr.Fault {
	fault := r.fault(err)
	if fault == pgerr.Permanent && a.first != nil && (a.failed() || a.conn != nil && a.conn.IsClosed()) {
		fault = r.fault(a.first)
	}
	if d := a.doom.Load(); fault == pgerr.Permanent && d != nil {
		fault = r.fault(d.err)
	}
	return fault
}

// fault is faultOf for one error. A transaction that was idle for longer than
// Run was told to allow is not run again. A limit of the session, or one that the
// closure set, is like any other loss of the connection: often nobody learns of
// it, because who writes to the connection finds it closed.
func (r *run) fault(err error) pgerr.Fault {
	if r.options.IdleTimeout != 0 && (errors.Is(err, smrt.ErrTxTimedOut) || pgerr.FaultOf(err) == pgerr.Idle) {
		return pgerr.Permanent
	}
	return r.retryable(pgerr.FaultOf(err))
}

// retryable leaves of the faults those that are retried with these options. All
// others are Permanent: the closure would fail in the same way.
//
//	Conflict, Lost, Crowded, StalePlan  always
//	Idle                                unless Run set the limit (fault)
//	NotPrimary                          if the transaction writes: the pool is reset, so
//	                                    that another server may be found
//	Race                                with MayRace, and at isolation level serializable,
//	                                    where a constraint may be noticed before the conflict
//	Outdated                            until the same error comes again
//	Ended                               never: the caller has given up
func (r *run) retryable(f pgerr.Fault) pgerr.Fault {
	switch {
	case f == pgerr.Ended,
		f == pgerr.Race && !r.options.MayRace && r.options.Isolation != pgx.Serializable,
		f == pgerr.NotPrimary && r.options.ReadOnly: // then it is the closure that writes
		return pgerr.Permanent
	}
	return f
}
