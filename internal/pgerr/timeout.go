package pgerr

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A statement that took too long and one that somebody cancelled have one
// SQLSTATE, and their texts are translated. They are told apart, on the path of
// errors only, in this order:
//
//	the limit of the caller or the session has not passed here  it was not that limit
//	it has passed                                               it was
//	there may have been another limit, which is gone            the server is made to run
//	(SET LOCAL, which ROLLBACK undoes)                          into one; see raisedByTimeout

// TimedOut reports whether a statement that took so long can have been ended by
// a statement_timeout of limit, of which 0 is none.
func TimedOut(took, limit time.Duration) bool {
	limit = limit.Truncate(time.Millisecond) // as it is sent
	return limit > 0 && took >= limit
}

// askTime bounds asking.
const askTime = time.Second

// AskTimeout asks a session that is in no failed transaction for its
// statement_timeout, 0 if it has none. first is what to send before, in the same
// round trip: nothing, or statements that end in a semicolon.
func AskTimeout(ctx context.Context, conn *pgconn.PgConn, first string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	results, err := conn.Exec(ctx, first+"show statement_timeout").ReadAll()
	if err != nil {
		return 0, err
	}
	if len(results) == 0 || len(results[len(results)-1].Rows) != 1 {
		return 0, errNoTimeout
	}
	return parseTimeout(string(results[len(results)-1].Rows[0][0]))
}

// AskTimedOut finds out whether err, which ended a statement that took so long,
// was a timeout of the server. It asks the session for its limit, as
// [AskTimeout] does. If that was not reached, there may have been another one.
// After first, the session must be in a transaction.
func AskTimedOut(ctx context.Context, conn *pgconn.PgConn, first string, err *pgconn.PgError, took time.Duration) (bool, error) {
	limit, failed := AskTimeout(ctx, conn, first)
	if failed != nil || TimedOut(took, limit) {
		return failed == nil, failed
	}
	return raisedByTimeout(ctx, conn, err)
}

// provokeSQL runs into a statement_timeout, which is why the server's log has a
// second such line. forgetSQL undoes it.
const (
	provokeTime = time.Millisecond
	provokeSQL  = "savepoint smrt_timeout; set local statement_timeout = 1; select pg_sleep(0.5) /* smrt: was that a timeout? */"
	forgetSQL   = "rollback to savepoint smrt_timeout; release savepoint smrt_timeout"
)

// raisedByTimeout reports whether the server raised err where it raises the error
// of a statement_timeout. The place in its code, which comes with each error, is
// another one for a statement that somebody cancelled, and differs between
// versions; so it is compared with that of a timeout which is provoked on the
// same connection, in a savepoint. That takes two round trips and a millisecond.
func raisedByTimeout(ctx context.Context, conn *pgconn.PgConn, err *pgconn.PgError) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	start := time.Now()
	_, provoked := conn.Exec(ctx, provokeSQL).ReadAll()
	took := time.Since(start)
	if _, failed := conn.Exec(ctx, forgetSQL).ReadAll(); failed != nil {
		return false, failed
	}
	var timeout *pgconn.PgError
	return errors.As(provoked, &timeout) && IsCanceled(timeout) && TimedOut(took, provokeTime) &&
		timeout.Line != 0 && timeout.Line == err.Line && timeout.File == err.File && timeout.Routine == err.Routine, nil
}

var errNoTimeout = errors.New("the server did not tell its statement_timeout")

// units of times as the server writes them.
var units = map[string]time.Duration{
	"": time.Millisecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

func parseTimeout(text string) (time.Duration, error) {
	number := strings.TrimRight(text, "dhimns")
	n, err := strconv.ParseInt(number, 10, 64)
	unit, ok := units[text[len(number):]]
	if err != nil || !ok {
		return 0, errNoTimeout
	}
	return time.Duration(n) * unit, nil
}
