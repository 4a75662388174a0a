package meta

import (
	"slices"
	"strings"
	"sync"
)

// Relation is what was declared of one relation, for messages. Which statement a loop would send for it follows from
// Table and Columns.
type Relation struct {
	Kind    string   // "belongs-to", "has-many", ...
	Parent  string   // Go type
	Child   string   // Go type
	Table   string   // the table that is read, quoted
	Columns []string // its columns that the statement compares with arguments, quoted
	Site    string   // file:line of the declaration
}

// String names the relation as its reader would look for it.
func (r Relation) String() string {
	return r.Kind + " " + r.Parent + " -> " + r.Child + " (declared at " + r.Site + ")"
}

// relations are those of the program. They are declared as package variables, once each and before anyone asks, so they
// are the second thing beside the caches of the declarations that is global. A program that declares the same relation
// for every request adds nothing to them.
var relations struct {
	sync.Mutex
	known map[string]bool
	list  []Relation
}

// DeclareRelation makes a relation known. It is safe for concurrent use.
func DeclareRelation(r Relation) {
	id := strings.Join(append([]string{r.Kind, r.Parent, r.Child, r.Table, r.Site}, r.Columns...), "\x00")
	relations.Lock()
	defer relations.Unlock()
	if relations.known[id] {
		return
	}
	if relations.known == nil {
		relations.known = map[string]bool{}
	}
	relations.known[id] = true
	r.Columns = slices.Clone(r.Columns)
	relations.list = append(relations.list, r)
}

// RelationsFor returns the relations that a SELECT may have been sent for, in the order of their declarations: it reads
// their table, and compares each of their columns with an argument. What smrt sends is recognised exactly; of other SQL
// the names are compared as PostgreSQL would, and whose column a name without its table is, is guessed.
func RelationsFor(sql string) []Relation {
	words := tokens(sql)
	if len(words) == 0 || !words[0].is("select") && !words[0].is("with") {
		return nil
	}
	tables, columns := mentioned(words)
	relations.Lock()
	defer relations.Unlock()
	var found []Relation
	for _, r := range relations.list {
		if r.matches(tables, columns) {
			r.Columns = slices.Clone(r.Columns)
			found = append(found, r)
		}
	}
	return found
}

func (r Relation) matches(tables map[string]bool, columns map[string]bool) bool {
	name := pathOf(tokens(r.Table))
	if len(r.Columns) == 0 || !tables[name] {
		return false
	}
	for _, c := range r.Columns {
		if !columns[pathOf(tokens(c))] {
			return false
		}
	}
	return true
}

// mentioned collects the tables that stand behind FROM and JOIN, each with and without its schema, and the columns that
// are compared with arguments.
func mentioned(words []token) (tables, columns map[string]bool) {
	tables, columns = map[string]bool{}, map[string]bool{}
	for i := 0; i < len(words); i++ {
		if words[i].is("from") || words[i].is("join") {
			if words = skipOnly(words, i+1); i+1 < len(words) && words[i+1].name {
				n := pathLength(words[i+1:])
				tables[pathOf(words[i+1:i+1+n])] = true
				tables[words[i+n].text] = true
			}
			continue
		}
		if !words[i].name {
			continue
		}
		n := pathLength(words[i:])
		last := i + n - 1
		if comparesWithArgument(words[last+1:]) || i >= 2 && words[i-1].text == "=" && words[i-2].argument() {
			columns[words[last].text] = true
		}
		i = last
	}
	return tables, columns
}

// skipOnly removes the ONLY of FROM ONLY.
func skipOnly(words []token, i int) []token {
	if i < len(words) && words[i].is("only") {
		return slices.Delete(words, i, i+1)
	}
	return words
}

// comparesWithArgument tells whether rest, behind a column, begins with = $1, = ANY($1) or IN ($1.
func comparesWithArgument(rest []token) bool {
	at := func(i int) token {
		if i < len(rest) {
			return rest[i]
		}
		return token{}
	}
	switch {
	case at(0).text == "=" && at(1).argument():
		return true
	case at(0).text == "=" && at(1).is("any"), at(0).is("in"):
		rest = rest[1:]
		for len(rest) > 0 && (rest[0].text == "(" || rest[0].is("any")) {
			rest = rest[1:]
		}
		return at(0).argument()
	}
	return false
}

// pathLength is how many words a name with dots takes: 3 for c.id.
func pathLength(words []token) int {
	n := 1
	for n+1 < len(words) && words[n].text == "." && words[n+1].name {
		n += 2
	}
	return n
}

// pathOf joins the parts of a name.
func pathOf(words []token) string {
	parts := make([]string, 0, 2)
	for _, w := range words {
		if w.name {
			parts = append(parts, w.text)
		}
	}
	return strings.Join(parts, ".")
}

// token is a word of SQL. Names without quotes are folded, as PostgreSQL does.
type token struct {
	text   string
	name   bool // an identifier or a keyword
	quoted bool // certainly an identifier
}

func (t token) is(keyword string) bool { return t.name && !t.quoted && t.text == keyword }

func (t token) argument() bool { return !t.name && strings.HasPrefix(t.text, "$") }

// tokens splits SQL into words. Literals and comments are left out. It understands as much as a message needs; where
// text is not what it seems, as an escape in a literal, a relation is missed or offered in vain.
func tokens(sql string) []token {
	var out []token
	for len(sql) > 0 {
		var t token
		t, sql = nextToken(sql)
		if t.text != "" {
			out = append(out, t)
		}
	}
	return out
}

// nextToken takes the first word off sql. The text is empty where there is none.
func nextToken(sql string) (t token, rest string) {
	switch c := sql[0]; {
	case strings.HasPrefix(sql, "--"):
		return t, behind(sql, 2, "\n")
	case strings.HasPrefix(sql, "/*"):
		return t, behind(sql, 2, "*/")
	case c == '\'':
		return t, behind(sql, 1, "'")
	case c == '"':
		rest = behind(sql, 1, `"`)
		name := sql[1 : len(sql)-len(rest)]
		for strings.HasPrefix(rest, `"`) { // a doubled quote is part of the name
			more := behind(rest, 1, `"`)
			name += rest[:len(rest)-len(more)]
			rest = more
		}
		return token{text: strings.TrimSuffix(name, `"`), name: true, quoted: true}, rest
	case isNameStart(c), c == '$':
		n := 1
		for n < len(sql) && (isNameStart(sql[n]) || sql[n] >= '0' && sql[n] <= '9') {
			n++
		}
		if c == '$' {
			if n < len(sql) && sql[n] == '$' && (n == 1 || isNameStart(sql[1])) { // a literal: $tag$...$tag$
				return t, behind(sql, n+1, sql[:n+1])
			}
			return token{text: sql[:n]}, sql[n:]
		}
		return token{text: strings.ToLower(sql[:n]), name: true}, sql[n:]
	case c <= ' ':
		return t, sql[1:]
	}
	return token{text: sql[:1]}, sql[1:]
}

// behind returns what follows end in sql, which is looked for from the given place on.
func behind(sql string, from int, end string) string {
	_, rest, _ := strings.Cut(sql[from:], end)
	return rest
}

func isNameStart(c byte) bool {
	return c == '_' || c >= 0x80 || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
