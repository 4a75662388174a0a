package smrt

import (
	"errors"
	"fmt"
)

// ErrRowSecurity means that PostgreSQL's row security refused a statement, or that it
// would not hold the role of a handle that relies on it. See [RowSecurityError].
var ErrRowSecurity = errors.New("row security")

// RowSecurityError reports what the policies of a table refused, or why policies would
// not hold. It has no value of the row. errors.Is(err, ErrRowSecurity).
type RowSecurityError struct {
	Table  string // that a repository or a unit wrote to; empty where it is not known
	Role   string // that policies do not hold; else empty
	Reason string // what is wrong, and what to do
	Err    error  // of the server, a *pgconn.PgError; nil: nothing was sent
}

// Error says what was refused, or which role is not held.
func (e *RowSecurityError) Error() string {
	text := ErrRowSecurity.Error()
	if e.Role != "" {
		text += fmt.Sprintf(" does not hold role %q", e.Role)
	} else if e.Table != "" {
		text += fmt.Sprintf(" of table %q", e.Table)
	}
	return text + ": " + e.Reason
}

// Unwrap gives ErrRowSecurity and the error of the server.
func (e *RowSecurityError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrRowSecurity}
	}
	return []error{ErrRowSecurity, e.Err}
}
