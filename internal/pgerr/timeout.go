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
// SQLSTATE, and their texts are translated. So the clock decides: the server
// cannot have ended a statement by its timeout before that has passed here. Where
// nobody here has set the timeout, the session is asked for it.

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
