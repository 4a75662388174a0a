// Package analysis finds what makes a database and its statements slow. It knows no
// declarations: package analyze, its face, says which columns relations follow.
//
// The checks of the catalog are decided by one answer of it:
//
//   - foreign keys, indexes, sequences, types and constraints (catalog.go)
//   - tables and what keeps VACUUM from its work (table.go)
//
// Statements are planned by the server (statement.go), and what it says is looked at
// (plan.go, values.go). The only SQL that is read is what plans consist of, which the
// server writes in one way (condition.go).
//
// What a plan says depends on statistics, which are estimates. So a check of plans asks for
// what is far from any limit: a thousandth of the rows and not a half, ten times the rows
// and not twice. It is about tables that are large enough to matter, and is silent about
// those whose statistics are old.
//
// A check looks at one thing and adds what it finds. Ids and levels are documented in
// package analyze, what they mean to a user in docs/guides/tuning.md.
package analysis

import (
	"fmt"
	"slices"
	"time"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/verify"
)

// Finding is one thing that was found by one check.
type Finding struct {
	ID       string
	Level    verify.Level
	Object   string // what it is about
	Evidence string // what was seen
	Follows  string // what comes of it
	SQL      string // statements that end it, with "; " between them; "" for none
	Go       string // what to change in the program; "" for nothing
	Site     string // file:line of what it is about in the program; "" where that is not known
	Table    uint32 // that it is about; 0 for none
	Plan     string // the shape of the plan that shows it
	Before   string // the shape of the plan that was recorded

	wanted  wanted   // the indexes that would help
	index   index    // the one of them that is advised
	asks    *asked   // the statement that it is about
	columns []string // of the foreign key that it is about, as SQL
}

// Limits are from where on something is a finding. Package analyze has their defaults.
type Limits struct {
	UnusedFor time.Duration // that an index must be without use
	OpenFor   time.Duration // that a transaction may be open while others write
	Pages     int64         // that a table must have for reading all of it to matter
}

// Analysis is what is known of a database and what was found in it.
type Analysis struct {
	*catalog.Health
	Limits   Limits
	Standbys []catalog.Querier
	Execute  bool // statements are run too

	Found     []Finding
	Unseen    []string // what could not be looked at, and what would show it
	Unplanned []Unplanned
	Plans     []Planned // in the order of the statements
	Asked     []*asked  // the same
	Advised   []Advised // indexes, in the order of their tables

	columns  map[columnKey]catalog.Statistics
	followed map[string]bool // ends of relations, as endOf writes them
}

// Follow notes that loads look for rows by columns of a table, in whatever order.
func (a *Analysis) Follow(s *catalog.Store, columns []string) {
	if a.followed == nil {
		a.followed = map[string]bool{}
	}
	a.followed[endOf(s, columns)] = true
}

// follows reports whether loads look for rows by these columns.
func (a *Analysis) follows(s *catalog.Store, columns []string) bool {
	return a.followed[endOf(s, columns)]
}

// endOf writes columns of a table as one text, the same in whatever order they are.
func endOf(s *catalog.Store, columns []string) string {
	columns = slices.Clone(columns)
	slices.Sort(columns)
	return fmt.Sprintf("%d %q", s.OID, columns)
}

// add adds a finding.
func (a *Analysis) add(f Finding) { a.Found = append(a.Found, f) }

// unseen notes what could not be looked at, once.
func (a *Analysis) unseen(what string) {
	if !slices.Contains(a.Unseen, what) {
		a.Unseen = append(a.Unseen, what)
	}
}
