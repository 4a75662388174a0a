package smrt

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// The conditions of transactions; see package txn.
var (
	// ErrCommitUnknown means that COMMIT was sent and no reply came: the
	// transaction may have been committed or not. See [CommitUnknownError].
	ErrCommitUnknown = errors.New("the outcome of the commit is unknown")

	// ErrAlreadyApplied means that a transaction with the same idempotency key
	// was committed before. The closure was not run, or its effects were undone.
	ErrAlreadyApplied = errors.New("a transaction with this key was already applied")

	// ErrRetriesExhausted means that a transaction kept failing for reasons
	// that usually pass. See [RetryError].
	ErrRetriesExhausted = errors.New("retries exhausted")

	// ErrTxBypass means that a handle was used outside of the transaction that
	// is open on it. Nothing was sent.
	ErrTxBypass = errors.New("the handle was used beside the transaction of this context: use the transaction (With(tx), WithTx(tx)), or a context from txn.WithoutTx if that is meant")

	// ErrTxManaged means that a closure called Commit or Rollback on the
	// transaction it was given.
	ErrTxManaged = errors.New("the transaction is committed when its closure returns nil and rolled back when it returns an error: return instead of calling Commit or Rollback")

	// ErrTxConcurrentUse means that a transaction was used while it was in use:
	// by another goroutine, or by rows or batch results that are still open.
	ErrTxConcurrentUse = errors.New("the transaction is in use by another goroutine, or by rows or batch results that are not closed: a transaction does one thing at a time")

	// ErrTxDone means that a transaction was used after its end. It also
	// satisfies errors.Is(err, pgx.ErrTxClosed).
	ErrTxDone error = &wrapped{"the transaction has ended: its handle is valid only until the closure returns", pgx.ErrTxClosed}

	// ErrTxAborted means that a transaction cannot go on because of an earlier
	// error. See [AbortedError].
	ErrTxAborted = errors.New("the transaction was aborted by an earlier error")

	// ErrNoTx means that a call needs a transaction begun by txn.Run, and its
	// context has none.
	ErrNoTx = errors.New("no transaction in this context: call it with the context that txn.Run gives to the closure")

	// ErrTxOpen means that a connection was given to txn.Run which is in a
	// transaction already.
	ErrTxOpen = errors.New("the connection is in a transaction already: pass that transaction instead")

	// ErrNoReserve means that an independent transaction was asked for inside
	// another without a pool of its own to take a connection from.
	ErrNoReserve = errors.New("an independent transaction needs a second connection, and waiting for one of the same pool can block all: set Options.Reserve to a pool kept for this")

	// ErrTxTimedOut means that the server ended a transaction that took too
	// long or did nothing for too long.
	ErrTxTimedOut = errors.New("the server ended the transaction: it was open or idle for too long")

	// ErrStatementTimeout means that a statement ran longer than allowed.
	ErrStatementTimeout = errors.New("the statement took longer than its timeout allows")

	// ErrLockTimeout means that a lock was not free within the time allowed.
	ErrLockTimeout = errors.New("a lock was not free in time")

	// ErrBadOptions means options that contradict each other or are outside
	// their range. See [OptionsError].
	ErrBadOptions = errors.New("bad options")

	// ErrNotRun means that a statement of a pipeline has no effect because
	// another statement of the same round trip failed. See [PipelineError].
	ErrNotRun = errors.New("not run, or undone, because another statement of the round trip failed")
)

// CommitUnknownError reports a commit whose outcome is not known: COMMIT was
// sent, and the connection was lost before its reply. errors.Is(err,
// ErrCommitUnknown). With a key, running the same transaction again with the
// same key is safe and finds out; without one, txn.Resolve may.
type CommitUnknownError struct {
	Key        string    // idempotency key, may be empty; not part of the text
	XID        string    // transaction id, if Options.TrackID asked for it
	System     string    // identifier of the database cluster, with XID
	Timeline   int64     // its timeline, with XID
	Epoch      string    // changes when the server starts or recovers from a crash, with XID
	BackendPID uint32    // process that served the connection
	StartedAt  time.Time // when the transaction began, by the clock of the program
	Err        error     // how the connection was lost
}

