package traced

import (
	"runtime"
	"strings"
	"sync"
	"weak"
)

// Name is what a statement is for.
type Name struct {
	Table     string // as it was declared; empty: of no table, or of several
	Operation string // that of the library that sends it: get, find, create
}

// Text is a text with its name. Whoever keeps the text keeps its Text, and the name
// is known for as long.
type Text struct {
	sql  string
	name Name
}

// Name returns the name of the text, which is zero for nil.
func (t *Text) Name() Name {
	if t == nil {
		return Name{}
	}
	return t.name
}

// names has the texts that somebody keeps. It keeps none of them alive: a cache
// that drops a text, and a declaration that is gone, take its name with them.
var names = struct {
	mu     sync.RWMutex
	kept   map[string]weak.Pointer[Text]
	passed map[string]passed // of texts that nobody keeps
}{kept: map[string]weak.Pointer[Text]{}, passed: map[string]passed{}}

// passed is the name of a text that nobody keeps, and the text that stands for it.
type passed struct {
	Name
	as string // "": itself
}

// Keep names a text that is made once and kept together with the result. Of two
// names for one text the first stays: what two operations send alike is not told
// apart.
func Keep(sql string, n Name) *Text {
	names.mu.Lock()
	defer names.mu.Unlock()
	if t := names.kept[sql].Value(); t != nil {
		return t
	}
	t := &Text{sql: sql, name: n}
	w := weak.Make(t)
	names.kept[sql] = w
	runtime.AddCleanup(t, func(sql string) { forget(sql, w) }, sql)
	return t
}

func forget(sql string, w weak.Pointer[Text]) {
	names.mu.Lock()
	defer names.mu.Unlock()
	if names.kept[sql] == w { // not the Text of another who made the same
		delete(names.kept, sql)
	}
}

// maxPassed bounds the names of texts that nobody keeps. The next one drops all,
// and those that are still in use come back.
const (
	maxPassed     = 1024
	maxPassedText = 32 << 10
)

// Pass names a text that is made for each call, and returns it. Where nobody
// observes it does nothing.
func Pass(sql, table, operation string) string { return PassAs(sql, "", table, operation) }

// PassAs is Pass for a text that is another one each time, for example because the name
// of a cursor is in it. Observers take it for as.
func PassAs(sql, as, table, operation string) string {
	if !observed.Load() || len(sql) > maxPassedText {
		return sql
	}
	n := passed{Name{table, operation}, as}
	names.mu.RLock()
	is, ok := names.passed[sql]
	names.mu.RUnlock()
	if ok && is == n {
		return sql
	}
	names.mu.Lock()
	defer names.mu.Unlock()
	if len(names.passed) >= maxPassed {
		names.passed = map[string]passed{}
	}
	names.passed[sql] = n
	return sql
}

// KeepCopy names the COPY into a declared table. It is kept like a text.
func KeepCopy(table string) *Text { return Keep(copyText(table), Name{table, "copy"}) }

// NameOfCopy returns the name of the COPY into a table. That of a table which nobody
// declared is made by the program, perhaps of what a user said, so it names nothing.
func NameOfCopy(table string) Name {
	if n, ok := NameOf(copyText(table)); ok {
		return n
	}
	return Name{Operation: "copy"}
}

// copyText stands for the COPY into a table. It is no SQL, so no statement has it.
func copyText(table string) string { return "COPY " + table + " FROM" }

// constants are texts of the library that belong to no table of the program. The
// first three are pgx's.
var constants = map[string]Name{
	"begin":    {Operation: "begin"},
	"commit":   {Operation: "commit"},
	"rollback": {Operation: "rollback"},
}

// NameOf returns the name of a text, and false if nobody has named it.
func NameOf(sql string) (Name, bool) {
	if n, ok := constants[sql]; ok {
		return n, true
	}
	names.mu.RLock()
	defer names.mu.RUnlock()
	if t := names.kept[sql].Value(); t != nil {
		return t.name, true
	}
	if n, ok := names.passed[sql]; ok {
		return n.Name, true
	}
	return ofTransactions(sql)
}

// As returns the text that stands for a text, which is itself for most.
func As(sql string) string {
	names.mu.RLock()
	defer names.mu.RUnlock()
	if n := names.passed[sql]; n.as != "" {
		return n.as
	}
	return sql
}

// ofTransactions names what pgx and package txn send around statements, of which the
// rest is the level or the kind of transaction.
func ofTransactions(sql string) (Name, bool) {
	switch {
	case strings.HasPrefix(sql, "begin "):
		return Name{Operation: "begin"}, true
	case strings.HasPrefix(sql, "savepoint "), strings.HasPrefix(sql, "release savepoint "), strings.HasPrefix(sql, "rollback to savepoint "):
		return Name{Operation: "savepoint"}, true
	}
	return Name{}, false
}

// QueryName returns the name in the comment that sqlc puts in front of a query,
// "-- name: ListOrders :many", or nothing.
func QueryName(text string) string {
	rest, ok := strings.CutPrefix(text, "-- name: ")
	if !ok {
		return ""
	}
	line, _, _ := strings.Cut(rest, "\n")
	name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
	if !strings.HasPrefix(kind, ":") {
		return ""
	}
	return name
}

// Names returns how many texts have names.
func Names() int {
	names.mu.RLock()
	defer names.mu.RUnlock()
	return len(names.kept) + len(names.passed)
}
