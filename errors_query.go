package smrt

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
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

	// ErrDuplicateInBatch means that two rows of one call have the same key.
	// See [DuplicateError].
	ErrDuplicateInBatch = errors.New("the same key twice in one call")

	// ErrQueryCanceled means that the server gave up a statement because the
	// context of the call had ended. The error of the context is matched too.
	ErrQueryCanceled = errors.New("the statement was cancelled")

	// ErrLeftOut means that the database left out rows that were to be created,
	// as a trigger that returns NULL does. See [LeftOutError].
	ErrLeftOut = errors.New("the database left out a row")

	// ErrBadQuery means a query that cannot be run as it was built. See
	// [QueryError].
	ErrBadQuery = errors.New("bad query")

	// ErrBadPage means a page size or offset outside its range. See
	// [PageError].
	ErrBadPage = errors.New("bad page")

	// ErrBadCursor means a cursor that does not belong to the query it was
	// used with, or was changed on its way. See [CursorError].
	ErrBadCursor = errors.New("bad cursor")
)

// wrapped is a sentinel that errors.Is also takes for another one.
type wrapped struct {
	text string
	err  error
}

func (w *wrapped) Error() string { return w.text }
func (w *wrapped) Unwrap() error { return w.err }

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
// rest. CreateMany on a table declared with query.MayLeaveOut returns it for the
// rows that were left out: ErrLeftOut.
type IncompleteError struct {
	Table string
	Rows  []int // indexes in the slice given, ascending
	Err   error // ErrNotFound, ErrStale or ErrLeftOut
}

// Error says how many rows were left out.
func (e *IncompleteError) Error() string {
	return fmt.Sprintf("%d rows of the call not written to %q, the first is row %d: %v", len(e.Rows), e.Table, e.Rows[0], e.Err)
}

// Unwrap gives the sentinel.
func (e *IncompleteError) Unwrap() error { return e.Err }

// LeftOutError reports that the database left out rows that were to be created.
// A trigger can do that, a rule, or a view. Nothing of the call is written, unless
// Written says otherwise: then the reason was not in the catalog when the call
// began, or is a rule. A table declared with query.MayLeaveOut lets it be.
// errors.Is(err, ErrLeftOut).
type LeftOutError struct {
	Table   string
	Sent    int   // rows of the statement
	Written int   // rows that it wrote; -1 if that is not known
	Err     error // what PostgreSQL reported, if it refused; else nil
}

// Error says how many rows there were.
func (e *LeftOutError) Error() string {
	what := "nothing was written"
	if e.Err == nil {
		what = fmt.Sprintf("%d were written", e.Written)
		if e.Written < 0 {
			what = "they came back under other keys"
		}
	}
	return fmt.Sprintf("%v: of %d rows for %q %s: look for triggers and rules, and declare the table with MayLeaveOut if it is meant",
		ErrLeftOut, e.Sent, e.Table, what)
}

// Unwrap gives ErrLeftOut, and PostgreSQL's error if there is one.
func (e *LeftOutError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrLeftOut}
	}
	return []error{ErrLeftOut, e.Err}
}

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
// ErrBadCursor). Show the first page to a user who sent it.
type CursorError struct {
	Reason string // "malformed", "tampered", "other query" or "other order"
}

// Error gives the reason.
func (e *CursorError) Error() string {
	return "bad cursor: " + e.Reason + ": start again from the first page"
}

// Unwrap gives ErrBadCursor.
func (e *CursorError) Unwrap() error { return ErrBadCursor }
