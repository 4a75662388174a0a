package observe

import (
	"strings"

	"github.com/smrt-go/smrt/internal/relation"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// maxText is the length from which on a text is not worth keeping: it was
// assembled with its values.
const maxText = 32 << 10

// verbs begin the statements that are counted. Others control transactions,
// sessions and cursors: a cursor is read by repeating FETCH, and a transaction
// in a loop is found by what is sent within.
var verbs = map[string]bool{
	"select": true, "insert": true, "update": true, "delete": true, "merge": true, "with": true, "values": true,
	"table": true, "call": true,
}

// counted reports whether repeats of a statement are counted. Reads of the
// catalog are not: smrt and others read it when they use a table for the first
// time.
func counted(text string) bool {
	return len(text) <= maxText && verbs[verb(text)] && !readsCatalog(text)
}

// verb returns the first word of a statement in lower case, after comments and
// parentheses.
func verb(text string) string {
	l := sqltext.New(text)
	t := l.Next()
	for t.Kind == sqltext.Comment || t.IsMark("(") {
		t = l.Next()
	}
	if t.Kind != sqltext.Word {
		return ""
	}
	return t.Name()
}

// readsCatalog reports whether a statement reads FROM pg_catalog. Each new text
// of a request is asked for it, so the tokens are looked at only where the name
// occurs at all.
func readsCatalog(text string) bool {
	if !strings.Contains(text, "pg_catalog") {
		return false
	}
	tokens := sqltext.Append(nil, text)
	for i := 2; i < len(tokens); i++ {
		if tokens[i-2].Is("from") && tokens[i-1].Names("pg_catalog") && tokens[i].IsMark(".") {
			return true
		}
	}
	return false
}

// trim returns a statement without a comment at its start and one at its end,
// where some programs put the identity of the request.
func trim(sql string) string {
	sql = strings.TrimSpace(sql)
	if strings.HasPrefix(sql, "/*") {
		l := sqltext.New(sql)
		if t := l.Next(); t.Kind == sqltext.Comment {
			sql = strings.TrimSpace(sql[len(t.Text):])
		}
	}
	if strings.HasSuffix(sql, "*/") {
		var last sqltext.Token
		for l := sqltext.New(sql); ; {
			t := l.Next()
			if t.Kind == sqltext.End {
				break
			}
			last = t
		}
		if last.Kind == sqltext.Comment {
			sql = strings.TrimSpace(sql[:last.Pos])
		}
	}
	return sql
}

// relationsFor returns the relations that a SELECT may have been sent for, in
// the order of their declarations: it reads their table, and compares each of
// their columns with an argument. What smrt sends is recognised exactly. In
// other SQL names are compared as PostgreSQL does; if a column has no table in
// front, it counts as one of each table.
func relationsFor(sql string) []relation.Relation {
	tokens := sqltext.Append(nil, sql)
	if len(tokens) == 0 || !tokens[0].Is("select") && !tokens[0].Is("with") {
		return nil
	}
	tables, columns := mentioned(tokens)
	var found []relation.Relation
	for _, r := range relation.All() {
		if matches(&r, tables, columns) {
			found = append(found, r)
		}
	}
	return found
}

func matches(r *relation.Relation, tables, columns map[string]bool) bool {
	if len(r.Columns) == 0 || !tables[pathOf(sqltext.Append(nil, r.Table))] {
		return false
	}
	for _, c := range r.Columns {
		if !columns[pathOf(sqltext.Append(nil, c))] {
			return false
		}
	}
	return true
}

// mentioned returns the tables after FROM and JOIN, each with and without its
// schema, and the columns that are compared with arguments.
func mentioned(tokens []sqltext.Token) (tables, columns map[string]bool) {
	tables, columns = map[string]bool{}, map[string]bool{}
	for i := 0; i < len(tokens); i++ {
		if tokens[i].Is("from") || tokens[i].Is("join") {
			if i+1 < len(tokens) && tokens[i+1].Is("only") {
				i++
			}
			if i+1 < len(tokens) && tokens[i+1].IsName() {
				n := pathLength(tokens[i+1:])
				tables[pathOf(tokens[i+1:i+1+n])] = true
				tables[tokens[i+n].Name()] = true
			}
			continue
		}
		if !tokens[i].IsName() {
			continue
		}
		last := i + pathLength(tokens[i:]) - 1
		if comparesWithArgument(tokens[last+1:]) ||
			i >= 2 && tokens[i-1].IsMark("=") && tokens[i-2].Kind == sqltext.Param {
			columns[tokens[last].Name()] = true
		}
		i = last
	}
	return tables, columns
}

// comparesWithArgument reports whether rest, which follows a column, begins
// with = $1, = ANY($1) or IN ($1.
func comparesWithArgument(rest []sqltext.Token) bool {
	isParam := func(i int) bool { return i < len(rest) && rest[i].Kind == sqltext.Param }
	switch {
	case len(rest) < 2:
		return false
	case rest[0].IsMark("=") && isParam(1):
		return true
	case rest[0].IsMark("=") && rest[1].Is("any"), rest[0].Is("in"):
		i := 1
		for i < len(rest) && (rest[i].IsMark("(") || rest[i].Is("any")) {
			i++
		}
		return isParam(i)
	}
	return false
}

// pathLength returns how many tokens a name with dots takes: 3 for c.id.
func pathLength(tokens []sqltext.Token) int {
	n := 1
	for n+1 < len(tokens) && tokens[n].IsMark(".") && tokens[n+1].IsName() {
		n += 2
	}
	return n
}

// pathOf joins the parts of a name with dots.
func pathOf(tokens []sqltext.Token) string {
	parts := make([]string, 0, 2)
	for i := range tokens {
		if tokens[i].IsName() {
			parts = append(parts, tokens[i].Name())
		}
	}
	return strings.Join(parts, ".")
}
