package lint

import (
	"path/filepath"
	"strconv"
	"strings"
)

// SlotFinding is a finding of package slots, in a package of sqlc's: it is found by a
// program that runs in the user's module.
type SlotFinding struct {
	Rule, Site, Query, SQL, Table, Problem, Remedy string
}

// In returns the finding in a folder.
func (s SlotFinding) In(dir string) Finding {
	file, line, _ := strings.Cut(s.Site, ":")
	f := Finding{Rule: Slot, File: filepath.Join(dir, file), Table: s.Table, Problem: "query " + s.Query + ": " + s.Problem, Safe: s.Remedy}
	f.Line, _ = strconv.Atoi(line)
	switch s.Rule {
	case "deleted":
		f.Rule = Deleted
	case "order":
		f.Rule = Order
	case "writes":
		f.Rule = Writes
	}
	f.Name = names[f.Rule]
	_, f.Statement, _ = strings.Cut(s.SQL, "\n") // without the line with its name
	return f
}
