package txn

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// Outcome is what became of a transaction. The zero Outcome is Unknown.
type Outcome uint8

const (
	// Unknown means that nobody can tell any more.
	Unknown Outcome = iota
	// InProgress means that it has not ended yet: ask again.
	InProgress
	// Committed means that its effects are there.
	Committed
	// NotCommitted means that it had none and never will.
	NotCommitted
)

// String describes the outcome.
func (o Outcome) String() string {
	switch o {
	case InProgress:
		return "in progress"
	case Committed:
		return "committed"
	case NotCommitted:
		return "not committed"
	}
	return "unknown"
}

// Resolve asks the server what became of the transaction that a
// *smrt.CommitUnknownError is about. It needs the id that [Options].TrackID asks
// for, and a db that leads to the server that the transaction ran on. Without an
// id it returns Unknown and sends nothing.
//
// After a crash or a failover the server gives out ids again that were never
// committed, and it may say "committed" of another transaction with the same id.
// Then Resolve returns Unknown, unless the server says that the transaction was
// not committed, which is true of both. For certainty use a key.
//
// An err of another kind, and a db that is another cluster than the transaction
// ran on, are smrt.ErrBadOptions. Inside of a transaction on db the error is
// smrt.ErrTxBypass. Resolve is as safe for concurrent use as db is.
func Resolve(ctx context.Context, db smrt.DB, err error) (Outcome, error) {
	var doubt *smrt.CommitUnknownError
	if ctx == nil {
		return Unknown, smrt.ErrNilContext
	}
	if isNil(db) {
		return Unknown, errNilHandle
	}
	if !errors.As(err, &doubt) {
		return Unknown, &smrt.OptionsError{Option: "err", Reason: "must be the error of a commit whose outcome is unknown"}
	}
	if doubt.XID == "" {
		return Unknown, nil
	}
	if err := handle.Check(ctx, db); err != nil {
		return Unknown, err
	}
	var now identity
	if err := now.scan(db.QueryRow(ctx, traced.Pass(identifySQL, "", "identity"))); err != nil {
		return Unknown, pgerr.Wrap("resolve", "transaction", err)
	}
	if now.system != doubt.System {
		return Unknown, &smrt.OptionsError{Option: "db", Reason: "is another database cluster than the transaction ran on"}
	}
	status, err := statusOf(ctx, db, doubt.XID)
	if err != nil {
		return Unknown, pgerr.Wrap("resolve", "transaction", err)
	}
	// An id tells of this transaction only if the server has given it out once:
	//
	//	the server says    same start and timeline    another
	//	aborted            NotCommitted               NotCommitted: both were
	//	committed          Committed                  Unknown: perhaps another's
	//	in progress        InProgress                 Unknown: likewise
	//	never heard of it  Unknown                    NotCommitted: it was lost in the crash
	//	forgotten          Unknown                    Unknown
	same := now.epoch == doubt.Epoch && now.timeline == doubt.Timeline
	switch {
	case status == "aborted", status == "" && !same:
		return NotCommitted, nil
	case status == "committed" && same:
		return Committed, nil
	case status == "in progress" && same:
		return InProgress, nil
	}
	return Unknown, nil
}

// statusOf asks for the status of a transaction, which is empty if the server
// does not know of it any more, or not yet.
func statusOf(ctx context.Context, db smrt.DB, xid string) (string, error) {
	var status *string
	err := db.QueryRow(ctx, traced.Pass("SELECT pg_xact_status($1::text::xid8)", "", "resolve"), xid).Scan(&status)
	if pgerr.IsInvalidParameter(err) { // an id that was not given out yet
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("status: %w", err)
	}
	if status == nil { // so long ago that it was forgotten
		return "forgotten", nil
	}
	return *status, nil
}

// commitNotes is what the server said in addition to the reply to COMMIT.
type commitNotes struct{ notReplicated bool }

// notesKey is where a connection keeps the notes of its commit.
const notesKey = "smrt.txn.notes"

// watchNotes lets the connection report to the result.
func watchNotes(conn *pgx.Conn) *commitNotes {
	n := &commitNotes{}
	if conn != nil {
		conn.PgConn().CustomData()[notesKey] = n
	}
	return n
}

// syncRepWait is the function of the server that waits for synchronous
// standbys. When the wait is cut short it warns that the transaction is
// committed here and may not be there.
const syncRepWait = "SyncRepWaitForLSN"

// WatchCommits returns a handler of notices for a pool's configuration. With it,
// Result.NotReplicated is set for transactions that the server committed without
// waiting for its synchronous standbys to the end:
//
//	cfg.ConnConfig.OnNotice = txn.WatchCommits(cfg.ConnConfig.OnNotice)
//
// The handler calls next with every notice; next may be nil.
func WatchCommits(next pgconn.NoticeHandler) pgconn.NoticeHandler {
	return func(conn *pgconn.PgConn, notice *pgconn.Notice) {
		if notice.Routine == syncRepWait {
			if n, ok := conn.CustomData()[notesKey].(*commitNotes); ok {
				n.notReplicated = true
			}
		}
		if next != nil {
			next(conn, notice)
		}
	}
}
