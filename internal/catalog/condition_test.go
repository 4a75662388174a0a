package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
)

// Conditions are read from what the server makes of constraints; what compares
// otherwise than it looks is left out.
func TestConditions(t *testing.T) {
	cases := []struct{ column, constraint, want string }{
		{"a int", "a > 0", "a > 0 at least 1"},
		{"a int", "a >= 0 AND a <= 7", "a >= 0 at least 0, a <= 7 at most 7"},
		{"a int", "a BETWEEN -3 AND 7", "a >= -3 at least -3, a <= 7 at most 7"},
		{"a int", "a < 5.5", "a < 5.5 at most 5"},
		{"a int", "a > -5.5", "a > -5.5 at least -5"},
		{"a bigint", "a >= 3000000000", "a >= 3000000000 at least 3000000000"},
		{"a int", "a IN (1, -2)", "a = 1|-2"},
		{"a numeric(10,2)", "a >= 0.5 AND a < 100", "a >= 0.5 at least 0.5, a < 100 below 100"},
		{"a float8", "a > -1.5", "a > -1.5 above -1.5"},
		{`"A "" b" int`, `"A "" b" >= 1`, `A " b >= 1 at least 1`},
		{"a text", "a IN ('x', 'it''s, [really] (so)')", "a = x|it's, [really] (so)"},
		{"a text", "a = 'x'", "a = x"},
		{"a varchar(9)", "a IN ('x', 'y')", "a = x|y"},
		{"a text", "a <> ''", "a <> "},
		{"a text", "length(a) > 0 AND char_length(a) <= 80", "length of a > 0 at least 1, length of a <= 80 at most 80"},
		{"a varchar(9)", "length(a) = 3", "length of a = 3"},
		{"a int", "a > 0 AND a % 2 = 0", "a > 0 at least 1, incomplete"},
		{"a int, b int", "a > b", "incomplete"},
		{"a int, b text", "a > 0 OR b = 'x'", "incomplete"},
		{"a int", "NOT (a > 3)", "incomplete"},
		{"a int", "0 < a", "incomplete"},
		{"a int", "a > (3.7)::int", "incomplete"},
		{"a numeric", "a::int > 3", "incomplete"},
		{"a text", "a = 'x' || 'y'", "incomplete"},
		{"a text", "upper(a) = 'X'", "incomplete"},
		{"a text", "a NOT IN ('x', 'y')", "incomplete"},
		{"a int", "a <> ALL (ARRAY[1, 2])", "incomplete"},
	}
	pool := testdb.Pool(t, testdb.Empty)
	for i, c := range cases {
		check.Value(pool.Exec(t.Context(), fmt.Sprintf("CREATE TABLE t%03d (%s, CHECK (%s))", i, c.column, c.constraint)))(t)
	}
	for i, r := range check.Value(catalog.Schemas(t.Context(), pool, []string{"public"}))(t) {
		var got []string
		conditions, complete := r.Checks[0].Conditions()
		for _, condition := range conditions {
			got = append(got, text(&condition, strings.Contains(r.Columns[0].Type, "int")))
		}
		if !complete {
			got = append(got, "incomplete")
		}
		check.Same(t, r.Checks[0].SQL, strings.Join(got, ", "), cases[i].want)
	}
}

func text(c *catalog.Condition, integer bool) string {
	text := fmt.Sprintf("%s %s %s", c.Column, c.Op, strings.Join(c.Values, "|"))
	if c.Length {
		text = "length of " + text
	}
	limit, least, strict, ok := c.Bound(integer)
	if !ok {
		return text
	}
	kind := map[[2]bool]string{{true, false}: "at least", {true, true}: "above", {false, false}: "at most", {false, true}: "below"}[[2]bool{least, strict}]
	return strings.TrimSuffix(fmt.Sprintf("%s %s %s", text, kind, strings.TrimRight(limit.FloatString(2), "0")), ".")
}
