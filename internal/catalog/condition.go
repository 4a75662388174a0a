package catalog

import (
	"math/big"
	"regexp"
	"strings"
)

// Condition is what a CHECK constraint asks of a column by itself: that it, or its
// number of characters, compares with constants.
type Condition struct {
	Column string
	Length bool     // its number of characters is compared
	Op     string   // ">=", "<=", ">", "<", "<>" or "=", which is with one of Values
	Values []string // texts, or numbers as texts
}

// Conditions returns the conditions that all hold where the constraint does, and
// reports whether it asks for nothing else. They are read from the text that the
// server prints, which is the same on 14 to 18.
func (c Constraint) Conditions() (all []Condition, complete bool) {
	text, ok := strings.CutPrefix(c.SQL, "CHECK ")
	if !ok {
		return nil, false
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, " NOT VALID"), " NO INHERIT")
	complete = true
	for _, part := range conjuncts(text) {
		condition, ok := parseCondition(part)
		if ok {
			all = append(all, condition)
		}
		complete = complete && ok
	}
	return all, complete
}

// conjuncts returns what AND joins, without parentheses around it.
func conjuncts(sql string) (all []string) {
	sql = bare(sql)
	start := 0
	depths(sql, func(i, depth int) {
		if depth == 0 && strings.HasPrefix(sql[i:], " AND ") {
			all = append(all, conjuncts(sql[start:i])...)
			start = i + len(" AND ")
		}
	})
	if start == 0 {
		return []string{sql}
	}
	return append(all, conjuncts(sql[start:])...)
}

// depths calls fn with each byte outside of quotes, and how many parentheses are
// open before it.
func depths(sql string, fn func(i, depth int)) {
	depth, quote := 0, byte(0)
	for i := range len(sql) {
		switch b := sql[i]; {
		case quote != 0:
			if b == quote {
				quote = 0 // a doubled quote ends and begins again
			}
			continue
		case b == '\'' || b == '"':
			quote = b
			continue
		case b == ')' || b == ']':
			depth--
		}
		fn(i, depth)
		if b := sql[i]; b == '(' || b == '[' {
			depth++
		}
	}
}

// bare returns an expression without the parentheses around all of it.
func bare(sql string) string {
	for strings.HasPrefix(sql, "(") && strings.HasSuffix(sql, ")") {
		last := -1
		depths(sql, func(i, depth int) {
			if sql[i] == ')' && depth == 0 && last < 0 {
				last = i
			}
		})
		if last != len(sql)-1 {
			return sql
		}
		sql = sql[1:last]
	}
	return sql
}

var (
	// cast is at the end of an expression, to a type that changes no value that is compared: (0)::numeric. To an integer
	// it rounds.
	cast = regexp.MustCompile(`^(.*)::(?:text|character varying|numeric|double precision|real)(?:\[\])?$`)
	// typed is a whole number with its type.
	typed = regexp.MustCompile(`^('?)(-?[0-9]+)('?)::(?:smallint|integer|bigint)$`)
	// measured is the number of characters of an expression.
	measured = regexp.MustCompile(`^(?:length|char_length|character_length)(\(.*\))$`)
	name     = regexp.MustCompile(`^(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)$`)
	compared = regexp.MustCompile(`^(.+?) (>=|<=|<>|>|<|=) (.+)$`)
	number   = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	quoted   = regexp.MustCompile(`^'(?:[^']|'')*'$`)
)

// uncast returns an expression without its casts.
func uncast(sql string) string {
	for {
		sql = bare(sql)
		m := cast.FindStringSubmatch(sql)
		if m == nil {
			return sql
		}
		sql = m[1]
	}
}

func parseCondition(sql string) (c Condition, ok bool) {
	m := compared.FindStringSubmatch(sql)
	if m == nil {
		return c, false
	}
	c.Op = m[2]
	of := uncast(m[1])
	if length := measured.FindStringSubmatch(of); length != nil {
		c.Length, of = true, uncast(length[1])
	}
	if !name.MatchString(of) {
		return c, false
	}
	c.Column = unquoteName(of)
	list, isList := strings.CutPrefix(m[3], "ANY ")
	switch {
	case isList && c.Op != "=":
		return c, false
	case isList:
		c.Values, ok = parseList(uncast(list))
		return c, ok
	}
	v, ok := parseConstant(m[3])
	c.Values = []string{v}
	return c, ok
}

func unquoteName(name string) string {
	if strings.HasPrefix(name, `"`) {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return name
}

// parseList returns the values of ARRAY[...].
func parseList(sql string) (values []string, ok bool) {
	inner, ok := strings.CutPrefix(sql, "ARRAY[")
	if !ok || !strings.HasSuffix(inner, "]") {
		return nil, false
	}
	inner = strings.TrimSuffix(inner, "]")
	start, valid := 0, true
	add := func(end int) {
		v, ok := parseConstant(inner[start:end])
		values, valid = append(values, v), valid && ok
	}
	depths(inner, func(i, depth int) {
		if depth == 0 && strings.HasPrefix(inner[i:], ", ") {
			add(i)
			start = i + len(", ")
		}
	})
	add(len(inner))
	return values, valid
}

// parseConstant returns the text of a constant: 5, '5'::bigint, 'a'::text.
func parseConstant(sql string) (text string, ok bool) {
	sql = uncast(sql)
	if m := typed.FindStringSubmatch(sql); m != nil {
		return m[2], true
	}
	if quoted.MatchString(sql) {
		return strings.ReplaceAll(sql[1:len(sql)-1], "''", "'"), true
	}
	return sql, number.MatchString(sql)
}

// Bound returns the number that the column, or its length, is at least or at most,
// and reports whether there is one. It is strict if the number itself does not
// hold. Of integers no bound is strict: more than 5.5 is at least 6.
func (c *Condition) Bound(integer bool) (limit *big.Rat, least, strict, ok bool) {
	if c.Op == "=" || c.Op == "<>" {
		return nil, false, false, false
	}
	limit, ok = new(big.Rat).SetString(c.Values[0])
	if !ok || !number.MatchString(c.Values[0]) {
		return nil, false, false, false
	}
	least, strict = strings.HasPrefix(c.Op, ">"), len(c.Op) == 1
	if !integer && !c.Length {
		return limit, least, strict, true
	}
	floor := new(big.Int).Div(limit.Num(), limit.Denom()) // towards minus infinity: the denominator is positive
	if one := big.NewInt(1); least && (strict || !limit.IsInt()) {
		floor.Add(floor, one)
	} else if !least && strict && limit.IsInt() {
		floor.Sub(floor, one)
	}
	return new(big.Rat).SetInt(floor), least, false, true
}
