package lint

import (
	"strconv"
	"strings"
)

// DeclaredFinding is a fault of package schema about a declared table, on the migrated
// database: it is found by a program that runs in the user's module.
type DeclaredFinding struct {
	Site, Table, Column, Problem, Go string
}

// Declared adds what declared tables name that is not there in the end. It is at the statement
// that took it away, or at the declaration, if no migration that is judged did. What a
// migration allows is allowed.
func (r *Result) Declared(found []DeclaredFinding) {
	byFile := map[string][]Finding{}
	for _, d := range found {
		f := Finding{Rule: Declared, Name: names[Declared], Table: d.Table, Problem: "the table declared at " + d.Site + ": " + d.Problem, Safe: d.Go}
		s := r.gone[[2]string{d.Table, d.Column}]
		if s == nil {
			s = r.gone[[2]string{d.Table, ""}]
		}
		if s != nil {
			f.File, f.Line, f.Statement = s.file.path, s.first, s.text
			f.Safe = "take it out of the declaration in a release before this migration; smrt gen writes declarations anew"
		} else {
			at := strings.LastIndexByte(d.Site, ':')
			f.File = d.Site[:max(at, 0)]
			f.Line, _ = strconv.Atoi(d.Site[at+1:])
		}
		if s != nil {
			byFile[f.File] = append(byFile[f.File], f)
		} else {
			r.Findings = append(r.Findings, f)
		}
	}
	for _, m := range r.judged {
		left, allowed := allow(m, byFile[m.file.path], func(rule string) bool { return rule == Declared })
		r.Findings, r.Allowed = append(r.Findings, left...), append(r.Allowed, allowed...)
	}
	r.Findings, r.Allowed = sorted(r.Findings), sorted(r.Allowed)
}
