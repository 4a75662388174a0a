package txn

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// canceled is a statement that the server gave up, because it was asked to or
// because of statement_timeout.
type canceled struct {
	err      *pgconn.PgError
	took     time.Duration
	known    bool // which of the two it was
	timedOut bool
}

// noteCanceled remembers a statement that the server gave up. If it took as long
// as Run allowed, that is known to be why.
func (a *attempt) noteCanceled(pg *pgconn.PgError) {
	c := &canceled{err: pg, took: time.Since(a.sent)}
	c.timedOut = !a.foreign && pgerr.TimedOut(c.took, a.options.StatementTimeout)
	c.known = c.timedOut
	a.late.Store(c)
}

// rollbackFirst leaves a failed transaction for one in which the session answers.
// pgx ends that as it would have ended the first, so that a pool gets its
// connection back from pgx.
const rollbackFirst = "rollback and chain; "

// classify is withSentinel for the end of a transaction or of a savepoint. If err
// is about a statement that the server gave up before Run's own limit had passed,
// the server is asked why, after what is in first. Asking inside of the failed
// transaction is not possible, and before the statement it would take a round
// trip where nothing fails.
func (a *attempt) classify(ctx context.Context, err error, first string) error {
	var pg *pgconn.PgError
	c := a.late.Load()
	if c == nil || c.known || !errors.As(err, &pg) || pg != c.err {
		return a.withSentinel(err)
	}
	if a.conn == nil || a.conn.IsClosed() || !a.inside() || ctx.Err() != nil {
		return a.withSentinel(err)
	}
	if timedOut, failed := pgerr.AskTimedOut(ctx, a.conn.PgConn(), first, pg, c.took); failed == nil {
		a.late.Store(&canceled{err: pg, took: c.took, known: true, timedOut: timedOut})
	}
	return a.withSentinel(err)
}

// withSentinel gives an error that a call returned the error of smrt that belongs
// to it.
func (a *attempt) withSentinel(err error) error {
	var pg *pgconn.PgError
	c := a.late.Load()
	return withSentinel(err, err, c != nil && c.timedOut && errors.As(err, &pg) && pg == c.err)
}

// commitTimedOut reports whether a statement that was sent with COMMIT timed out.
// COMMIT itself has no statement_timeout, whatever it runs.
func (r *run) commitTimedOut(err error, tx pgx.Tx) bool {
	t, ok := tx.(handle.TimeoutTx)
	return ok && pgerr.IsCanceled(err) && t.TimedOut(r.options.StatementTimeout)
}
