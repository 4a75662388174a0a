package smrt

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The conditions a caller may want to branch on, for errors.Is. The structs
// below carry the particulars, for errors.As. No error text contains a value
// that was sent to or read from the database; where PostgreSQL reported the
// error, its *pgconn.PgError stays reachable with errors.As.
var (
	// ErrNotFound means that no row matched. It also satisfies
	// errors.Is(err, pgx.ErrNoRows).
	ErrNotFound error = &wrapped{"not found", pgx.ErrNoRows}

	// ErrTooManyRows means that several rows matched where one was asked for.
	// It also satisfies errors.Is(err, pgx.ErrTooManyRows).
	ErrTooManyRows error = &wrapped{"more than one row matches", pgx.ErrTooManyRows}

	// ErrStale means that the row has changed since the entity was read: its
	// version column no longer holds the entity's version. See [StaleError].
	ErrStale = errors.New("the row was changed since it was read")

	// ErrUnboundedWrite means that an update or delete would touch every row.
	ErrUnboundedWrite = errors.New("the predicate matches every row: add a condition, or call Unbounded on the query if that is meant")

	// ErrReadOnly means a write to something declared as read-only, in a
	// read-only transaction, or on a standby.
	ErrReadOnly = errors.New("read-only")

	// ErrNoKey means that the operation needs a key and the table was declared
	// without one.
	ErrNoKey = errors.New("declared without a key")

	// ErrNilContext means that a nil context was given.
	ErrNilContext = errors.New("nil context: pass context.Background() if there is none")

	// ErrNilEntity means that a nil entity pointer was given.
	ErrNilEntity = errors.New("nil entity")

	// ErrZeroKey means that a key with its zero value was given where a row's
	// key is needed. See [ValueError].
	ErrZeroKey = errors.New("zero key")

	// ErrInvalidText means text that PostgreSQL cannot store: it contains a NUL
	// byte or is not UTF-8. See [ValueError].
	ErrInvalidText = errors.New("invalid text")

	// ErrInvalidJSON means a JSON document that PostgreSQL cannot store. See
	// [ValueError].
	ErrInvalidJSON = errors.New("invalid JSON")

	// ErrOutOfRange means a value that its column, or the Go field it is read
	// into, cannot hold. See [ValueError].
	ErrOutOfRange = errors.New("value out of range")

	// ErrNullValue means that a NULL was read into a field that cannot hold
	// one. See [ValueError].
	ErrNullValue = errors.New("NULL in a field that cannot hold it: make the field a pointer")

	// ErrDuplicateInBatch means that two rows of one call have the same key.
	// See [DuplicateError].
	ErrDuplicateInBatch = errors.New("the same key twice in one call")

	// ErrBadQuery means a query that cannot be run as it was built. See
	// [QueryError].
	ErrBadQuery = errors.New("bad query")

	// ErrBadPage means a page size or offset outside its range. See
	// [PageError].
	ErrBadPage = errors.New("bad page")

	// ErrBadCursor means a cursor that does not belong to the query it was
	// used with, or was changed on its way. See [CursorError].
	ErrBadCursor = errors.New("bad cursor")

	// ErrConflict means a unique or exclusion constraint was violated. See
	// [ConstraintError].
	ErrConflict = errors.New("conflict with an existing row")

	// ErrForeignKey means a foreign key was violated. See [ConstraintError].
	ErrForeignKey = errors.New("foreign key violated")

	// ErrNotNull means a NOT NULL constraint was violated. See
	// [ConstraintError].
	ErrNotNull = errors.New("NULL in a column that requires a value")

	// ErrCheck means a CHECK constraint was violated. See [ConstraintError].
	ErrCheck = errors.New("check constraint violated")
)

