package slot

import "github.com/smrt-go/smrt/internal/sqltext"

// decides reports whether a row is left out where the condition at token i is false:
// it is one of those of a WHERE that are joined by AND, and not a part of one of them.
// What is not understood does not decide.
func (p *parser) decides(i int) bool {
	return p.begins(i) && p.ends(i)
}

// begins reports whether what stands before the condition at token i, back to its
// WHERE, is conditions that are joined with it by AND.
func (p *parser) begins(i int) bool {
	depth, ands := 0, 0
	for j := i - 1; j >= 0; j-- {
		t := &p.tokens[j]
		switch {
		case t.IsMark(")"):
			depth++
		case t.IsMark("("):
			if depth--; depth < 0 {
				return false // the condition is a part of another
			}
		case depth > 0:
		case t.Is("where"):
			return (j == 0 || !p.tokens[j-1].IsMark("(")) && (j == i-1 || p.tokens[i-1].Is("and")) // not FILTER (WHERE ...)
		case t.Is("and"):
			ands++
		case t.Is("between") && ands == 1: // the AND in front is its own
			return false
		case t.Is("or"), t.Is("on"), t.Is("having"), t.Is("case"), t.Is("select"), t.Is("from"):
			return false
		}
	}
	return false
}

// ends reports the same of what stands behind it.
func (p *parser) ends(i int) bool {
	if i+1 < len(p.tokens) && !p.tokens[i+1].Is("and") && !p.endsWhere(i+1) {
		return false // a part of a comparison
	}
	depth := 0
	for j := i + 1; j < len(p.tokens); j++ {
		t := &p.tokens[j]
		switch {
		case depth == 0 && p.endsWhere(j):
			return true
		case t.IsMark("("):
			depth++
		case t.IsMark(")"):
			depth--
		case depth == 0 && t.Is("or"):
			return false
		}
	}
	return true
}

// endsWhere reports whether a WHERE has ended before token i.
func (p *parser) endsWhere(i int) bool {
	t := &p.tokens[i]
	return t.IsMark(")") || t.Kind == sqltext.Word && clauses[t.Name()]
}

// clauses begin with these words behind a WHERE.
var clauses = map[string]bool{
	"group": true, "having": true, "window": true, "union": true, "intersect": true, "except": true, "order": true,
	"limit": true, "offset": true, "fetch": true, "for": true, "returning": true,
}
