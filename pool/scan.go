package pool

import "github.com/smrt-go/smrt/internal/sqltext"

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
}

// scan reads a text for what outlives its execution. It looks at tokens, so
// that literals, comments and longer names are nothing to it, but does not
// parse: where the two differ it finds too much, which costs a cleaning. What
// functions of the database do it does not find.
func scan(sql string) verdict {
	var v verdict
	var space [64]sqltext.Token // on the stack
	statements := 0
	for rest := sqltext.Append(space[:0], sql); len(rest) > 0; {
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
// an EXPLAIN, which does not execute its statement.
func executed(s []sqltext.Token) []sqltext.Token {
	if !s[0].Is("explain") {
		return s
	}
	analyze := false
	for i := 1; i < len(s); i++ {
		switch t := &s[i]; {
		case t.Is("analyze"), t.Is("analyse"):
			analyze = true
		case t.IsMark("("):
			for i++; i < len(s) && !s[i].IsMark(")"); i++ {
				analyze = analyze || s[i].Is("analyze") || s[i].Is("analyse")
			}
		case t.Is("verbose"):
		case analyze:
			return s[i:]
		default:
			return nil
		}
	}
	return nil
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
		if has(s, "with", "hold") {
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
	if !definesFunction(s) {
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
		case !at(s, i+1).IsMark("("): // no call
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

func isTemporarySchema(s []sqltext.Token) bool {
	return at(s, 1).IsMark(".") && s[0].Names("pg_temp")
}

// definesFunction reports whether what stands in s is done later.
func definesFunction(s []sqltext.Token) bool {
	if !s[0].Is("create") {
		return false
	}
	kind := at(s, 1)
	if kind.Is("or") {
		kind = at(s, 3)
	}
	return kind.Is("function") || kind.Is("procedure")
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
	if at(s, 0).Is("only") {
		s = s[1:]
	}
	if at(s, 0).Names("pg_catalog") && at(s, 1).IsMark(".") {
		s = s[2:]
	}
	return at(s, 0).Names("pg_settings") && !at(s, 1).IsMark(".")
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
		return s[0].Names("is_local") && s[2].Is("true")
	}
	return len(s) == 1 && s[0].Is("true")
}
