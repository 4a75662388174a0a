package pool

import (
	"strings"

	"github.com/smrt-go/smrt/internal/sqltext"
)

// trait is what a statement does besides returning its result.
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
	escapes bool   // the text has a backslash, which escapes a quote in some sessions
}

// scan reads a text for what outlives its execution. It looks at tokens, so
// that literals, comments and longer names are nothing to it, but does not
// parse: where the two differ it finds too much, which costs a cleaning. What
// functions of the database do it does not find. Where escapes is true,
// standard_conforming_strings is off.
func scan(sql string, escapes bool) verdict {
	v := verdict{escapes: strings.IndexByte(sql, '\\') >= 0}
	var space [64]sqltext.Token // on the stack
	statements := 0
	l := sqltext.New(sql)
	l.Escapes = escapes
	for rest := l.Append(space[:0]); len(rest) > 0; {
		var s []sqltext.Token
		if s, rest = sqltext.Cut(rest); len(s) == 0 {
			continue
		}
		if statements++; statements > 1 {
			v.trait |= once
		}
		if s = executed(s); len(s) > 0 {
			v.statement(s)
		}
	}
	return v
}

func (v *verdict) bind(feature string) {
	v.trait |= leaves | binds
	if v.feature == "" {
		v.feature = feature
	}
}

// executed returns the statement that EXPLAIN ANALYZE is about, and nothing for
// an EXPLAIN, which does not execute its statement. Of DECLARE it executes the
// query alone.
func executed(s []sqltext.Token) []sqltext.Token {
	if !s[0].Is("explain") {
		return s
	}
	i, analyze := 1, false
	if at(s, i).IsMark("(") { // the last one counts
		for i++; i < len(s) && !s[i].IsMark(")"); i++ {
			if isAnalyze(&s[i]) {
				analyze = !isFalse(at(s, i+1))
			}
		}
		i++
	} else {
		if analyze = isAnalyze(at(s, i)); analyze {
			i++
		}
		if at(s, i).Is("verbose") {
			i++
		}
	}
	if at(s, i).Is("declare") {
		i++
	}
	if !analyze || i >= len(s) {
		return nil
	}
	return s[i:]
}

func isAnalyze(t *sqltext.Token) bool { return t.Is("analyze") || t.Is("analyse") }

// isFalse reports whether an option of EXPLAIN is switched off.
func isFalse(t *sqltext.Token) bool {
	switch strings.ToLower(strings.Trim(t.Text, `'"`)) {
	case "false", "off", "0":
		return true
	}
	return false
}

// statement looks at one statement, which has a token at least.
func (v *verdict) statement(s []sqltext.Token) {
	switch first := &s[0]; {
	case first.Is("set"):
		if !setsInTransaction(s) {
			v.bind("SET")
		}
	case first.Is("reset"):
		v.bind("RESET")
	case first.Is("discard"):
		v.bind("DISCARD")
	case first.Is("deallocate"): // pgx would go on using statements that it prepared
		v.trait |= leaves
	case first.Is("prepare"):
		if at(s, 1).Is("transaction") {
			v.trait |= once
		} else {
			v.bind("PREPARE")
		}
	case first.Is("listen"):
		v.bind("LISTEN")
		v.trait |= hears
	case first.Is("load"):
		v.bind("LOAD")
	case first.Is("declare"):
		if holds(s) {
			v.bind("a cursor WITH HOLD")
		}
	case first.Is("create"):
		if createsTemporary(s) {
			v.bind("a temporary table")
		}
	case first.Is("do"): // it may contain anything, so it is not refused for what it may contain
		v.trait |= leaves | once
	case first.Is("call"):
		v.trait |= once
	case first.Is("begin"), first.Is("start"):
		v.trait |= begins
	}
	if !isDoneLater(s) {
		v.inside(s)
	}
}

// inside looks at what may stand anywhere in a statement.
func (v *verdict) inside(s []sqltext.Token) {
	for i := range s {
		switch t := &s[i]; {
		case t.Is("into") && !at(s, i-1).Is("insert") && !at(s, i-1).Is("merge"):
			if intoTemporary(s[i+1:]) {
				v.bind("a temporary table")
			}
		case t.Is("update") && updatesSettings(s[i+1:]):
			v.bind("an update of pg_settings")
		case !at(s, i+1).IsMark("("), ofAnotherSchema(s, i): // no call, or one of the user's function
		case isSessionLock(t):
			v.bind("a session's advisory lock")
		case t.Names("set_config") && !setsLocally(s[i+1:]):
			v.bind("set_config that is not local")
		}
	}
}

// none stands for the tokens before a statement and after it.
var none sqltext.Token

func at(s []sqltext.Token, i int) *sqltext.Token {
	if i >= 0 && i < len(s) {
		return &s[i]
	}
	return &none
}

// has reports whether words occur in s, one after the other.
func has(s []sqltext.Token, words ...string) bool {
	for i := range s {
		n := 0
		for n < len(words) && at(s, i+n).Is(words[n]) {
			n++
		}
		if n == len(words) {
			return true
		}
	}
	return false
}

