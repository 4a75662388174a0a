package sqltext

import (
	"fmt"
	"strconv"
	"strings"
)

// WithoutValues returns a text with a parameter in place of each literal, of the type that
// the server gives the literal. What cannot be a parameter and says nothing of users stays:
// how many rows are asked for, positions in GROUP BY and ORDER BY, and the sizes of types.
func WithoutValues(sql string) string {
	tokens := Append(nil, sql)
	last := 0
	for i := range tokens {
		if tokens[i].Kind == Param {
			last = max(last, tokens[i].Param())
		}
	}
	var b strings.Builder
	w := rewriter{tokens: tokens, last: last}
	for i := range tokens {
		text, ok := w.next(i)
		if !ok {
			continue
		}
		if b.Len() > 0 && text != "" && w.apart(i) {
			b.WriteByte(' ')
		}
		b.WriteString(text)
		if tokens[i].Kind == Unclosed {
			break
		}
	}
	return b.String()
}

// rewriter writes the tokens of a text one by one.
type rewriter struct {
	tokens []Token
	last   int    // number of the last parameter
	in     []bool // of each parenthesis, whether it has the size of a type
	by     []int  // depths of the GROUP BYs and ORDER BYs that are not over
}

// next returns what becomes of a token, and false for one that is left out.
func (w *rewriter) next(i int) (string, bool) {
	t := &w.tokens[i]
	switch t.Kind {
	case Comment:
		return "", false
	case Mark:
		w.mark(i)
	case Word:
		w.word(i)
		if i+1 < len(w.tokens) && w.tokens[i+1].Kind == Literal && typed[strings.ToLower(t.Text)] {
			return "", false // its type is written behind the parameter
		}
	case Literal, Unclosed:
		if before := w.before(i); before != nil && before.Kind == Word && typed[strings.ToLower(before.Text)] {
			return w.parameter(strings.ToLower(before.Text)), true
		}
		return w.parameter(""), true
	case Number:
		if !w.stays(i) {
			return w.parameter(numberType(t.Text)), true
		}
	}
	return t.Text, true
}

// typed are words that a literal may stand behind, as DATE '2026-01-01'.
var typed = map[string]bool{
	"date": true, "time": true, "timestamp": true, "timestamptz": true, "interval": true, "uuid": true, "json": true, "jsonb": true,
	"inet": true, "numeric": true, "text": true, "bytea": true, "boolean": true, "bool": true, "point": true,
}

// parameter returns a new one, of a type unless that is for the server to find.
func (w *rewriter) parameter(of string) string {
	w.last++
	if of != "" {
		of = "::" + of
	}
	return fmt.Sprintf("$%d%s", w.last, of)
}

// numberType returns the type that the server gives a number.
func numberType(number string) string {
	if _, err := strconv.ParseInt(number, 0, 32); err == nil {
		return "int4"
	}
	if _, err := strconv.ParseInt(number, 0, 64); err == nil {
		return "int8"
	}
	return "numeric"
}

// before returns the token before one, but for comments; nil if there is none.
func (w *rewriter) before(i int) *Token {
	for i--; i >= 0; i-- {
		if w.tokens[i].Kind != Comment {
			return &w.tokens[i]
		}
	}
	return nil
}

// mark follows parentheses.
func (w *rewriter) mark(i int) {
	switch w.tokens[i].Text {
	case "(":
		before := w.before(i)
		w.in = append(w.in, before != nil && before.Kind == Word && sized[strings.ToLower(before.Text)])
	case ")":
		if n := len(w.in); n > 0 {
			w.in = w.in[:n-1]
		}
		for n := len(w.by); n > 0 && w.by[n-1] > len(w.in); n-- {
			w.by = w.by[:n-1]
		}
	}
}

// sized are types with a size in parentheses.
var sized = map[string]bool{
	"varchar": true, "char": true, "character": true, "varying": true, "bit": true, "numeric": true, "decimal": true, "float": true,
	"time": true, "timestamp": true, "timestamptz": true, "interval": true,
}

// word follows the lists that may have positions in them.
func (w *rewriter) word(i int) {
	t := &w.tokens[i]
	switch {
	case t.Is("by"):
		w.by = append(w.by, len(w.in))
	case len(w.by) > 0 && w.by[len(w.by)-1] == len(w.in) && ends[strings.ToLower(t.Text)]:
		w.by = w.by[:len(w.by)-1]
	}
}

// ends are words that end a GROUP BY or ORDER BY.
var ends = map[string]bool{
	"having": true, "order": true, "window": true, "limit": true, "offset": true, "fetch": true, "for": true,
	"union": true, "intersect": true, "except": true, "where": true, "rows": true, "range": true, "groups": true,
}

// stays reports whether a number is no value.
func (w *rewriter) stays(i int) bool {
	before := w.before(i)
	switch {
	case before == nil:
		return false
	case before.Is("limit"), before.Is("offset"), before.Is("first"), before.Is("next"):
		return true
	case len(w.in) > 0 && w.in[len(w.in)-1]:
		return true
	}
	n, err := strconv.Atoi(w.tokens[i].Text)
	return err == nil && n <= maxPosition &&
		(before.Is("by") || before.IsMark(",") && len(w.by) > 0 && w.by[len(w.by)-1] == len(w.in))
}

// maxPosition is how many columns a result may have.
const maxPosition = 1664

// apart reports whether there is something between a token and the one before it.
func (w *rewriter) apart(i int) bool {
	if i == 0 {
		return false
	}
	before := &w.tokens[i-1]
	return before.Kind == Comment || before.Pos+len(before.Text) < w.tokens[i].Pos
}
