package smrt

import (
	"errors"
	"fmt"
	"strings"
)

// ErrRule means that a value breaks a rule that was declared beside its table
// with query.Rules. Nothing was sent. See [RuleError].
var ErrRule = errors.New("a value breaks a rule of its table")

// RuleError reports the values of a call, or of a unit, that break rules of their
// tables. Nothing was sent. errors.Is(err, ErrRule). An API answers it with status
// 422: the values came from outside, and each [Violation] names its place.
type RuleError struct {
	Violations []Violation // of the first 100 rows that break a rule, in the order of the rows and of the declarations
	Total      int         // violations in all
	Rows       int         // rows that break a rule, in all
}

// Violation is a rule that a row breaks. It has no value of the row.
type Violation struct {
	Row     int      // index in the slice that was given, 0 elsewhere; of a unit the order in which the write was added
	Table   string   // as declared
	Columns []string // that the rule is about: one, or those that query.RuleFunc names, which may be none

	// Rule is "required", "not_blank", "at_least", "at_most", "min_length",
	// "max_length", "matches" or "one_of", or the name that was given to
	// query.RuleFunc.
	Rule string

	// Limit is what the declaration says: a number, a time of RFC 3339, a number of
	// characters, a regular expression, or values with ", " between them. It is
	// empty for other rules.
	Limit string
}

// String returns what the value must be, in English and without its place, such as
// "must be at least 0".
func (v Violation) String() string {
	switch v.Rule {
	case "required":
		return "must be given"
	case "not_blank":
		return "must not be blank"
	case "at_least", "at_most":
		return "must be " + strings.ReplaceAll(v.Rule, "_", " ") + " " + v.Limit
	case "min_length", "max_length":
		bound := map[string]string{"min_length": "at least", "max_length": "at most"}[v.Rule]
		unit := " characters"
		if v.Limit == "1" {
			unit = " character"
		}
		return "must have " + bound + " " + v.Limit + unit
	case "matches":
		return "must match " + v.Limit
	case "one_of":
		return "must be one of " + v.Limit
	}
	return "must satisfy " + v.Rule
}

// Error names the first violation, and says how many there are.
func (e *RuleError) Error() string {
	var b strings.Builder
	b.WriteString(ErrRule.Error())
	if len(e.Violations) > 0 {
		v := e.Violations[0]
		switch len(v.Columns) {
		case 0:
			fmt.Fprintf(&b, ": table %q", v.Table)
		case 1:
			fmt.Fprintf(&b, ": column %q of %q", v.Columns[0], v.Table)
		default:
			fmt.Fprintf(&b, ": columns %s of %q", strings.Join(v.Columns, ", "), v.Table)
		}
		fmt.Fprintf(&b, ", row %d: %v", v.Row, v)
	}
	if e.Total > 1 {
		fmt.Fprintf(&b, " (the first of %d, in %d rows)", e.Total, e.Rows)
	}
	return b.String()
}

// Unwrap gives ErrRule.
func (e *RuleError) Unwrap() error { return ErrRule }