// Error says what can be done.
func (e *CommitUnknownError) Error() string {
	next := "look for its effects before running it again, or give it a key (txn.Options.Key)"
	switch {
	case e.Key != "":
		next = "run it again with the same key"
	case e.XID != "":
		next = "txn.Resolve may find out what became of transaction " + e.XID
	}
	return fmt.Sprintf("%v: %s: %v", ErrCommitUnknown, next, e.Err)
}

// Unwrap gives the sentinel and the cause.
func (e *CommitUnknownError) Unwrap() []error { return []error{ErrCommitUnknown, e.Err} }

// RetryError reports a transaction that was given up after it had failed for
// reasons that usually pass. Nothing of it was applied. errors.Is(err,
// ErrRetriesExhausted), and errors.Is and errors.As find the last error too.
type RetryError struct {
	Attempts int           // how often the closure was run
	Elapsed  time.Duration // since the first attempt
	Limit    string        // what was reached: "attempts", "time", "deadline" or "budget"
	Err      error         // of the last attempt
}

// Error names the limit that was reached.
func (e *RetryError) Error() string {
	return fmt.Sprintf("%v: limit of %s reached after %d attempts in %s: %v",
		ErrRetriesExhausted, e.Limit, e.Attempts, e.Elapsed.Round(time.Millisecond), e.Err)
}

// Unwrap gives the sentinel and the last error.
func (e *RetryError) Unwrap() []error { return []error{ErrRetriesExhausted, e.Err} }

// AbortedError reports the use of a transaction after an error that it cannot go
// on after: the closure did not return that error. errors.Is(err, ErrTxAborted).
// errors.Is and errors.As find the first error too.
type AbortedError struct{ Err error }

// Error says what to do.
func (e *AbortedError) Error() string {
	return fmt.Sprintf("%v: return it, or run what may fail in a savepoint: %v", ErrTxAborted, e.Err)
}

// Unwrap gives the sentinel and the first error.
func (e *AbortedError) Unwrap() []error { return []error{ErrTxAborted, e.Err} }

// OptionsError reports an option or an argument that cannot be used, before
// anything was sent. errors.Is(err, ErrBadOptions). Every package of smrt that
// takes options returns it.
type OptionsError struct {
	Option string // name of the field, of the parameter of a URL, or of the argument
	Reason string // what is wrong, the allowed range, what to do instead; follows the name in the text
}

// Error names the option.
func (e *OptionsError) Error() string {
	return fmt.Sprintf("%v: %s %s", ErrBadOptions, e.Option, e.Reason)
}

// Unwrap gives ErrBadOptions.
func (e *OptionsError) Unwrap() error { return ErrBadOptions }

// PipelineError reports the steps of a pipeline that failed. errors.Is and
// errors.As find what they find in the errors of the steps.
type PipelineError struct {
	Errors []error // one for each step, nil where it succeeded
}

// Error says how many steps failed and why the first did.
func (e *PipelineError) Error() string {
	n, first := 0, -1
	for i, err := range e.Errors {
		if err == nil {
			continue
		}
		n++
		if first < 0 || errors.Is(e.Errors[first], ErrNotRun) && !errors.Is(err, ErrNotRun) {
			first = i
		}
	}
	if n == 0 {
		return "pipeline: no step failed"
	}
	return fmt.Sprintf("%d of %d steps of the pipeline failed, because of step %d: %v", n, len(e.Errors), first, e.Errors[first])
}

// Unwrap gives the errors of the steps that failed.
func (e *PipelineError) Unwrap() []error {
	var errs []error
	for _, err := range e.Errors {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}
