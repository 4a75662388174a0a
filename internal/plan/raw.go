package plan

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/smrt-go/smrt"
)

// CheckFragment refuses a fragment without arguments that could be more than
// the expression it stands for.
func CheckFragment(sql string) error {
	_, _, err := splitRaw(sql, 0)
	return err
}

// splitRaw translates a fragment with $1, $2, ... into squirrel's form, where
// every argument is a ? and a ? that is meant is written twice. It returns the
// arguments in the order in which they occur, counted from 0.
//
// It follows PostgreSQL's lexical rules for quoted text, so that a $1 inside a
// string stays one.
func splitRaw(sql string, args int) (string, []int, error) {
	if err := checkText(sql); err != nil {
		return "", nil, err
	}
	var b strings.Builder
	var order []int
	used := make([]bool, args)
	depth := 0
	for i := 0; i < len(sql); {
		end, err := skipQuoted(sql, i)
		if err != nil {
			return "", nil, err
		}
		if end > i {
			b.WriteString(Escape(sql[i:end]))
			i = end
			continue
		}
		switch {
		case sql[i] == '?':
			b.WriteString("??")
		case sql[i] == '$' && i+1 < len(sql) && isDigit(sql[i+1]):
			start, n := i, 0
			for i++; i < len(sql) && isDigit(sql[i]); i++ {
				n = min(n*10+int(sql[i]-'0'), 1<<20)
			}
			if n < 1 || n > args {
				return "", nil, badRaw(sql, "$%d has no argument: %d given", n, args)
			}
			if start > 0 && (isWord(sql[start-1]) || sql[start-1] == '$') || i < len(sql) && isWord(sql[i]) {
				return "", nil, badRaw(sql, "$%d touches a word: put a space between them", n)
			}
			used[n-1] = true
			order = append(order, n-1)
			b.WriteByte('?')
			if i < len(sql) && (sql[i] == '?' || sql[i] == '$') {
				b.WriteByte(' ') // two marks in a row would be read as one that is meant
			}
			continue
		case sql[i] == '(':
			depth++
			b.WriteByte('(')
		case sql[i] == ')':
			if depth--; depth < 0 {
				return "", nil, badRaw(sql, "the parenthesis at byte %d closes nothing", i)
			}
			b.WriteByte(')')
		default:
			b.WriteByte(sql[i])
		}
		i++
	}
	if depth > 0 {
		return "", nil, badRaw(sql, "a parenthesis is not closed")
	}
	for i, u := range used {
		if !u {
			return "", nil, badRaw(sql, "argument %d is not used: write $%d in the fragment", i+1, i+1)
		}
	}
	return b.String(), order, nil
}

// checkText refuses a fragment that has nothing in it, or what no statement may
// have: a NUL would end it, for the server, in its middle.
func checkText(sql string) error {
	switch {
	case strings.TrimSpace(sql) == "":
		return badRaw(sql, "it is empty")
	case strings.IndexByte(sql, 0) >= 0 || !utf8.ValidString(sql):
		return badRaw(sql, "a NUL byte or invalid UTF-8 cannot be part of a statement")
	}
	return nil
}

func badRaw(sql, format string, args ...any) error {
	return &smrt.QueryError{Reason: fmt.Sprintf("fragment %q: ", sql) + fmt.Sprintf(format, args...)}
}

// skipQuoted returns the end of the quoted text that begins at i, or i if none
// does. Comments are refused: one could swallow the rest of the statement.
func skipQuoted(sql string, i int) (int, error) {
	rest := sql[i:]
	switch {
	case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "/*"):
		return 0, badRaw(sql, "comments do not belong in a fragment: use Comment or Hint of the query")
	case rest[0] == ';':
		return 0, badRaw(sql, "a fragment is not a statement: remove the semicolon")
	case rest[0] == '\'':
		return closing(sql, i, '\'', escapes(sql, i))
	case rest[0] == '"':
		return closing(sql, i, '"', false)
	case rest[0] == '$' && (i == 0 || !isWord(sql[i-1])):
		tag := dollarTag(rest)
		if tag == "" {
			return i, nil
		}
		n := strings.Index(rest[len(tag):], tag)
		if n < 0 {
			return 0, badRaw(sql, "the quoted text that begins at byte %d does not end", i)
		}
		return i + 2*len(tag) + n, nil
	}
	return i, nil
}

// escapes tells whether the string that opens at i is an E'...' string.
func escapes(sql string, i int) bool {
	return i > 0 && (sql[i-1] == 'E' || sql[i-1] == 'e') && (i == 1 || !isWord(sql[i-2]))
}

func closing(sql string, i int, quote byte, backslash bool) (int, error) {
	for j := i + 1; j < len(sql); j++ {
		switch {
		case backslash && sql[j] == '\\':
			j++
		case sql[j] == quote && j+1 < len(sql) && sql[j+1] == quote:
			j++
		case sql[j] == quote:
			return j + 1, nil
		}
	}
	return 0, badRaw(sql, "the quoted text that begins at byte %d does not end", i)
}

// dollarTag returns the opening $tag$ of s, or "".
func dollarTag(s string) string {
	for j := 1; j < len(s); j++ {
		if s[j] == '$' {
			return s[:j+1]
		}
		if !isWord(s[j]) || j == 1 && isDigit(s[j]) {
			return ""
		}
	}
	return ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// Escape protects literal question marks from squirrel, which reads them as
// placeholders wherever they stand.
func Escape(sql string) string { return strings.ReplaceAll(sql, "?", "??") }
