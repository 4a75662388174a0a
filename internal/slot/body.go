package slot

import (
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// body finds the parts of the outermost SELECT: those that pages add to, and those
// that say why its rows cannot be paged.
func (p *parser) body() (b plan.Body) {
	s := selected{tokens: p.tokens, body: &b}
	s.measure()
	start := s.next(0, func(t *sqltext.Token) bool { return t.Is("select") })
	if start < 0 {
		b.Grouped = "its outermost SELECT is in parentheses, or there is none"
	}
	if s.wrapped() {
		b.Cut = "all of it is in parentheses"
	}
	for i := max(start, 0); i < len(s.tokens); i++ {
		if s.depths[i] == 0 && s.isKeyword(i) {
			s.clause(i)
		}
		if start >= 0 && !s.inner[i] && s.isKeyword(i) {
			s.grouping(i)
		}
	}
	if b.From == 0 && b.Grouped == "" {
		b.Grouped = "it has no FROM"
	}
	return b
}

// selected walks over the tokens of a statement.
type selected struct {
	tokens []sqltext.Token
	depths []int  // of parentheses
	inner  []bool // of a query in parentheses
	body   *plan.Body
}

// measure sets depths and inner. A parenthesis has the depth of what is around it.
func (s *selected) measure() {
	var queries []bool // of the open parentheses: whether a query is in it, or in one around it
	isInner := func() bool { return len(queries) > 0 && queries[len(queries)-1] }
	for i := range s.tokens {
		t := &s.tokens[i]
		if t.IsMark(")") && len(queries) > 0 {
			queries = queries[:len(queries)-1]
		}
		s.depths, s.inner = append(s.depths, len(queries)), append(s.inner, isInner())
		if t.IsMark("(") {
			queries = append(queries, isInner() || s.isQuery(i+1))
		}
	}
}

// isQuery reports whether a query begins at a token. One may be in further
// parentheses.
func (s *selected) isQuery(i int) bool {
	for i < len(s.tokens) && s.tokens[i].IsMark("(") {
		i++
	}
	if i == len(s.tokens) {
		return false
	}
	t := &s.tokens[i]
	return t.Is("select") || t.Is("with") || t.Is("values") || t.Is("table")
}

// next returns the index of the first token from i on that is in no parentheses, and
// that is wanted; -1 if there is none.
func (s *selected) next(i int, wanted func(*sqltext.Token) bool) int {
	for ; i < len(s.tokens); i++ {
		if s.depths[i] == 0 && s.isKeyword(i) && wanted(&s.tokens[i]) {
			return i
		}
	}
	return -1
}

// isKeyword reports whether a word can be one of the grammar: behind a point and
// behind AS it is a name.
func (s *selected) isKeyword(i int) bool {
	return s.tokens[i].Kind == sqltext.Word && (i == 0 || !s.tokens[i-1].IsMark(".") && !s.tokens[i-1].Is("as"))
}

// wrapped reports whether the statement as a whole is in parentheses.
func (s *selected) wrapped() bool {
	if len(s.tokens) == 0 || !s.tokens[0].IsMark("(") {
		return false
	}
	for i := 1; i < len(s.tokens); i++ {
		if s.depths[i] == 0 {
			return i == len(s.tokens)-1
		}
	}
	return false
}

// at returns where a token begins, the end of the last one if there is none.
func (s *selected) at(i int) int {
	if i < len(s.tokens) {
		return s.tokens[i].Pos
	}
	last := s.tokens[len(s.tokens)-1]
	return last.Pos + len(last.Text)
}

// clause notes the keyword i, which is in no parentheses, if it begins a part of the
// statement.
func (s *selected) clause(i int) {
	b, t := s.body, &s.tokens[i]
	follows := func(word string) bool { return i+1 < len(s.tokens) && s.tokens[i+1].Is(word) }
	switch {
	case t.Is("from"):
		if b.From == 0 && !s.tokens[i-1].Is("distinct") { // IS DISTINCT FROM
			b.From = t.Pos
			s.joins(i + 1)
		}
	case t.Is("where") && b.Where == 0:
		b.Where = t.Pos + len(t.Text)
	case t.Is("order") && follows("by"):
		b.Order, b.Terms = t.Pos, s.at(i+2)
	case t.Is("limit"):
		b.Limit = s.at(i + 1)
	case t.Is("offset"), t.Is("fetch"):
		b.Cut = "it has an OFFSET, or a FETCH"
	case t.Is("union"), t.Is("intersect"), t.Is("except"):
		s.refuse("it has a UNION, an INTERSECT or an EXCEPT")
	case t.Is("group") && follows("by"), t.Is("having"):
		s.refuse("it has groups")
	case t.Is("select") && follows("distinct"):
		s.refuse("it has a DISTINCT")
	}
}

// refuse keeps the first reason why a row of the result is not one of a table.
func (s *selected) refuse(reason string) {
	if s.body.Grouped == "" {
		s.body.Grouped = reason
	}
}

// A word says more than the grammar needs to know, and less than the server does: what is
// refused here by mistake can be paged by its result, and what is let through by mistake
// the server refuses.

// grouping notes the keyword i of the outermost SELECT, in parentheses or not, if it
// computes a row from several.
func (s *selected) grouping(i int) {
	t := &s.tokens[i]
	opens := i+1 < len(s.tokens) && s.tokens[i+1].IsMark("(")
	switch {
	case t.Is("over"), t.Is("window") && s.depths[i] == 0:
		s.refuse("it has a window")
	case t.Is("filter") && opens, t.Is("within"):
		s.refuse("it has an aggregate")
	case opens && aggregates[t.Name()]:
		s.refuse("it has an aggregate")
	}
}

// aggregates are those of PostgreSQL that need no further keyword. Others the server
// refuses beside the columns that a page adds.
var aggregates = map[string]bool{
	"any_value": true, "array_agg": true, "avg": true, "bit_and": true, "bit_or": true, "bit_xor": true, "bool_and": true,
	"bool_or": true, "corr": true, "count": true, "covar_pop": true, "covar_samp": true, "every": true, "json_agg": true,
	"json_object_agg": true, "jsonb_agg": true, "jsonb_object_agg": true, "max": true, "min": true, "range_agg": true,
	"range_intersect_agg": true, "regr_count": true, "regr_slope": true, "stddev": true, "stddev_pop": true,
	"stddev_samp": true, "string_agg": true, "sum": true, "var_pop": true, "var_samp": true, "variance": true, "xmlagg": true,
}

// joins notes the names of the rows, from token i on, that may be missing beside
// others: those behind LEFT JOIN, and all of a FROM with a RIGHT or a FULL one.
func (s *selected) joins(i int) {
	var all, optional []string
	left := -1 // the depth of the LEFT JOIN whose row this is
	both := false
	joins := func(i int) bool { return i < len(s.tokens) && (s.tokens[i].Is("join") || s.tokens[i].Is("outer")) } // not left(a, 1)
	for ; i < len(s.tokens); i++ {
		t := &s.tokens[i]
		if s.depths[i] == 0 && (t.Is("where") || t.Is("order") || t.Is("group") || t.Is("limit")) {
			break
		}
		if s.inner[i] {
			continue
		}
		switch {
		case t.Is("left") && joins(i+1):
			if left < 0 || s.depths[i] < left {
				left = s.depths[i]
			}
		case (t.Is("right") || t.Is("full")) && joins(i+1):
			both = true
		case left == s.depths[i] && (t.IsMark(",") || t.Is("on") || t.Is("using") || t.Is("inner") || t.Is("cross")):
			left = -1
		case t.IsName():
			name := meta.Quote(t.Name())
			if all = append(all, name); left >= 0 {
				optional = append(optional, name)
			}
		}
	}
	if s.body.Optional = optional; both {
		s.body.Optional = all
	}
}
