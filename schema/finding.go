package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/smrt-go/smrt/internal/verify"
)

// Level says how much a finding matters.
type Level int8

// The levels, in rising order.
const (
	Note    Level = iota // nothing follows now
	Warning              // wrong or slow under load, later, or for some rows
	Fault                // a call fails or does something else than declared
)

// String returns "note", "warning" or "fault".
func (l Level) String() string {
	switch l {
	case Note:
		return "note"
	case Warning:
		return "warning"
	case Fault:
		return "fault"
	}
	return fmt.Sprintf("level %d", l)
}

// MarshalText returns what String returns.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText sets the level to that of a text that MarshalText has returned.
func (l *Level) UnmarshalText(text []byte) error {
	for _, level := range []Level{Note, Warning, Fault} {
		if level.String() == string(text) {
			*l = level
			return nil
		}
	}
	return fmt.Errorf("smrt: schema: %q is no level: note, warning and fault are", text)
}

// Check is what was compared.
type Check string

// The checks.
const (
	CheckTable      Check = verify.CheckTable      // it exists, is of the declared kind, and the role may use it
	CheckColumn     Check = verify.CheckColumn     // it exists
	CheckType       Check = verify.CheckType       // the field holds the values of the column, and the column those of the field
	CheckNull       Check = verify.CheckNull       // the field can hold NULL if the column can
	CheckKey        Check = verify.CheckKey        // a unique index is on the columns of the key, and somebody makes its values
	CheckDefault    Check = verify.CheckDefault    // columns that are Computed or have a Default are so in the database, and others are not
	CheckSoftDelete Check = verify.CheckSoftDelete // unique indexes do not count rows that are deleted softly
	CheckForeignKey Check = verify.CheckForeignKey // a relation has a foreign key, of one type at both ends
	CheckIndex      Check = verify.CheckIndex      // relations and pages have their indexes, and none is incomplete
	CheckConflict   Check = verify.CheckConflict   // the server knows an index for a declared conflict
	CheckEnum       Check = verify.CheckEnum       // each label of an enum is valid in the program
	CheckRule       Check = verify.CheckRule       // rules for values ask what the database asks
	CheckServer     Check = verify.CheckServer     // nothing in the database changes or hides rows, unless declared
	CheckQuery      Check = "query"                // the server accepts the text of a query
	CheckContract   Check = "contract"             // what a contract needs is there
)

// Finding is a difference between a declaration and the database.
type Finding struct {
	Check  Check
	Level  Level
	Site   string // "folder/file.go:line" of the declaration
	Table  string // as declared
	Column string // "" for none, or for several

	Problem string // what the database has, and what follows; its subject is the table or column
	SQL     string // what ends the finding: statements, with "; " between them; "" where the program is what should change
	Go      string // what to change in the program instead; "" where only the database can
}

// String returns the finding in one line.
func (f Finding) String() string {
	var b strings.Builder
	if f.Site != "" {
		b.WriteString(f.Site + ": ")
	}
	fmt.Fprintf(&b, "%s: %s: %s", f.Level, f.Check, f.Table)
	if f.Column != "" {
		b.WriteString("." + f.Column)
	}
	b.WriteString(" " + f.Problem)
	if f.SQL != "" {
		b.WriteString("; in the database: " + f.SQL)
	}
	if f.Go != "" {
		b.WriteString("; in the program: " + f.Go)
	}
	return b.String()
}

// Findings are what Verify found: in the order of the declarations, of the checks of
// one table, and of its columns.
type Findings []Finding

// AtLeast returns the findings of a level and above.
func (fs Findings) AtLeast(l Level) Findings {
	var found Findings
	for _, f := range fs {
		if f.Level >= l {
			found = append(found, f)
		}
	}
	return found
}

// Err returns an error that wraps [ErrMismatch] and lists the faults, nil if there
// are none.
func (fs Findings) Err() error {
	faults := fs.AtLeast(Fault)
	if len(faults) == 0 {
		return nil
	}
	return &MismatchError{faults}
}

// ErrMismatch is the error of declarations that do not hold in a database.
var ErrMismatch = errors.New("smrt: the database is not as declared")

// MismatchError has the findings that make it one.
type MismatchError struct{ Findings Findings }

// Error lists the findings, one a line.
func (e *MismatchError) Error() string {
	var b strings.Builder
	b.WriteString(ErrMismatch.Error())
	for _, f := range e.Findings {
		b.WriteString("\n\t" + f.String())
	}
	return b.String()
}

// Unwrap returns [ErrMismatch].
func (e *MismatchError) Unwrap() error { return ErrMismatch }