// ofAnotherSchema reports whether the name at i is qualified, and not by the
// schema of the server's own functions.
func ofAnotherSchema(s []sqltext.Token, i int) bool {
	return at(s, i-1).IsMark(".") && !at(s, i-2).Names("pg_catalog")
}

// holds reports whether DECLARE says WITH HOLD, which stands before its query.
func holds(s []sqltext.Token) bool {
	for i := range s {
		if s[i].Is("for") {
			return has(s[:i], "with", "hold")
		}
	}
	return false
}

// setsInTransaction reports whether a SET ends with the transaction. In SET local.a = 1,
// local is a part of the name.
func setsInTransaction(s []sqltext.Token) bool {
	scope, next := at(s, 1), at(s, 2)
	if next.IsMark(".") || next.IsMark("=") || next.Is("to") {
		return false
	}
	return scope.Is("local") || scope.Is("transaction") || scope.Is("constraints")
}

// createsTemporary reports whether CREATE makes something that lives as long as
// the session.
func createsTemporary(s []sqltext.Token) bool {
	if has(s, "on", "commit", "drop") {
		return false
	}
	i := 1
	if at(s, 1).Is("or") {
		i = 3 // CREATE OR REPLACE
	}
	if at(s, i).Is("local") || at(s, i).Is("global") {
		i++
	}
	if at(s, i).Is("temp") || at(s, i).Is("temporary") {
		return true
	}
	for ; i < len(s); i++ {
		if isTemporarySchema(s[i:]) {
			return true
		}
	}
	return false
}

// isTemporarySchema reports whether s begins with the name of the session's own
// schema, which also has a number.
func isTemporarySchema(s []sqltext.Token) bool {
	if !s[0].IsName() || !at(s, 1).IsMark(".") {
		return false
	}
	name := s[0].Name()
	return name == "pg_temp" || strings.HasPrefix(name, "pg_temp_")
}

// isDoneLater reports whether a statement defines what others do.
func isDoneLater(s []sqltext.Token) bool {
	if !s[0].Is("create") {
		return false
	}
	for i := 1; i < len(s); i++ {
		switch t := &s[i]; {
		case t.Is("or"), t.Is("replace"), t.Is("local"), t.Is("global"), t.Is("temp"), t.Is("temporary"), t.Is("recursive"), t.Is("constraint"):
		default:
			return t.Is("function") || t.Is("procedure") || t.Is("view") || t.Is("rule") || t.Is("trigger") || t.Is("policy")
		}
	}
	return false
}

// intoTemporary reports whether what follows INTO in a query is a temporary
// table. It may also be a table called temp.
func intoTemporary(s []sqltext.Token) bool {
	if at(s, 0).Is("local") || at(s, 0).Is("global") {
		s = s[1:]
	}
	switch first := at(s, 0); {
	case first.Is("temp"), first.Is("temporary"):
		return at(s, 1).IsName() && !endsInto(at(s, 1))
	case first.IsName():
		return isTemporarySchema(s)
	}
	return false
}

// endsInto reports whether t is a keyword that may follow the table of SELECT
// INTO, and is no name.
func endsInto(t *sqltext.Token) bool {
	for _, keyword := range []string{
		"from", "where", "group", "having", "window", "union", "intersect", "except", "order", "limit", "offset", "fetch", "for",
	} {
		if t.Is(keyword) {
			return true
		}
	}
	return false
}

// updatesSettings reports whether what follows UPDATE is pg_settings, a view
// that does what SET does.
func updatesSettings(s []sqltext.Token) bool {
	i := 0
	if at(s, 0).Is("only") {
		i++
	}
	if at(s, i).IsMark("(") {
		i++
	}
	for at(s, i+1).IsMark(".") { // the database's name may stand before the schema's
		i += 2
	}
	return at(s, i).Names("pg_settings") && !ofAnotherSchema(s, i)
}

func isSessionLock(t *sqltext.Token) bool {
	return t.Names("pg_advisory_lock") || t.Names("pg_advisory_lock_shared") ||
		t.Names("pg_try_advisory_lock") || t.Names("pg_try_advisory_lock_shared")
}

// setsLocally reports whether the arguments of set_config, with which s begins,
// say that the value ends with the transaction: the last one is true, or the
// one that is called is_local.
func setsLocally(s []sqltext.Token) bool {
	depth, start := 0, 1
	for i := range s {
		if s[i].Kind != sqltext.Mark {
			continue
		}
		switch s[i].Text {
		case "(", "[":
			depth++
		case ")", "]":
			if depth--; depth == 0 {
				return isTrue(s[start:i])
			}
		case ",":
			if depth == 1 {
				if isTrue(s[start:i]) && at(s, start).Names("is_local") {
					return true
				}
				start = i + 1
			}
		}
	}
	return false
}

// isTrue reports whether an argument, with or without its name, is true.
func isTrue(s []sqltext.Token) bool {
	if len(s) == 3 && (s[1].IsMark("=>") || s[1].IsMark(":=")) {
		return s[0].Names("is_local") && isTrue(s[2:])
	}
	if len(s) != 1 {
		return false
	}
	switch s[0].Text {
	case "'t'", "'true'", "'on'":
		return true
	}
	return s[0].Is("true")
}
