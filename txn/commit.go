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
func (r *run) commit(ctx context.Context, s *session) (pgerr.Fault, error) {
	if r.options.Result != nil {
		s.notes = watchNotes(s.tx.Conn())
	}
	p, err := r.send(ctx, s)
	if err == nil {
		r.committed(ctx, s, p)
		return pgerr.Permanent, nil
	}
	if !pgerr.IsCommitUnknown(err) || errors.Is(err, pgx.ErrTxCommitRollback) {
		return r.retryable(pgerr.FaultOf(err)), withSentinel(pgerr.Wrap("commit", "transaction", err), err, r.commitTimedOut(err, s.tx))
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

// committed reports what is to be said of a commit that was answered.
func (r *run) committed(ctx context.Context, s *session, p smrt.Position) {
	if s.notes != nil {
		r.options.Result.NotReplicated = s.notes.notReplicated
	}
	if !r.tells {
		return
	}
	if p.IsZero() {
		p = r.ask(ctx, s)
	}
	r.tell(p)
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
