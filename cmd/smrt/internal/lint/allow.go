package lint

import (
	"fmt"
	"strings"

	"github.com/smrt-go/smrt/cmd/smrt/internal/annotation"
)

// allow takes what a file allows out of findings, all of that file. An annotation
// counts for the first statement that ends below it. Those of rules that are not looked
// for, or not now, are left alone.
func allow(m *migration, findings []Finding, now func(rule string) bool) (left, allowed []Finding) {
	left = findings
	for _, a := range m.file.annotations {
		if a.Name != annotation.Allow || !now(ruleOf(a)) {
			continue
		}
		if problem := malformed(a); problem != "" {
			left = append(left, wrong(a.File, a.Line, problem, "-- smrt:allow L3 and the reason, above the statement"))
			continue
		}
		line := following(m.statements, a.Line)
		rule, reason := a.Args[0], strings.TrimSpace(strings.TrimPrefix(a.Text, a.Args[0]))
		var rest []Finding
		for _, finding := range left {
			if finding.Rule == rule && finding.Line == line {
				finding.Allowed = reason
				allowed = append(allowed, finding)
			} else {
				rest = append(rest, finding)
			}
		}
		if len(rest) == len(left) {
			rest = append(rest, wrong(a.File, a.Line, fmt.Sprintf("the next statement does not break %s, so there is nothing to allow", rule), "no annotation"))
		}
		left = rest
	}
	return left, allowed
}

// ruleOf returns the rule that an annotation names, or "".
func ruleOf(a annotation.Annotation) string {
	if len(a.Args) == 0 {
		return ""
	}
	return a.Args[0]
}

// malformed says what is wrong with an annotation.
func malformed(a annotation.Annotation) string {
	switch {
	case len(a.Args) == 0 || names[a.Args[0]] == "" || a.Args[0] == Allowing:
		return "smrt:allow names no rule: they are " + Rewrite + " to " + Declared
	case len(a.Args) == 1:
		return "smrt:allow " + a.Args[0] + " gives no reason"
	}
	return ""
}

// following returns the line of the statement that an annotation is about.
func following(statements []*statement, line int) int {
	for _, s := range statements {
		if s.last > line {
			return s.first
		}
	}
	return 0
}

func wrong(file string, line int, problem, safe string) Finding {
	return Finding{Rule: Allowing, Name: names[Allowing], File: file, Line: line, Problem: problem, Safe: safe}
}
