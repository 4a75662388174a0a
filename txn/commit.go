package txn

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// COMMIT was sent. What its reply leads to:
//
//	reply                         the transaction is   Run then
//	COMMIT                        committed            reports the position, runs hooks, returns nil
//	ROLLBACK, an error            undone               retries if that may help (retryable), else
//	                                                   returns the error
//	none, FATAL, 40003, 08...     committed or undone: is in doubt; a read-only one is run again
//	it was idle for too long      undone: COMMIT was not looked at
//
// In doubt, without a key, it returns smrt.ErrCommitUnknown, which has what
// [Resolve] needs. With a key it makes another attempt, which begins by writing
// the same marker; its closure runs only if that shows that nothing happened:
//
//	the marker                    the transaction was  Run then
//	could be written              undone               runs the closure again (begin, inherit), unless
//	                                                   MaxAttempts is reached: smrt.ErrRetriesExhausted
//	is there, with our token      committed            reports the primary's position of now, which is
//	                                                   later, runs hooks, returns nil (applied)
//	is there, with another token  undone               returns smrt.ErrAlreadyApplied: another call was
//	                                                   quicker with the same key
//	is not known: the attempt     still in doubt       tries again until MaxElapsed or the deadline, and
//	failed, or waited too long                         then returns smrt.ErrCommitUnknown (conclude)
//
// A marker that another attempt is just writing makes the INSERT wait, so that a
// server that is still busy with the doubted COMMIT cannot be overtaken. Hooks
// wait until the outcome is known; if it never is, none runs but those of
// savepoints that were rolled back.

// commit ends the transaction. COMMIT does not end with the caller's context:
// that would not undo it, but only hide its outcome.
func (r *run) commit(ctx context.Context, a *attempt) (pgerr.Fault, error) {
	if r.result != nil {
		a.notes = watchNotes(a.tx.Conn())
	}
	p, err := r.sendCommit(ctx, a)
	if err == nil {
		r.committed(ctx, a, p)
		return pgerr.Permanent, nil
	}
	if !pgerr.IsCommitUnknown(err) || errors.Is(err, pgx.ErrTxCommitRollback) {
		timedOut := r.commitTimedOut(err, a.tx)
		err = a.idledOut(err)
		return r.fault(err), withSentinel(pgerr.Wrap("commit", "transaction", err), err, timedOut)
	}
	if r.options.ReadOnly { // nothing can have been applied
		return pgerr.Lost, pgerr.Wrap("commit", "transaction", err)
	}
	if r.result != nil {
		r.result.Doubts++
	}
	r.doubt, r.lost = a, err
	if r.options.Key == "" {
		return pgerr.Permanent, err // loop makes it a CommitUnknownError
	}
	return pgerr.Lost, err
}

// committed reports what the caller wants to know of a commit that happened.
func (r *run) committed(ctx context.Context, a *attempt, p smrt.Position) {
	if a.notes != nil {
		r.result.NotReplicated = a.notes.notReplicated
	}
	if !r.wantsPosition {
		return
	}
	if p.IsZero() {
		p = r.askPosition(ctx, a)
	}
	r.reportPosition(p)
}

// conclude is the last word: as long as a commit is in doubt it is that.
func (r *run) conclude(ctx context.Context, err error) error {
	if r.doubt == nil {
		return err
	}
	r.doubt.after(ctx, Unknown)
	var given *smrt.RetryError
	if errors.As(err, &given) {
		err = given.Err // it would say that nothing was applied
	}
	if !errors.Is(err, r.lost) {
		err = errors.Join(r.lost, err)
	}
	return r.unknown(r.doubt, err)
}

// unknown returns the error of an attempt in doubt, with what Resolve needs.
func (r *run) unknown(a *attempt, err error) error {
	e := &smrt.CommitUnknownError{
		Key: r.options.Key, XID: a.identity.xid, System: a.identity.system, Timeline: a.identity.timeline,
		Epoch: a.identity.epoch, StartedAt: a.began, Err: err,
	}
	if a.conn != nil {
		e.BackendPID = a.conn.PgConn().PID()
	}
	return e
}
