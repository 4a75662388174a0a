package smrt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The conditions of values and of constraints.
var (
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

	// ErrNoPartition means that there is no partition for a row. See
	// [ConstraintError].
	ErrNoPartition = errors.New("no partition for the row")

	// ErrZeroKey means that a key with its zero value was given where a row's
	// key is needed. See [ValueError].
	ErrZeroKey = errors.New("zero key")

	// ErrGenerated means that a value was given for a column that is GENERATED
	// ALWAYS by the database. See [ValueError].
	ErrGenerated = errors.New("the database generates the column's values")

	// ErrNilEntity means that a nil entity pointer was given.
	ErrNilEntity = errors.New("nil entity")

	// ErrInvalidText means text that PostgreSQL cannot store: it contains a NUL
	// byte, is not UTF-8, or has a character that the encoding of the database does
	// not have. See [ValueError].
	ErrInvalidText = errors.New("invalid text")

	// ErrInvalidJSON means a JSON document that PostgreSQL cannot store. See
	// [ValueError].
	ErrInvalidJSON = errors.New("invalid JSON")

	// ErrOutOfRange means a value that its column, or the Go field it is read
	// into, cannot hold. See [ValueError].
	ErrOutOfRange = errors.New("value out of range")

	// ErrWrongType means a value that is not of its column's type, such as a text
	// that is no label of an enum, or a column whose type the Go field it is read
	// into does not take. See [ValueError].
	ErrWrongType = errors.New("value of the wrong type")

	// ErrNullValue means that a NULL was read into a field that cannot hold
	// one. See [ValueError].
	ErrNullValue = errors.New("NULL in a field that cannot hold it: make the field a pointer")
)

// ConstraintKind is the kind of constraint that a [ConstraintError] reports.
type ConstraintKind uint8

// The kinds of constraint that PostgreSQL has.
const (
	UniqueViolation ConstraintKind = iota + 1
	ExclusionViolation
	ForeignKeyViolation
	NotNullViolation
	CheckViolation
	PartitionViolation // no constraint, but its SQLSTATE is that of a check
)

// String returns the kind in SQL's words.
func (k ConstraintKind) String() string {
	switch k {
	case UniqueViolation:
		return "unique"
	case ExclusionViolation:
		return "exclusion"
	case ForeignKeyViolation:
		return "foreign key"
	case NotNullViolation:
		return "not null"
	case CheckViolation:
		return "check"
	case PartitionViolation:
		return "partition"
	}
	return "unknown"
}

// Direction is the side of a foreign key that a statement violated. The zero
// Direction means that this is not known.
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

// ConstraintError reports a violated constraint. errors.Is finds the sentinel of
// its kind: ErrConflict, ErrForeignKey, ErrNotNull, ErrCheck or ErrNoPartition.
// errors.As finds the *pgconn.PgError that it came from.
type ConstraintError struct {
	Kind       ConstraintKind
	Table      string          // table the constraint belongs to, without schema; empty if the server did not say
	Constraint string          // name of the constraint; empty for NotNullViolation
	Columns    []string        // columns of the constraint; nil when they could not be looked up
	Rows       []int           // indexes in the slice of a bulk call; nil when they are not known
	Direction  Direction       // for ForeignKeyViolation
	Err        *pgconn.PgError // what PostgreSQL reported; its own texts contain values
}

// Error names the constraint and never a value.
func (e *ConstraintError) Error() string {
	var b strings.Builder
	if e.Kind == PartitionViolation {
		return fmt.Sprintf("%v: table %q", ErrNoPartition, e.Table)
	}
	fmt.Fprintf(&b, "%s constraint", e.Kind)
	if e.Constraint != "" {
		fmt.Fprintf(&b, " %q", e.Constraint)
	}
	if e.Table != "" {
		fmt.Fprintf(&b, " of table %q", e.Table)
	}
	b.WriteString(" violated")
	if len(e.Columns) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(e.Columns, ", "))
	}
	if len(e.Rows) > 0 {
		fmt.Fprintf(&b, " by row %d of the call", e.Rows[len(e.Rows)-1])
	}
	if e.Direction != 0 {
		fmt.Fprintf(&b, ": %s", e.Direction)
	}
	return b.String()
}

// Unwrap gives the sentinel of the kind and PostgreSQL's error.
func (e *ConstraintError) Unwrap() []error {
	sentinel := map[ConstraintKind]error{
		UniqueViolation: ErrConflict, ExclusionViolation: ErrConflict,
		ForeignKeyViolation: ErrForeignKey, NotNullViolation: ErrNotNull, CheckViolation: ErrCheck,
		PartitionViolation: ErrNoPartition,
	}[e.Kind]
	if e.Err == nil {
		return []error{sentinel}
	}
	return []error{sentinel, e.Err}
}

// ValueError reports a value that was refused, before it was sent wherever
// that is possible. errors.Is finds the reason: ErrInvalidText, ErrInvalidJSON,
// ErrOutOfRange, ErrWrongType, ErrNullValue, ErrZeroKey, ErrGenerated or
// ErrNilEntity.
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
