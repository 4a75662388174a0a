package gen

import (
	"cmp"
	"slices"
)

// Finding is something that a run has to say of the database.
type Finding struct {
	Note    bool   `json:"note"`            // the run goes on; otherwise nothing is written
	Rule    string `json:"rule"`            // which kind it is
	Table   string `json:"table,omitempty"` // as configuration names it
	Problem string `json:"problem"`
	Config  string `json:"config,omitempty"` // lines for smrt.yaml that end it
}

// findings collects them.
type findings []Finding

func (f *findings) add(rule, table, message, config string) {
	*f = append(*f, Finding{Rule: rule, Table: table, Problem: message, Config: config})
}

func (f *findings) note(rule, table, message, config string) {
	*f = append(*f, Finding{Note: true, Rule: rule, Table: table, Problem: message, Config: config})
}

// sorted returns those that stop a run first, each kind by table.
func (f findings) sorted() []Finding {
	order := func(x Finding) int {
		if x.Note {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(f, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Problem, b.Problem))
	})
	return f
}
