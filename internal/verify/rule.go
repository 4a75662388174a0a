package verify

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

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
		case r.Kind == meta.RuleAtLeast, r.Kind == meta.RuleAtMost:
			s.checkBound(c, r)
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

// checkBound compares a bound with those of the table's CHECK constraints.
func (s *subject) checkBound(c *meta.Column, r *meta.Rule) {
	rule, ok := new(big.Rat).SetString(fmt.Sprint(r.Limits[0]))
	if !ok {
		return // a time, of which there is no text that the server prints in the same way
	}
	least := r.Kind == meta.RuleAtLeast
	isInt, _ := intBits(c)
	for _, constraint := range s.in.Checks {
		for _, b := range boundsIn(constraint.SQL) {
			if b.column != c.Name || strings.HasPrefix(b.op, ">") != least {
				continue
			}
			limit := b.limit
			if one := big.NewRat(1, 1); len(b.op) == 1 && isInt > 0 { // > 0 is >= 1
				if !least {
					one.Neg(one)
				}
				limit = one.Add(one, limit)
			}
			is := rule.Cmp(limit)
			if !least {
				is = -is
			}
			switch text := fmt.Sprintf("has the constraint %s, %s", quote(constraint.Name), constraint.SQL); {
			case is < 0, is == 0 && len(b.op) == 1 && isInt == 0:
				s.rule(c, "", text+", and the rule "+r.Name+" is laxer with "+r.Limit+": values between are refused by the database")
			case is > 0:
				s.rule(c, "", text+", and the rule "+r.Name+" is stricter with "+r.Limit+": rows that are there may break it")
			}
		}
	}
}

// bound is a comparison of a column with a number.
type bound struct {
	column, op string
	limit      *big.Rat
}

// comparison is such a comparison as the server prints it.
var comparison = regexp.MustCompile(`\(("(?:[^"]|"")+"|[a-z_][a-z0-9_]*) (>=|<=|>|<) \(?'?(-?[0-9.]+)'?\)?(?:::[a-z ]+)?\)`)

// boundsIn returns the bounds of a constraint that consists of nothing else, joined by
// AND.
func boundsIn(check string) (all []bound) {
	if rest := comparison.ReplaceAllString(check, ""); strings.Trim(strings.ReplaceAll(strings.TrimPrefix(rest, "CHECK "), "AND", ""), "() ") != "" {
		return nil
	}
	for _, m := range comparison.FindAllStringSubmatch(check, -1) {
		limit, ok := new(big.Rat).SetString(m[3])
		if !ok {
			return nil
		}
		all = append(all, bound{unquoted(m[1]), m[2], limit})
	}
	return all
}
