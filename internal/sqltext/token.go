package sqltext

import (
	"strings"
	"unicode/utf8"
)

// Kind is what a token is.
type Kind uint8

// The kinds of tokens.
const (
	End        Kind = iota // there is no further token
	Word                   // a keyword, or a name without quotes
	QuotedName             // "name", U&"name", U&"name" UESCAPE '!'
	Literal                // '...' with whatever prefix, $$...$$
	Number                 // 1, 1.5e3, 0x1f
	Param                  // $1
	Operator               // what is made of the characters of operators: +, <>, ?|
	Mark                   // ( ) [ ] , ; . .. : :: := and what SQL has no use for
	Comment                // -- or /* */
	Unclosed               // a comment, name or literal that does not end
)

// Token is a part of a text.
type Token struct {
	Text string // as it is written
	Pos  int    // of its first byte
	Kind Kind
}

// Is reports whether t is a keyword, which must be given in lower case.
func (t *Token) Is(keyword string) bool {
	if t.Kind != Word || len(t.Text) != len(keyword) {
		return false
	}
	for i := range len(keyword) {
		if lower(t.Text[i]) != keyword[i] {
			return false
		}
	}
	return true
}

// IsMark reports whether t is the given mark or operator.
func (t *Token) IsMark(text string) bool {
	return (t.Kind == Mark || t.Kind == Operator) && t.Text == text
}

// IsName reports whether t can be a name. Which words are reserved it does not
// know.
func (t *Token) IsName() bool { return t.Kind == Word || t.Kind == QuotedName }

// Names reports whether t is the given name. A name without quotes is folded to
// lower case, as the server does.
func (t *Token) Names(name string) bool {
	switch t.Kind {
	case Word:
		return t.Is(name)
	case QuotedName:
		return t.Name() == name
	}
	return false
}

// maxParams is how many parameters the protocol has room for.
const maxParams = 65535

// Param returns the number of a parameter, 0 for what is none, or is too large for one.
func (t *Token) Param() (n int) {
	if t.Kind != Param {
		return 0
	}
	for _, digit := range t.Text[1:] {
		if n = 10*n + int(digit-'0'); n > maxParams {
			return 0
		}
	}
	return n
}

// Name returns the name that t stands for: folded if it has no quotes, without
// its quotes and escapes otherwise. It is empty if t is no name.
func (t *Token) Name() string {
	switch t.Kind {
	case Word:
		return fold(t.Text)
	case QuotedName:
		if t.Text[0] == '"' {
			return unquote(t.Text)
		}
		l := Lexer{text: t.Text, pos: len("U&")}
		_, end := l.quotedName(l.pos)
		name := unquote(t.Text[l.pos:end])
		if end == len(t.Text) {
			return unescape(name, '\\')
		}
		return unescape(name, escapeOf(t.Text))
	}
	return ""
}

// unquote returns a name without its quotes.
func unquote(s string) string { return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`) }

// escapeOf returns the character that a name gives with UESCAPE, in a literal at
// its end: '!' or $$!$$.
func escapeOf(s string) byte {
	end := len(s) - 1
	if s[end] == '$' { // of the tag in $tag$!$tag$
		end = strings.LastIndexByte(s[:end], '$')
	}
	return s[end-1]
}

// fold is strings.ToLower for ASCII only.
func fold(s string) string {
	for i := range len(s) {
		if lower(s[i]) != s[i] {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lower(b[i])
			}
			return string(b)
		}
	}
	return s
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// unescape replaces the escapes \XXXX and \+XXXXXX of a U& name, which may have
// another character than the backslash for them.
func unescape(s string, escape byte) string {
	var b strings.Builder
	for len(s) > 0 {
		i := strings.IndexByte(s, escape)
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		switch {
		case len(s) > 0 && s[0] == escape:
			b.WriteByte(escape)
			s = s[1:]
		case strings.HasPrefix(s, "+"):
			s = writeRune(&b, s[1:], 6)
		default:
			s = writeRune(&b, s, 4)
		}
	}
	return b.String() + s
}

// writeRune writes the character of which s begins with the hexadecimal digits,
// and returns the rest.
func writeRune(b *strings.Builder, s string, digits int) string {
	var r rune
	n := 0
	for ; n < digits && n < len(s) && classes[s[n]]&hex != 0; n++ {
		r = r<<4 | rune(digitValue(s[n]))
	}
	if n == digits && utf8.ValidRune(r) {
		b.WriteRune(r)
	}
	return s[n:]
}

func digitValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}
