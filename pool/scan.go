package pool

import "strings"

// trait is what a statement does beside its result.
type trait uint8

const (
	leaves trait = 1 << iota // leaves something in the session
	hears                    // lets the server send notifications, which pgx keeps
	once                     // may have had an effect although it failed
	begins                   // begins a transaction
	binds                    // needs the session that it runs in
)

// verdict is what is known of a text of SQL.
type verdict struct {
	trait
	feature string // what binds it
}

// scan reads a text for what outlives its execution. It looks for words and
// does not parse: what it finds too much costs a cleaning, and what functions
// of the database do it does not find.
func scan(sql string) verdict {
	var v verdict
	text := strings.ToLower(sql)
	for n, rest := 0, skipSpace(text); rest != ""; n++ {
		if n == 1 {
			v.trait |= once
		}
		v.statement(rest)
		_, rest, _ = strings.Cut(rest, ";")
		rest = skipSpace(rest)
	}
	if strings.Contains(text, "advisory_lock") {
		v.bind("a session's advisory lock")
	}
	if setsConfig(text) {
		v.bind("set_config that is not local")
	}
	return v
}

func (v *verdict) bind(feature string) {
	v.trait |= leaves | binds
	if v.feature == "" {
		v.feature = feature
	}
}

// statement looks at the first words of a statement.
func (v *verdict) statement(text string) {
	word, rest := nextWord(text)
	second, _ := nextWord(rest)
	switch word {
	case "set":
		if second != "local" && second != "transaction" && second != "constraints" {
			v.bind("SET")
		}
	case "prepare":
		if second == "transaction" {
			v.trait |= once
		} else {
			v.bind("PREPARE")
		}
	case "listen":
		v.bind("LISTEN")
		v.trait |= hears
	case "load":
		v.bind("LOAD")
	case "declare":
		if strings.Contains(text, "with hold") {
			v.bind("a cursor WITH HOLD")
		}
	case "create", "select", "with":
		if makesTemporary(word, text) {
			v.bind("a temporary table")
		}
	case "do": // it may contain anything, so it is not refused for what it may contain
		v.trait |= leaves | once
	case "call":
		v.trait |= once
	case "begin", "start":
		v.trait |= begins
	}
}

// makesTemporary tells whether a statement makes something that lives as long
// as the session.
func makesTemporary(word, text string) bool {
	text, _, _ = strings.Cut(text, ";")
	if word != "create" {
		return selectsIntoTemporary(text)
	}
	if strings.Contains(text, "on commit drop") {
		return false
	}
	if strings.Contains(text, "pg_temp.") {
		return true
	}
	for range 4 { // CREATE OR REPLACE LOCAL TEMPORARY, and nothing longer
		if word, text = nextWord(text); word == "temp" || word == "temporary" {
			return true
		}
	}
	return false
}

// selectsIntoTemporary tells whether a query makes a temporary table of its
// rows.
func selectsIntoTemporary(text string) bool {
	for found := true; found; {
		_, text, found = strings.Cut(text, " into ")
		word, rest := nextWord(text)
		if name, _ := nextWord(rest); name != "" && (word == "temp" || word == "temporary") {
			return true
		}
	}
	return false
}

// setsConfig tells whether text calls set_config without saying that the value
// is local.
func setsConfig(text string) bool {
	for {
		_, call, found := strings.Cut(text, "set_config")
		if !found {
			return false
		}
		text = call
		if lastArgument(call) != "true" {
			return true
		}
	}
}

// lastArgument is the text of the last argument of a call, of which only the
// name is missing.
func lastArgument(call string) string {
	depth, start, quoted := 0, 0, false
	for i := range len(call) {
		switch c := call[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ',' && depth == 1:
			start = i + 1
		case c == ')':
			if depth--; depth == 0 {
				return strings.TrimSpace(call[start:i])
			}
		}
	}
	return ""
}

// nextWord splits the first word off a text.
func nextWord(text string) (word, rest string) {
	text = skipSpace(text)
	i := 0
	for i < len(text) && (text[i] >= 'a' && text[i] <= 'z' || text[i] == '_') {
		i++
	}
	return text[:i], text[i:]
}

// skipSpace drops white space and comments.
func skipSpace(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n\f\v")
		switch {
		case strings.HasPrefix(text, "--"):
			_, text, _ = strings.Cut(text, "\n")
		case strings.HasPrefix(text, "/*"):
			text = skipComment(text)
		default:
			return text
		}
	}
}

// skipComment drops a comment in front, which may contain others.
func skipComment(text string) string {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return text[i+1:]
			}
		}
	}
	return ""
}
