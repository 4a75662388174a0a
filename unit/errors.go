package unit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// RowError reports the write that the unit failed at. Nothing of the unit was
// written. errors.Is and errors.As find the cause: smrt.ErrStale and
// *smrt.StaleError, smrt.ErrNotFound, smrt.ErrConflict, smrt.ErrCheck, ...
type RowError struct {
	Op     string // "create", "update", "patch", "delete", "update where" or "delete where"
	Table  string
	Index  int // in the order in which writes and functions were added, from 0; -1 if a search for it found nothing wrong
	Entity any // pointer to the entity; nil for writes without one, and of calls that were refused
	Key    any // key of the row; nil if the database was to make it, and of a set of rows
	Err    error
}

// Error names the write, and never a value.
func (e *RowError) Error() string {
	if e.Index < 0 {
		return fmt.Sprintf("unit: a %s of %s: %v", e.Op, e.Table, e.Err)
	}
	return fmt.Sprintf("unit: write %d (%s %s): %v", e.Index, e.Op, e.Table, e.Err)
}

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// CycleError reports rows that each need another one to be there first, in a
// ring of foreign keys that are neither deferrable nor may be NULL. For deletes
// it names the tables, and is part of a [RowError] with the constraint that the
// server objected to. It also satisfies errors.Is(err, smrt.ErrBadQuery).
type CycleError struct {
	Tables      []string // along the ring
	Constraints []string // from each table to the next, and from the last to the first; empty where there is none
}

// Error names the ring and what would open it.
func (e *CycleError) Error() string {
	var b strings.Builder
	b.WriteString("rows refer to each other in a ring: ")
	for i, t := range e.Tables {
		fmt.Fprintf(&b, "%s -(%s)-> ", t, e.Constraints[i])
	}
	b.WriteString(e.Tables[0])
	b.WriteString(": make one of these foreign keys DEFERRABLE, or its columns nullable")
	return b.String()
}

// Unwrap returns smrt.ErrBadQuery.
func (e *CycleError) Unwrap() error { return smrt.ErrBadQuery }

// CommittedError reports that the unit was written, but that what came back
// could not be read into the entities, which are as before. Mostly a
// declaration does not fit the table; for instance, a field cannot hold NULL.
type CommittedError struct{ Err error }

// Error says that the rows are there.
func (e *CommittedError) Error() string {
	return "the unit was committed, but what the database decided could not be read back: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *CommittedError) Unwrap() error { return e.Err }

// unsent is an error of a batch of which COMMIT was not sent.
type unsent struct{ error }

func (u *unsent) Unwrap() error { return u.error }

// SafeToRetry tells txn that nothing can have been committed.
func (u *unsent) SafeToRetry() bool { return true }

// mayBeSent leaves out the errors that occur before COMMIT can be sent: a
// statement that cannot be prepared, an argument that cannot be encoded.
func mayBeSent(err error) error {
	var batch pgx.ErrPreprocessingBatch
	if err == nil || !errors.As(err, &batch) && !pgerr.IsEncode(err) {
		return err
	}
	return &unsent{err}
}
