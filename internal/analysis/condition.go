package analysis

import (
	"regexp"
	"slices"
	"strings"
)

// condition is one of those that AND connects, as a plan writes it: "(o.status = $1)".
type condition struct {
	text     string
	column   string // as SQL, with its alias; "" if the left side is something else
	within   string // the column that a function or a cast is around, else ""
	cast     bool   // it is a cast
	operator string // "=", "<", "~~", "= ANY", "IS NULL"
	value    string // "$1", or another expression
}

// How a plan writes a column, a column inside of a function or a cast, and a parameter. The
// alias is always there, because plans are asked for with VERBOSE.
var (
	columnText = regexp.MustCompile(`^(?:[\w$]+|"(?:[^"]|"")+")\.(?:[\w$]+|"(?:[^"]|"")+")$`)
	wrapText   = regexp.MustCompile(`^(?:([\w$]+|"[^"]+")\()?\(*((?:[\w$]+|"(?:[^"]|"")+")\.(?:[\w$]+|"(?:[^"]|"")+"))\)*((?:::[\w ]+(?:\(\d+\))?(?:\[\])?)?)\)*$`)
	valueText  = regexp.MustCompile(`^\(?(\$\d+)\)?(?:::.*)?$`)
)

// conditions splits an expression of a plan at its outermost ANDs. What stands below OR or
// NOT is one condition without a column.
func conditions(expression string) (all []condition) {
	for _, part := range split(inner(expression), " AND ") {
		all = append(all, conditionOf(part))
	}
	return all
}

// conditionOf reads one condition. What it does not understand has no column, which is no
// finding.
func conditionOf(text string) condition {
	c, body := condition{text: text}, inner(text)
	if len(split(body, " OR ")) > 1 || strings.HasPrefix(body, "NOT ") {
		return c
	}
	left := body
	for _, suffix := range []string{" IS NOT NULL", " IS NULL"} {
		if l, ok := strings.CutSuffix(body, suffix); ok {
			left, c.operator = l, suffix[1:]
		}
	}
	if c.operator == "" {
		words := split(body, " ")
		if len(words) < 3 {
			return c
		}
		left, c.operator, c.value = words[0], words[1], strings.Join(words[2:], " ")
		if words[2] == "ANY" && len(words) > 3 {
			c.operator, c.value = words[1]+" ANY", strings.Join(words[3:], " ")
		}
	}
	if m := valueText.FindStringSubmatch(c.value); m != nil {
		c.value = m[1]
	}
	switch m := wrapText.FindStringSubmatch(left); {
	case columnText.MatchString(left):
		c.column = left
	case m != nil && (m[1] != "" || m[3] != ""):
		c.within, c.cast = m[2], m[1] == ""
	}
	return c
}

// inner returns an expression without the parentheses around all of it.
func inner(s string) string {
	for strings.HasPrefix(s, "(") && closing(s) == len(s)-1 {
		s = s[1 : len(s)-1]
	}
	return s
}

// closing returns where the parenthesis at the beginning ends, -1 for nowhere.
func closing(s string) int {
	depth, at := 0, -1
	scan(s, func(i int, d int) bool {
		if depth = d; depth == 0 {
			at = i
		}
		return depth > 0
	})
	return at
}

// scan calls f for each byte outside of quotes with how deep in parentheses it is, behind
// it, until f returns false.
func scan(s string, f func(i, depth int) bool) {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
			continue
		case c == '\'' || c == '"':
			quote = c
			continue
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		if !f(i, depth) {
			return
		}
	}
}

// split splits an expression at a separator that is in no parentheses.
func split(s, separator string) (parts []string) {
	from := 0
	scan(s, func(i, depth int) bool {
		if depth == 0 && i >= from && strings.HasPrefix(s[i:], separator) {
			parts, from = append(parts, s[from:i]), i+len(separator)
		}
		return true
	})
	return append(parts, s[from:])
}

// columnOf returns the name of a column without its alias, as SQL.
func columnOf(qualified string) string {
	at := 0
	scan(qualified, func(i, _ int) bool {
		if qualified[i] == '.' {
			at = i + 1
		}
		return true
	})
	return qualified[at:]
}

// nameOf returns the name of a column that is SQL.
func nameOf(quoted string) string {
	if strings.HasPrefix(quoted, `"`) {
		return strings.ReplaceAll(quoted[1:len(quoted)-1], `""`, `"`)
	}
	return quoted
}

// names returns the columns, as SQL, of conditions of one operator of several, each once.
func names(all []condition, operators ...string) (found []string) {
	for _, c := range all {
		if name := columnOf(c.column); c.column != "" && slices.Contains(operators, c.operator) && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}
