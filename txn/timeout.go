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

// noteCanceled remembers a statement that the server gave up. Its timeout is
// known if Run set it.
func (a *attempt) noteCanceled(pg *pgconn.PgError) {
	c := &canceled{err: pg, took: time.Since(a.sent)}
	if limit := a.options.StatementTimeout; limit != 0 && !a.foreign {
		c.known, c.timedOut = true, pgerr.TimedOut(c.took, limit)
	}
	a.late.Store(c)
}

// rollbackFirst leaves a failed transaction for one in which the session answers.
// pgx ends that as it would have ended the first, so that a pool gets its
// connection back from pgx.
const rollbackFirst = "rollback and chain; "

// named is withSentinel for the end of a transaction or of a savepoint. Where
// err is about a statement that the server gave up, and nobody here set its
// timeout, the session is asked for it, after what is in first.
func (a *attempt) named(ctx context.Context, err error, first string) error {
	var pg *pgconn.PgError
	c := a.late.Load()
	if c == nil || c.known || !errors.As(err, &pg) || pg != c.err {
		return a.withSentinel(err)
	}
	if a.conn == nil || a.conn.IsClosed() || !a.inside() || ctx.Err() != nil {
		return a.withSentinel(err)
	}
	if limit, failed := pgerr.AskTimeout(ctx, a.conn.PgConn(), first); failed == nil {
		a.late.Store(&canceled{err: pg, took: c.took, known: true, timedOut: pgerr.TimedOut(c.took, limit)})
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
