package analyze

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/schema"
)

// Finding is something in a database or in the plan of a statement that costs more than
// it has to, or will.
type Finding struct {
	ID       string       `json:"id"` // of the check, as C1; see the package's documentation
	Level    schema.Level `json:"level"`
	Object   string       `json:"object"`           // what it is about: "public.orders (customer_id)", or the name of a statement
	Evidence string       `json:"evidence"`         // what was seen
	Follows  string       `json:"follows"`          // what comes of it
	SQL      string       `json:"sql,omitempty"`    // statements that end it, with "; " between them; "" where there are none
	Go       string       `json:"go,omitempty"`     // what to change in the program; "" where only the database can
	Site     string       `json:"site,omitempty"`   // file:line of the statement, or of the declared table; "" where that is not known
	Plan     string       `json:"plan,omitempty"`   // the shape of the plan that shows it
	Before   string       `json:"before,omitempty"` // the shape of the plan that was recorded
}

// Name returns what the check of the finding is called.
func (f Finding) Name() string { return nameOf(f.ID) }

// nameOf returns the name of a check, "" for one that there is not.
func nameOf(id string) string {
	switch id {
	case "C1":
		return "foreign key without index"
	case "C2":
		return "unused index"
	case "C3":
		return "covered index"
	case "C4":
		return "invalid index"
	case "C5":
		return "numbers run out"
	case "C6":
		return "unique among deleted rows"
	case "C7":
		return "table in bad condition"
	case "C8":
		return "doubtful type"
	case "C9":
		return "hole in row security"
	case "C10":
		return "constraint not validated"
	case "B1":
		return "index not used any more"
	case "B2":
		return "full scan that was none"
	case "B3":
		return "ten times the cost"
	case "R1":
		return "statement in a loop"
	case "R2":
		return "values in texts"
	case "R3":
		return "rows not read"
	case "R4":
		return "wide column"
	case "R5":
		return "idle transaction"
	case "R6":
		return "request with many statements"
	case "R7":
		return "prepared too often"
	case "R8":
		return "conflicts"
	case "P1":
		return "full scan"
	case "P2":
		return "sort below a limit"
	case "P3":
		return "index cannot be used"
	case "P4":
		return "deep offset"
	case "P5":
		return "wrong estimate"
	case "P6":
		return "plan for other values"
	case "P7":
		return "table read in a loop"
	case "P8":
		return "spills to disk"
	case "P9":
		return "compiled for too little"
	case "P10":
		return "all partitions"
	}
	return ""
}

// String returns the finding in several lines, without one at the end.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s: %s", f.Level, f.ID, f.Name(), f.Object)
	for _, line := range []string{f.Evidence, f.Follows} {
		if line != "" {
			b.WriteString("\n    " + line)
		}
	}
	for _, part := range []struct{ title, text string }{
		{"plan that was recorded", f.Before}, {"plan", f.Plan}, {"in the database", f.SQL}, {"in the program", f.Go}, {"at", f.Site},
	} {
		if part.text == "" {
			continue
		}
		b.WriteString("\n    " + part.title + ":")
		if lines := strings.Split(part.text, "\n"); len(lines) > 1 || part.text == f.Plan {
			b.WriteString("\n        " + strings.Join(lines, "\n        "))
			continue
		}
		b.WriteString(" " + part.text)
	}
	return b.String()
}

// compare orders findings by the letter and the number of their checks, and by object.
func (f Finding) compare(g Finding) int {
	return cmp.Or(cmp.Compare(f.ID[:1], g.ID[:1]), cmp.Compare(numberOf(f.ID), numberOf(g.ID)),
		cmp.Compare(f.Object, g.Object), cmp.Compare(f.Evidence, g.Evidence))
}

func numberOf(id string) int {
	n, _ := strconv.Atoi(id[1:])
	return n
}

// Findings are in the order of their checks, and of their objects in each.
type Findings []Finding

// AtLeast returns the findings of a level and above.
func (fs Findings) AtLeast(l schema.Level) Findings {
	found := Findings{}
	for _, f := range fs {
		if f.Level >= l {
			found = append(found, f)
		}
	}
	return found
}

// Err returns an error that wraps [ErrFound] and lists the findings of level
// [schema.Warning] and above, nil if there are none.
func (fs Findings) Err() error {
	found := fs.AtLeast(schema.Warning)
	if len(found) == 0 {
		return nil
	}
	return &FoundError{found}
}

func (fs Findings) sort() { slices.SortFunc(fs, Finding.compare) }

// ErrFound is the error of a database or a workload with findings.
var ErrFound = errors.New("smrt: analyze: something should be changed")

// FoundError has the findings that make it one.
type FoundError struct{ Findings Findings }

// Error lists the findings.
func (e *FoundError) Error() string {
	var b strings.Builder
	b.WriteString(ErrFound.Error())
	for _, f := range e.Findings {
		b.WriteString("\n" + f.String())
	}
	return b.String()
}

// Unwrap returns [ErrFound].
func (e *FoundError) Unwrap() error { return ErrFound }
