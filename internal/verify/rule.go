package verify

import (
	"fmt"
	"math/big"
	"slices"
	"sync"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
)

// checkRules compares the rules for values of a column with what the database asks of
// them. A rule that is laxer lets values pass that the database refuses later, with
// another error; one that is stricter is broken by rows that may be there, once they are
// written again. Neither is wrong, so both are notes.
func (s *subject) checkRules(c *meta.Column, in *catalog.Column) {
	isInt, _ := intBits(c)
	demand := sync.OnceValue(func() catalog.Demand { return s.in.Demand(in, isInt > 0) }) // most columns have no rules
	for _, r := range s.Rules {
		if len(r.Columns) != 1 || r.Columns[0] != c || r.Kind == meta.RuleFunc {
			continue
		}
		switch {
		case r.Required() && !in.NotNull && s.isTable():
			s.rule(c, s.alter(c, "SET NOT NULL"), "can be NULL in the database, and the rule "+r.Name+" is stricter: rows that are there may break it")
		case r.Kind == meta.RuleOneOf && in.Enum != "" && in.Element == 0:
			s.checkLabels(c, r, in)
		}
		switch r.Kind {
		case meta.RuleAtLeast, meta.RuleAtMost, meta.RuleMinLength, meta.RuleMaxLength:
			s.checkBound(c, r, demand())
		case meta.RuleOneOf:
			s.checkList(c, r, demand())
		}
	}
}

// rule adds a note about a rule of a column.
func (s *subject) rule(c *meta.Column, sql, problem string) {
	s.add(Finding{Check: CheckRule, Level: Note, Column: c.Name, Problem: problem, SQL: sql, Go: "change the rule"})
}

func (s *subject) checkLabels(c *meta.Column, r *meta.Rule, in *catalog.Column) {
	var allowed []string
	for _, v := range r.Limits {
		value, ok := v.(string)
		if ok && !slices.Contains(in.Labels, value) {
			s.rule(c, "", fmt.Sprintf("has no label %q in the database, which the rule one_of allows: it is refused there", value))
		}
		allowed = append(allowed, value)
	}
	for _, label := range in.Labels {
		if !slices.Contains(allowed, label) {
			s.rule(c, "", fmt.Sprintf("may be %q in the database, and the rule one_of is stricter: rows that are there may break it", label))
		}
	}
}

// checkBound compares a bound with that of the type and of constraints.
func (s *subject) checkBound(c *meta.Column, r *meta.Rule, d catalog.Demand) {
	rule, ok := new(big.Rat).SetString(r.Limit)
	if !ok {
		return // a time, of which there is no text that the server prints in the same way
	}
	of := d.Numbers
	if r.Kind == meta.RuleMinLength || r.Kind == meta.RuleMaxLength {
		of = d.Lengths
	}
	limit, strict, by, sign := of.Low, of.LowStrict, of.LowBy, 1
	if r.Kind == meta.RuleAtMost || r.Kind == meta.RuleMaxLength {
		limit, strict, by, sign = of.High, of.HighStrict, of.HighBy, -1
	}
	if limit == nil {
		return
	}
	switch is := sign * rule.Cmp(limit); {
	case is < 0, is == 0 && strict:
		s.rule(c, "", by+", and the rule "+r.Name+" is laxer with "+r.Limit+": the database refuses what is between")
	case is > 0 && d.Complete:
		s.rule(c, "", by+", and the rule "+r.Name+" is stricter with "+r.Limit+": rows that are there may break it")
	}
}

// checkList compares a list of values with that of constraints.
func (s *subject) checkList(c *meta.Column, r *meta.Rule, d catalog.Demand) {
	if !d.Listed {
		return
	}
	rule := make([]string, len(r.Limits))
	for i, v := range r.Limits {
		rule[i] = fmt.Sprint(v)
	}
	if slices.ContainsFunc(rule, func(v string) bool { return !slices.Contains(d.List, v) }) {
		s.rule(c, "", d.By+", and the rule one_of is laxer: the database refuses the other values")
	}
	if d.Complete && slices.ContainsFunc(d.List, func(v string) bool { return !slices.Contains(rule, v) }) {
		s.rule(c, "", d.By+", and the rule one_of is stricter: rows that are there may break it")
	}
}
