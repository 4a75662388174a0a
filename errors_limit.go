package smrt

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The limits that are declared with package guard. A call beyond one of them is
// refused with a *[LimitError], which matches ErrLimit and the error of its kind.
var (
	// ErrLimit means that a call goes beyond a declared limit, whichever it is.
	ErrLimit = errors.New("beyond a declared limit")

	// ErrRowLimit means that a read asks for, or returns, too many rows. Nothing
	// is cut off: there is no result. SQL by hand that writes may have written,
	// which only its transaction undoes. [ErrTooManyRows] is about One.
	ErrRowLimit error = &wrapped{"the read has more rows than are allowed", ErrLimit}

	// ErrLoadLimit means that a load brings in too many rows.
	ErrLoadLimit error = &wrapped{"a load has more rows than are allowed", ErrLimit}

	// ErrDepthLimit means that loads nest too deep.
	ErrDepthLimit error = &wrapped{"loads nest deeper than is allowed", ErrLimit}

	// ErrListLimit means that a list of values or keys is too long.
	ErrListLimit error = &wrapped{"a list has more values than are allowed", ErrLimit}

	// ErrTextLimit means that a text in a condition is too long.
	ErrTextLimit error = &wrapped{"a text in a condition is longer than is allowed", ErrLimit}

	// ErrWriteLimit means that a write affects too many rows. It was undone.
	ErrWriteLimit error = &wrapped{"the write affects more rows than are allowed", ErrLimit}

	// ErrByteLimit means that a result is too large.
	ErrByteLimit error = &wrapped{"the result has more bytes than are allowed", ErrLimit}

	// ErrStatementLimit means that a request sends too many statements.
	ErrStatementLimit error = &wrapped{"the request sends more statements than are allowed", ErrLimit}

	// ErrComplexityLimit means that a call asks for too much, by the formula of
	// package guard.
	ErrComplexityLimit error = &wrapped{"the call is more complex than is allowed", ErrLimit}

	// ErrPlanLimit means that the server estimates a statement to cost too much.
	ErrPlanLimit error = &wrapped{"the server's plan costs more than is allowed", ErrLimit}

	// ErrRateLimit means that a key has asked for more than its rate gives back. It
	// is a matter of time: *[RateError] says of how much.
	ErrRateLimit error = &wrapped{"the rate is used up", ErrLimit}

	// ErrTimeLimit means that a call took too long. Its *[LimitError] also
	// satisfies errors.Is(err, context.DeadlineExceeded).
	ErrTimeLimit error = &wrapped{"the call takes longer than is allowed", ErrLimit}
)

// LimitError reports a call that goes beyond a limit which was declared with
// package guard. errors.Is(err, ErrLimit), and the error of its kind.
type LimitError struct {
	Limit string // the field of guard.Limits, such as "MaxLimit"

	// Statement is the name that sqlc gave the statement whose plan costs too much. It
	// is empty for all others.
	Statement string

	// Max is what is allowed, and Actual what was asked for or found: rows, levels,
	// values, bytes, points, costs, or for Timeout nanoseconds. Where a result was given up, it is
	// the least that there is. Of a rate, Max is the points that are left, or zero.
	Max, Actual int64

	Way string // what to do instead, and what to call if it is meant
	Err error  // the error of its kind, such as ErrRowLimit; of a rate a *RateError
}

// Error says what the limit is, what was asked for and what to do instead.
func (e *LimitError) Error() string {
	most, actual := fmt.Sprint(e.Max), fmt.Sprint(e.Actual)
	if errors.Is(e.Err, ErrTimeLimit) {
		took, unit := time.Duration(e.Actual), time.Microsecond
		if took >= time.Second {
			unit = time.Millisecond
		}
		most, actual = time.Duration(e.Max).String(), took.Round(unit).String()
	}
	if errors.Is(e.Err, ErrRateLimit) {
		return fmt.Sprintf("%v, %s", e.Err, e.Way)
	}
	if errors.Is(e.Err, ErrUnboundedWrite) {
		return fmt.Sprintf("the predicate matches every row, which %s forbids: %s", e.Limit, e.Way)
	}
	text := fmt.Sprintf("%v: %s is %s, this is %s: %s", e.Err, e.Limit, most, actual, e.Way)
	if e.Statement != "" {
		text = e.Statement + ": " + text
	}
	return text
}

// Unwrap gives ErrLimit and the error of its kind, and of a time that is over
// context.DeadlineExceeded.
func (e *LimitError) Unwrap() []error {
	if errors.Is(e.Err, ErrTimeLimit) {
		return []error{e.Err, context.DeadlineExceeded}
	}
	return []error{ErrLimit, e.Err}
}

// RateError says how much of a rate there is, and when there is enough. It is in the
// *[LimitError] of a call that was refused. errors.Is(err, ErrRateLimit).
type RateError struct {
	Rate      string // as declared
	Cost      int64  // points that the call asked for
	Available int64  // points that its key has; below zero, it owes them
	Burst     int64  // points that a key has at most

	// Points come back in each Per.
	Points int64
	Per    time.Duration

	// RetryAfter is when there will be enough, if nobody else takes them: more than
	// zero. It is 0 if there never will, as Cost is more than Burst.
	RetryAfter time.Duration
}

// Error says what the call costs, what there is, and when to try again.
func (e *RateError) Error() string {
	switch {
	case e.RetryAfter == 0 && e.Cost <= e.Burst: // it was allowed
		return fmt.Sprintf("%v: rate %s has %d points left, this costs %d", ErrRateLimit, e.Rate, e.Available, e.Cost)
	case e.RetryAfter == 0:
		return fmt.Sprintf("%v: rate %s holds %d points at most, this costs %d: ask for less", ErrRateLimit, e.Rate, e.Burst, e.Cost)
	}
	return fmt.Sprintf("%v: rate %s has %d points left and gives back %d in %v, this costs %d: try again in %v, ask for less",
		ErrRateLimit, e.Rate, e.Available, e.Points, e.Per, e.Cost, e.RetryAfter.Round(time.Millisecond))
}

// Unwrap gives ErrRateLimit.
func (e *RateError) Unwrap() error { return ErrRateLimit }
