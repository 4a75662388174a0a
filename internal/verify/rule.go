package verify

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/meta"
)

// checkRules compares the rules for values of a column with what the database asks of
// them. A rule that is laxer lets values pass that the database refuses later, with
// another error; one that is stricter is broken by rows that may be there, once they are
// written again. Neither is wrong, so both are notes.
func (s *subject) checkRules(c *meta.Column, in *catalog.Column) {
	for _, r := range s.Rules {
		if len(r.Columns) != 1 || r.Columns[0] != c || r.Kind == meta.RuleFunc {
			continue
		}
		switch {
		case r.Required() && !in.NotNull && s.isTable():
			s.rule(c, s.alter(c, "SET NOT NULL"), "can be NULL in the database, and the rule "+r.Name+" is stricter: rows that are there may break it")
		case r.Kind == meta.RuleMaxLength && in.Base == pgtype.VarcharOID && in.Modifier >= 4:
			s.checkLength(c, r.Limits[0].(int), int(in.Modifier)-4)
		case r.Kind == meta.RuleOneOf && in.Enum != "" && in.Element == 0:
			s.checkLabels(c, r, in)
		}
		switch r.Kind {
		case meta.RuleAtLeast, meta.RuleAtMost:
			s.checkBound(c, r, false, r.Kind == meta.RuleAtLeast)
		case meta.RuleMinLength, meta.RuleMaxLength:
			s.checkBound(c, r, true, r.Kind == meta.RuleMinLength)
		case meta.RuleOneOf:
			s.checkList(c, r)
		}
	}
}

// rule adds a note about a rule of a column.
func (s *subject) rule(c *meta.Column, sql, problem string) {
	s.add(Finding{Check: CheckRule, Level: Note, Column: c.Name, Problem: problem, SQL: sql, Go: "change the rule"})
}

func (s *subject) checkLength(c *meta.Column, rule, column int) {
	switch {
	case rule > column:
		s.rule(c, "", fmt.Sprintf("takes %d characters, and the rule max_length is laxer with %d: longer texts are refused by the database", column, rule))
	case rule < column:
		s.rule(c, "", fmt.Sprintf("takes %d characters, and the rule max_length is stricter with %d: rows that are there may break it", column, rule))
	}
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

// constraints calls fn with the conditions of the table's CHECK constraints that are
// about the column and nothing else, and with the constraint's text.
func (s *subject) constraints(c *meta.Column, fn func(b *catalog.Condition, text string)) {
	for _, constraint := range s.in.Checks {
		conditions, complete := constraint.Conditions()
		for i := range conditions {
			if complete && conditions[i].Column == c.Name {
				fn(&conditions[i], fmt.Sprintf("has the constraint %s, %s", quote(constraint.Name), constraint.SQL))
			}
		}
	}
}

// checkBound compares a bound of values, or of lengths, with those of constraints.
func (s *subject) checkBound(c *meta.Column, r *meta.Rule, length, ruleIsLeast bool) {
	rule, ok := new(big.Rat).SetString(fmt.Sprint(r.Limits[0]))
	if !ok {
		return // a time, of which there is no text that the server prints in the same way
	}
	isInt, _ := intBits(c)
	s.constraints(c, func(b *catalog.Condition, text string) {
		limit, least, strict, ok := b.Bound(isInt > 0)
		if !ok || b.Length != length || least != ruleIsLeast {
			return
		}
		is := rule.Cmp(limit)
		if !least {
			is = -is
		}
		switch {
		case is < 0, is == 0 && strict:
			s.rule(c, "", text+", and the rule "+r.Name+" is laxer with "+r.Limit+": values between are refused by the database")
		case is > 0:
			s.rule(c, "", text+", and the rule "+r.Name+" is stricter with "+r.Limit+": rows that are there may break it")
		}
	})
}

// checkList compares a list of values with that of a constraint.
func (s *subject) checkList(c *meta.Column, r *meta.Rule) {
	rule := make([]string, len(r.Limits))
	for i, v := range r.Limits {
		rule[i] = fmt.Sprint(v)
	}
	s.constraints(c, func(b *catalog.Condition, text string) {
		if b.Op != "=" || b.Length {
			return
		}
		laxer := slices.ContainsFunc(rule, func(v string) bool { return !slices.Contains(b.Values, v) })
		stricter := slices.ContainsFunc(b.Values, func(v string) bool { return !slices.Contains(rule, v) })
		if laxer {
			s.rule(c, "", text+", and the rule one_of is laxer: the other values are refused by the database")
		}
		if stricter {
			s.rule(c, "", text+", and the rule one_of is stricter: rows that are there may break it")
		}
	})
}
