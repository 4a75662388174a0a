package slot

import (
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// Mentions reports whether the statement names a column of the table that it calls by
// an alias, or a column of that name of any table. Both names are SQL.
//
// It reads the text and not a plan: a plan has no condition that an index on some of the
// rows stands for, and what a statement means to do with the column is its own affair.
func (t *Text) Mentions(alias, column string) bool { return mentions(code(t.SQL), alias, column) }

// OrdersBy reports whether the order behind a place names a column in this way.
func (t *Text) OrdersBy(p *plan.Place, column string) bool {
	// The text goes on behind its marker with the terms of the order. They end where a
	// clause follows or the parenthesis closes that the order is in.
	terms := code(t.SQL[p.To:])
	depth := 0
	for i := range terms {
		switch {
		case terms[i].IsMark("("):
			depth++
		case terms[i].IsMark(")"):
			depth--
		}
		if depth < 0 || depth == 0 && ends(&terms[i]) {
			terms = terms[:i]
			break
		}
	}
	return mentions(terms, p.Alias, column)
}

// ends reports whether a token follows the terms of an order.
func ends(t *sqltext.Token) bool {
	for _, word := range []string{"limit", "offset", "fetch", "for", "union", "intersect", "except", "rows", "range", "groups"} {
		if t.Is(word) {
			return true
		}
	}
	return t.IsMark(";")
}

// code returns the tokens of a text without its comments.
func code(text string) (tokens []sqltext.Token) {
	for l := sqltext.New(text); ; {
		switch t := l.Next(); t.Kind {
		case sqltext.End, sqltext.Unclosed:
			return tokens
		case sqltext.Comment:
		default:
			tokens = append(tokens, t)
		}
	}
}

// mentions reports whether tokens have a name: by itself, or behind an alias and a dot.
// Behind another dot it is a column of another table.
func mentions(tokens []sqltext.Token, alias, column string) bool {
	for i := range tokens {
		if !tokens[i].IsName() || meta.Quote(tokens[i].Name()) != column {
			continue
		}
		if i < 2 || !tokens[i-1].IsMark(".") || tokens[i-2].IsName() && meta.Quote(tokens[i-2].Name()) == alias {
			return true
		}
	}
	return false
}
