package txn

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
)

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
		return r.retryable(pgerr.FaultOf(err)), withSentinel(pgerr.Wrap("commit", "transaction", err), err, r.commitTimedOut(err, a.tx))
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

// committed reports what is to be said of a commit that was answered.
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