// The conditions of transactions; see package txn.
var (
	// ErrCommitUnknown means that COMMIT was sent and no answer came: the
	// transaction may have been committed or not. See [CommitUnknownError].
	ErrCommitUnknown = errors.New("the outcome of the commit is unknown")

	// ErrAlreadyApplied means that a transaction with the same idempotency key
	// was committed before. The closure was not run, or its effects were undone.
	ErrAlreadyApplied = errors.New("a transaction with this key was already applied")

	// ErrRetriesExhausted means that a transaction kept failing for reasons
	// that usually pass. See [RetryError].
	ErrRetriesExhausted = errors.New("retries exhausted")

	// ErrTxBypass means that a handle was used beside the transaction that is
	// open on it.
	ErrTxBypass = errors.New("the handle was used beside the transaction of this context: use the transaction (With(tx), WithTx(tx)), or a context from txn.Detach if that is meant")

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

// wrapped is a sentinel that also answers to the driver's own sentinel.
type wrapped struct {
	text string
	err  error
}

func (w *wrapped) Error() string { return w.text }
func (w *wrapped) Unwrap() error { return w.err }

// Kind tells which sort of constraint a [ConstraintError] reports.
type Kind uint8

// The kinds of constraint PostgreSQL has.
const (
	Unique Kind = iota + 1
	Exclusion
	ForeignKey
	NotNull
	Check
)

// String returns the kind in SQL's words.
func (k Kind) String() string {
	switch k {
	case Unique:
		return "unique"
	case Exclusion:
		return "exclusion"
	case ForeignKey:
		return "foreign key"
	case NotNull:
		return "not null"
	case Check:
		return "check"
	}
	return "unknown"
}

// Direction tells which side of a foreign key a statement violated.
type Direction uint8

const (
	// MissingParent means that the row refers to a row that does not exist.
	MissingParent Direction = iota + 1
	// StillReferenced means that other rows refer to the row that was to be deleted, or
	// whose key was to be changed.
	StillReferenced
)

// String describes the direction.
func (d Direction) String() string {
	switch d {
	case MissingParent:
		return "the referenced row does not exist"
	case StillReferenced:
		return "the row is still referenced"
	}
	return "unknown direction"
}

// ConstraintError reports a violated constraint. errors.Is tells its kind
// (ErrConflict, ErrForeignKey, ErrNotNull, ErrCheck); the *pgconn.PgError it
// came from is reachable with errors.As.
type ConstraintError struct {
	Kind       Kind
	Table      string    // table the constraint belongs to, without schema
	Constraint string    // name of the constraint; empty for NotNull
	Columns    []string  // columns of the constraint; nil when they could not be looked up
	Direction  Direction // for ForeignKey
	Err        *pgconn.PgError
}

// Error names the constraint and never a value.
func (e *ConstraintError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s constraint", e.Kind)
	if e.Constraint != "" {
		fmt.Fprintf(&b, " %q", e.Constraint)
	}
	fmt.Fprintf(&b, " of table %q violated", e.Table)
	if len(e.Columns) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(e.Columns, ", "))
	}
	if e.Direction != 0 {
		fmt.Fprintf(&b, ": %s", e.Direction)
	}
	return b.String()
}

// Unwrap gives the sentinel of the kind and PostgreSQL's error.
func (e *ConstraintError) Unwrap() []error {
	sentinel := map[Kind]error{
		Unique: ErrConflict, Exclusion: ErrConflict,
		ForeignKey: ErrForeignKey, NotNull: ErrNotNull, Check: ErrCheck,
	}[e.Kind]
	if e.Err == nil {
		return []error{sentinel}
	}
	return []error{sentinel, e.Err}
}

// ValueError reports a value that was refused, before it was sent wherever
// that is possible. errors.Is tells why: ErrInvalidText, ErrInvalidJSON,
// ErrOutOfRange, ErrNullValue, ErrZeroKey or ErrNilEntity.
type ValueError struct {
	Table  string
	Column string // empty when the value belongs to no column
	Row    int    // index in the slice of a bulk call, -1 elsewhere
	Min    string // allowed range, for ErrOutOfRange; empty when unknown
	Max    string
	Offset int    // byte offset of the fault in text or JSON, -1 when unknown
	Reason string // one sentence more, may be empty
	Err    error  // the sentinel
	Cause  error  // what pgx or PostgreSQL reported, may be nil; not part of the text
}

// Error says what was wrong with which column of which row.
func (e *ValueError) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	if e.Column != "" {
		fmt.Fprintf(&b, ": column %q", e.Column)
		if e.Table != "" {
			fmt.Fprintf(&b, " of %q", e.Table)
		}
	} else if e.Table != "" {
		fmt.Fprintf(&b, ": table %q", e.Table)
	}
	if e.Row >= 0 {
		fmt.Fprintf(&b, ", row %d of the call", e.Row)
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, ", at byte %d", e.Offset)
	}
	if e.Min != "" || e.Max != "" {
		fmt.Fprintf(&b, ", allowed %s to %s", e.Min, e.Max)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, ": %s", e.Reason)
	}
	return b.String()
}

