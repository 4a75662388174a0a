package pgerr

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Fault is what an error means for the transaction it occurred in.
type Fault uint8

// The faults. All but Permanent, Race, Outdated and Ended may pass when the whole
// transaction is run again.
const (
	Permanent  Fault = iota // running it again gives the same error
	Conflict                // the server chose this transaction to give way: 40001, 40P01
	Lost                    // the connection broke, or the server is starting or stopping
	Idle                    // the server ended the connection because nothing was sent for too long: 25P03, 57P05
	Crowded                 // the server is out of connections, memory or disk: 53...
	NotPrimary              // the server is read-only: 25006
	StalePlan               // a cached statement no longer fits its tables
	Race                    // a unique or exclusion constraint, perhaps a conflict in disguise
	Outdated                // what a statement was prepared for may have changed
	Ended                   // the caller's context ended
)

// faults by SQLSTATE.
var faults = map[string]Fault{
	"40001": Conflict, "40P01": Conflict,
	"08000": Lost, "08001": Lost, "08003": Lost, "08004": Lost, "08006": Lost,
	"57P01": Lost, "57P02": Lost, "57P03": Lost,
	"25P03": Idle, "57P05": Idle,
	"53000": Crowded, "53100": Crowded, "53200": Crowded, "53300": Crowded,
	"25006": NotPrimary,
	"23505": Race, "23P01": Race,
}

// revalidate is the function of the server that refuses a cached plan. Its
// SQLSTATE, 0A000, is shared with everything else that is not supported, and
// its message is translated.
const revalidate = "RevalidateCachedQuery"

// FaultOf tells what err means, wherever it occurred before COMMIT was sent.
func FaultOf(err error) Fault {
	var pg *pgconn.PgError
	var outdated *OutdatedError
	switch {
	case err == nil:
		return Permanent
	case errors.As(err, &outdated):
		return Outdated
	case errors.As(err, &pg):
		if pg.Code == "0A000" && pg.Routine == revalidate {
			return StalePlan
		}
		return faults[pg.Code]
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Ended
	case IsLost(err):
		return Lost
	}
	return Permanent
}

// OutdatedError is an error of a statement in a transaction that may be due to
// what it was prepared for, see [IsOutdated]. The transaction has failed, so
// that this cannot be found out there; but what was prepared and learnt was
// forgotten, so that the next transaction does.
type OutdatedError struct{ Err error }

func (e *OutdatedError) Error() string { return e.Err.Error() }
func (e *OutdatedError) Unwrap() error { return e.Err }

// IsLost reports whether err is that of a connection that broke or was never
// made, as the network reports it.
func IsLost(err error) bool {
	for _, lost := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, os.ErrDeadlineExceeded,
		syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var op *net.OpError
	var connect *pgconn.ConnectError
	return errors.As(err, &op) || errors.As(err, &connect)
}

// IsCommitUnknown reports whether err, which COMMIT returned, leaves open what
// became of the transaction. An error of severity ERROR is certain:
// the transaction was rolled back. So is the end of a connection that was idle for
// too long: the server ends none while it runs a statement. A connection that ends
// otherwise, or is ended by the server, is not; nor are the SQLSTATEs made for the
// case.
//
// pgconn.SafeToRetry is right about errors in writing, but not about
// ErrConnClosed (v5.12.0, MultiResultReader.NextResult): if the connection
// breaks while the answer to a simple query is awaited, the first error is
// dropped, and the one returned is that of using a closed connection, which
// claims that nothing was sent. So callers make sure that the connection is open
// before they send COMMIT, and here that error means that it broke later.
func IsCommitUnknown(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return !pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed)
	}
	if faults[pg.Code] == Idle {
		return false
	}
	if pg.Code == "40003" || len(pg.Code) == 5 && pg.Code[:2] == "08" {
		return true
	}
	severity := pg.SeverityUnlocalized
	if severity == "" { // before PostgreSQL 9.6
		severity = pg.Severity
	}
	return severity != "ERROR"
}
