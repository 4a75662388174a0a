package observe

import (
	"strings"

	"github.com/smrt-go/smrt/internal/sqltext"
)

// WithoutLiterals returns the text of a statement with ? in place of each literal and
// each number, and without its comments. What hooks hand to other systems of SQL that
// smrt did not write has no values then, even if the program puts them into the text.
// Placeholders such as $1 stay, and so do names: a column that is called like a person
// is still there. What comes after a literal that does not end is left out.
func WithoutLiterals(sql string) string {
	var b strings.Builder
	b.Grow(len(sql))
	l := sqltext.New(sql)
	for end := 0; ; {
		t := l.Next()
		gap := t.Pos > end && b.Len() > 0
		end = t.Pos + len(t.Text)
		switch t.Kind {
		case sqltext.End:
			return b.String()
		case sqltext.Comment:
			end = t.Pos - 1 // it counts as a gap
			continue
		}
		if gap {
			b.WriteByte(' ')
		}
		switch t.Kind {
		case sqltext.Literal, sqltext.Number:
			b.WriteByte('?')
		case sqltext.Unclosed:
			b.WriteByte('?')
			return b.String()
		default:
			b.WriteString(t.Text)
		}
	}
}