// Unwrap gives the sentinel and the cause.
func (e *ValueError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Cause}
}

// StaleError reports an optimistic-lock failure. errors.Is(err, ErrStale).
type StaleError struct {
	Table string
	Have  int64 // version of the entity in hand
}

// Error names the table.
func (e *StaleError) Error() string {
	return fmt.Sprintf("%v: table %q: read it again and repeat the change", ErrStale, e.Table)
}

// Unwrap gives ErrStale.
func (e *StaleError) Unwrap() error { return ErrStale }

// IncompleteError reports the rows of a bulk update that were not written
// because they do not exist, or are stale where the table has a version
// column; the others were written. errors.Is tells which: ErrNotFound or
// ErrStale. Run the call in a transaction and return the error to undo the
// rest.
type IncompleteError struct {
	Table string
	Rows  []int // indexes in the slice given, ascending
	Err   error // ErrNotFound or ErrStale
}

// Error says how many rows were left out.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%d rows of the call not written to %q, the first is row %d: %v", len(e.Rows), e.Table, e.Rows[0], e.Err)
}

// Unwrap gives the sentinel.
func (e *IncompleteError) Unwrap() error { return e.Err }

// DuplicateError reports rows of one call that have the same key.
// errors.Is(err, ErrDuplicateInBatch).
type DuplicateError struct {
	Table string
	Rows  [2]int // indexes of the first two rows with the same key
}

// Error names the two rows.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%v: table %q, rows %d and %d", ErrDuplicateInBatch, e.Table, e.Rows[0], e.Rows[1])
}

// Unwrap gives ErrDuplicateInBatch.
func (e *DuplicateError) Unwrap() error { return ErrDuplicateInBatch }

// QueryError reports a query that cannot be run as it was built.
// errors.Is(err, ErrBadQuery).
type QueryError struct {
	Reason string // what is wrong, where, and what to do instead
}

// Error gives the reason.
func (e *QueryError) Error() string { return "bad query: " + e.Reason }

// Unwrap gives ErrBadQuery.
func (e *QueryError) Unwrap() error { return ErrBadQuery }

// PageError reports a page size or offset outside its range.
// errors.Is(err, ErrBadPage).
type PageError struct {
	What     string // "size" or "number"
	Min, Max int
}

// Error gives the allowed range.
func (e *PageError) Error() string {
	return fmt.Sprintf("bad page: %s must be between %d and %d", e.What, e.Min, e.Max)
}

// Unwrap gives ErrBadPage.
func (e *PageError) Unwrap() error { return ErrBadPage }

// CursorError reports a cursor that cannot be used. errors.Is(err,
// ErrBadCursor). The right answer to a user who sent it is the first page.
type CursorError struct {
	Reason string // "malformed", "tampered", "other query" or "other order"
}

// Error gives the reason.
func (e *CursorError) Error() string {
	return "bad cursor: " + e.Reason + ": start again from the first page"
}

// Unwrap gives ErrBadCursor.
func (e *CursorError) Unwrap() error { return ErrBadCursor }

// CommitUnknownError reports a commit whose outcome is not known: COMMIT was
// sent, and the connection was lost before its answer. errors.Is(err,
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
// reasons that usually pass. Nothing of it was applied. errors.Is tells
// ErrRetriesExhausted.
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

// AbortedError reports a transaction that goes on after an error which only its
// end can mend: the error was not returned. errors.Is(err, ErrTxAborted), and
// the first error is what errors.Is and errors.As find too.
type AbortedError struct{ Err error }

// Error says what to do.
func (e *AbortedError) Error() string {
	return fmt.Sprintf("%v: return it, or run what may fail in a savepoint: %v", ErrTxAborted, e.Err)
}

// Unwrap gives the sentinel and the first error.
func (e *AbortedError) Unwrap() []error { return []error{ErrTxAborted, e.Err} }

// OptionsError reports an option of a transaction that cannot be used.
// errors.Is(err, ErrBadOptions).
type OptionsError struct {
	Option string // name of the field
	Reason string // what is wrong, the allowed range, what to do instead
}

// Error names the option.
func (e *OptionsError) Error() string {
	return fmt.Sprintf("%v: %s %s", ErrBadOptions, e.Option, e.Reason)
}

// Unwrap gives ErrBadOptions.
func (e *OptionsError) Unwrap() error { return ErrBadOptions }

// PipelineError reports the steps of a pipeline that failed.
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
