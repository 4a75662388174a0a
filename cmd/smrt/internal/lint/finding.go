package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The rules.
const (
	Rewrite  = "L1"    // a table is written anew
	Scan     = "L2"    // a table is read under a lock that keeps writers out
	Build    = "L3"    // an index is built under such a lock
	Timeout  = "L4"    // a lock is waited for without an end
	Tables   = "L5"    // several tables are locked at once
	Rows     = "L6"    // rows are written under a lock
	Contract = "L7"    // a release that runs needs what is gone
	Repeat   = "L8"    // a migration that failed cannot be run again
	Catalog  = "L9"    // a column, key or enum that is regretted later
	Whole    = "L10"   // one statement changes all rows of a table
	Replaced = "L11"   // a name means another table or column
	Unseen   = "L12"   // a block does what is not seen here
	Together = "L13"   // a statement cannot be in a transaction, and is in one
	Declared = "L14"   // a declared table names what is not there in the end
	Allowing = "allow" // an annotation that allows nothing
	Slot     = "S1"    // a slot of a query cannot be filled
	Deleted  = "S2"    // a query with a slot shows deleted rows
	Order    = "S3"    // an order of a query does not end with the key
	Writes   = "S4"    // a query does not say what it writes
)

// names are the rules' names, by which people remember them.
var names = map[string]string{
	Rewrite: "rewrite", Scan: "scan under a lock", Build: "index under a lock", Timeout: "no lock timeout", Tables: "several tables locked",
	Rows: "rows under a lock", Contract: "needed by a release", Repeat: "not repeatable", Catalog: "catalog",
	Whole: "all rows at once", Replaced: "replaced", Unseen: "not seen", Together: "in a transaction", Declared: "needed by a declared table", Allowing: "allowance",
	Slot: "slot", Deleted: "deleted rows", Order: "order without key", Writes: "writes",
}

// Finding is one statement that breaks one rule.
type Finding struct {
	Rule      string `json:"rule"`
	Name      string `json:"name"` // the rule's, in words
	File      string `json:"file"`
	Line      int    `json:"line"`
	Statement string `json:"statement"`
	Table     string `json:"table,omitempty"`
	Lock      string `json:"lock,omitempty"`   // as PostgreSQL's manual calls it: ACCESS EXCLUSIVE
	Blocks    string `json:"blocks,omitempty"` // writes, or reads and writes
	Waits     string `json:"waits,omitempty"`  // for what the lock waits, while all it blocks wait behind it
	Problem   string `json:"problem"`          // and why it lasts
	Safe      string `json:"safe"`             // what to do in its place
	Allowed   string `json:"allowed,omitempty"`
}

// String returns the finding in several lines, without one at the end.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: %s %s: %s", f.File, f.Line, f.Rule, f.Name, f.Problem)
	if f.Statement != "" {
		fmt.Fprintf(&b, "\n    %s", short(f.Statement))
	}
	if f.Lock != "" {
		fmt.Fprintf(&b, "\n    %s is locked in mode %s, which blocks %s, and waits for %s", f.Table, f.Lock, f.Blocks, f.Waits)
	}
	if f.Allowed != "" {
		fmt.Fprintf(&b, "\n    allowed: %s", f.Allowed)
		return b.String()
	}
	fmt.Fprintf(&b, "\n    instead: %s", f.Safe)
	return b.String()
}

// short returns the beginning of a statement in one line.
func short(statement string) string {
	const most = 100
	line := []rune(strings.Join(strings.Fields(statement), " "))
	if len(line) > most {
		return string(line[:most]) + "..."
	}
	return string(line)
}

// sorted returns findings by file, line and rule, each once.
func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Problem, b.Problem))
	})
	return slices.Compact(findings)
}

// mode is a lock's mode, from the weakest.
type mode int

// The modes that the rules name.
const (
	accessShare mode = iota
	rowShare
	rowExclusive
	shareUpdateExclusive
	share // the first that keeps writers out
	shareRowExclusive
	exclusive
	accessExclusive
)

// modes are the names of modes in pg_locks and in the manual.
var modes = [...][2]string{
	{"AccessShareLock", "ACCESS SHARE"},
	{"RowShareLock", "ROW SHARE"},
	{"RowExclusiveLock", "ROW EXCLUSIVE"},
	{"ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE"},
	{"ShareLock", "SHARE"},
	{"ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE"},
	{"ExclusiveLock", "EXCLUSIVE"},
	{"AccessExclusiveLock", "ACCESS EXCLUSIVE"},
}

func (m mode) String() string { return modes[m][1] }

// strong reports whether writers wait for the lock.
func (m mode) strong() bool { return m >= share }

// waits says which transactions must end before a strong lock is there.
func (m mode) waits() string {
	const maintenance = "VACUUM, ANALYZE and indexes that are built concurrently"
	switch m {
	case share: // which others may have too
		return "transactions that have written there, " + maintenance
	case shareRowExclusive:
		return "transactions that have written there, " + maintenance + " or not"
	case exclusive:
		return "transactions that have written or locked rows there, " + maintenance + " or not"
	}
	return "all transactions that have used it, also to read, such as reports and pg_dump"
}

// blocks says who waits for a strong lock.
func (m mode) blocks() string {
	if m == accessExclusive {
		return "reads and writes"
	}
	return "writes"
}
