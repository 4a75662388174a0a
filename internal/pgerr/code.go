package pgerr

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
)

// SQLSTATEs stand in this package alone; others ask by the names below. See
// appendix A of PostgreSQL's manual, "PostgreSQL Error Codes".

// code returns the SQLSTATE of err, empty if the server did not report it.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 {
		return pg.Code
	}
	return ""
}

// SQLState is code for what tells it to others.
func SQLState(err error) string { return code(err) }

// class returns the first two characters of the SQLSTATE of err.
func class(err error) string {
	c := code(err)
	return c[:min(2, len(c))]
}

func hasCode(err error, codes ...string) bool { return slices.Contains(codes, code(err)) }

// IsOfServer reports whether the server reported err.
func IsOfServer(err error) bool { return code(err) != "" }

// IsDataException reports whether the server refused a value.
func IsDataException(err error) bool { return class(err) == "22" }

// IsAboutRow reports whether err is about a row of the statement: a value that
// was refused, or a constraint.
func IsAboutRow(err error) bool { return class(err) == "22" || class(err) == "23" }

// IsTooLong reports whether a text is longer than its type allows.
func IsTooLong(err error) bool { return hasCode(err, "22001") }

// IsNotNull reports whether a NOT NULL constraint was violated.
func IsNotNull(err error) bool { return hasCode(err, "23502") }

// IsUnique reports whether a unique constraint was violated.
func IsUnique(err error) bool { return hasCode(err, "23505") }

// SameCondition reports whether the server reported both errors with one
// SQLSTATE.
func SameCondition(a, b error) bool { return code(a) != "" && code(a) == code(b) }

// IsSame reports whether b is the error a once more: the server's words about the
// same place in the statement, or not an error of the server, as a is not. A plan
// that is stale is so for another reason each time.
func IsSame(a, b error) bool {
	var x, y *pgconn.PgError
	if FaultOf(b) == StalePlan {
		return false
	}
	if !errors.As(a, &x) || !errors.As(b, &y) {
		return x == nil && !errors.As(b, &y)
	}
	return x.Code == y.Code && x.Message == y.Message && x.Position == y.Position
}

// MaxReruns is how often a call is run once more because of what was altered. A
// table may be altered again while it is.
const MaxReruns = 3

// IsOutOfRange reports whether a number or a time does not fit its type.
func IsOutOfRange(err error) bool { return hasCode(err, "22003", "22008") }

// IsInvalidParameter reports whether a function was given an argument that it
// does not accept.
func IsInvalidParameter(err error) bool { return hasCode(err, "22023") }

// IsUndefinedTable reports whether a table does not exist.
func IsUndefinedTable(err error) bool { return hasCode(err, "42P01") }

// IsUnlogged reports whether a standby was asked for a table that it has no rows
// of, because they are not logged. The SQLSTATE is shared with everything else
// that is not supported, and the message is translated.
func IsUnlogged(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "0A000" && pg.Routine == "get_relation_info"
}

// IsOutdated reports whether err can be due to what a statement was made or
// prepared for, and the database is no longer: a type, a column or a function,
// or a value that the server, pgx or this module refused for the type that the
// column had before.
func IsOutdated(err error) bool {
	if code(err) != "" {
		return hasCode(err, "0A000", "22003", "22007", "22008", "22P02", "22P03", "42703", "42704", "42725", "42804", "42846", "42883", "42P18", "XX000")
	}
	return IsEncode(err) || errors.Is(err, smrt.ErrOutOfRange)
}

// IsUnreadableCopy reports whether the server could not read what was copied,
// because it was encoded for other types: the length of a number, the elements of
// an array, json as jsonb.
func IsUnreadableCopy(err error) bool {
	return hasCode(err, "22P03", "08P01", "42804", "22P02", "XX000")
}

// IsGuard reports whether the server refused to leave out rows, as it was asked
// to: the error of a histogram without a width.
func IsGuard(err error) bool { return hasCode(err, "2201G") }

// IsGenerated reports whether a value was given for a column that the database
// makes the values of.
func IsGenerated(err error) bool { return hasCode(err, "428C9") }

// IsKeyDrift reports whether err can be due to a foreign key that is not what it
// was: new, NOT NULL, dropped, or no longer deferrable.
func IsKeyDrift(err error) bool {
	return hasCode(err, "23503", "23502", "42P01", "42703", "42704", "42804", "42809")
}

// IsMissing reports whether the server does not have something that a statement
// names, or does not let the session use it.
func IsMissing(err error) bool { return class(err) == "42" || class(err) == "0A" }

// IsTxAborted reports whether a statement was refused because an earlier one of
// the same transaction had failed.
func IsTxAborted(err error) bool { return hasCode(err, "25P02") || errors.Is(err, smrt.ErrTxAborted) }

// IsCanceled reports whether the server gave up a statement because it was asked
// to, or because of statement_timeout: these have one SQLSTATE, and differ only
// in their texts.
func IsCanceled(err error) bool { return hasCode(err, "57014") }

// IsAccessDenied reports whether connecting again is useless: who connects, or to
// which database, is wrong.
func IsAccessDenied(err error) bool {
	return class(err) == "28" || hasCode(err, "3D000", "42501")
}

// IsForbidden reports whether the role lacks the privilege for a statement.
func IsForbidden(err error) bool { return hasCode(err, "42501") }

// IsSyntax reports whether the server could not parse a statement.
func IsSyntax(err error) bool { return hasCode(err, "42601") }

// IsRepeated reports whether programs commonly run everything again after err: a
// serialization failure, a deadlock, a lock that was not free, a server that
// stops or is no longer the primary, a connection that broke or was idle for too
// long.
func IsRepeated(err error) bool {
	return class(err) == "40" || class(err) == "08" || hasCode(err, "25006", "25P03", "55P03", "57P01", "57P02", "57P03", "57P05")
}

// timeouts of the server by SQLSTATE, but for statement_timeout: see IsCanceled.
var timeouts = map[string]error{
	"55P03": smrt.ErrLockTimeout,
	"25P03": smrt.ErrTxTimedOut, "25P04": smrt.ErrTxTimedOut, "57P05": smrt.ErrTxTimedOut,
}

// Timeout returns the error of smrt for a timeout of the server, or nil.
func Timeout(err error) error { return timeouts[code(err)] }

// HasNoArbiter reports whether no unique index is on what ON CONFLICT names.
func HasNoArbiter(err error) bool { return hasCode(err, "42P10") }

// OfText returns what the server says of the text of a statement that had no values,
// which its message quotes otherwise.
func OfText(pg *pgconn.PgError) string { return pg.Message + " (" + pg.Code + ")" }
