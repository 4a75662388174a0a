package sqltext

import "strings"

// Lexer reads a text token by token. The zero Lexer reads the empty text.
type Lexer struct {
	text string
	pos  int

	// Escapes says that a backslash escapes in literals without a prefix, as it
	// does where standard_conforming_strings is off.
	Escapes bool
}

// New returns a lexer of a text.
func New(text string) Lexer { return Lexer{text: text} }

// Append appends the tokens of a text to tokens, without its comments.
func Append(tokens []Token, text string) []Token { return New(text).Append(tokens) }

// Append appends the tokens that are left to tokens, without comments.
func (l Lexer) Append(tokens []Token) []Token {
	for {
		t := l.Next()
		switch t.Kind {
		case End:
			return tokens
		case Comment:
		default:
			tokens = append(tokens, t)
		}
	}
}

// Next returns the next token; its kind is End if there is none.
func (l *Lexer) Next() Token {
	for l.pos < len(l.text) && classes[l.text[l.pos]]&space != 0 {
		l.pos++
	}
	if l.pos == len(l.text) {
		return Token{Pos: l.pos}
	}
	start := l.pos
	kind, end := l.scan(start)
	if kind == QuotedName && l.text[start] != '"' {
		end = l.escapeEnd(end)
	}
	l.pos = end
	return Token{Text: l.text[start:end], Pos: start, Kind: kind}
}

// scan returns the kind of the token at i, and where it ends.
func (l *Lexer) scan(i int) (Kind, int) {
	c := l.text[i]
	next := l.at(i + 1)
	switch class := classes[c]; {
	case class&letter != 0:
		return l.word(i)
	case class&digit != 0, c == '.' && classes[next]&digit != 0:
		return Number, l.number(i)
	case c == '\'':
		return l.literal(i, l.Escapes)
	case c == '"':
		return l.quotedName(i)
	case c == '$':
		return l.dollar(i)
	case c == '-' && next == '-':
		return Comment, l.lineEnd(i)
	case c == '/' && next == '*':
		return l.comment(i)
	case class&operator != 0:
		return Operator, l.operator(i)
	case c == ':' && (next == ':' || next == '='), c == '.' && next == '.':
		return Mark, i + 2
	}
	return Mark, i + 1
}

// at returns a byte of the text, 0 behind its end.
func (l *Lexer) at(i int) byte {
	if i < len(l.text) {
		return l.text[i]
	}
	return 0
}

// skip returns where the bytes of the given classes end that begin at i.
func (l *Lexer) skip(i int, class uint8) int {
	for i < len(l.text) && classes[l.text[i]]&class != 0 {
		i++
	}
	return i
}

// word reads a word, or the literal or name of which its one letter is the
// prefix.
func (l *Lexer) word(i int) (Kind, int) {
	switch next := l.at(i + 1); {
	case next == '\'':
		switch l.text[i] {
		case 'e', 'E':
			return l.literal(i+1, true)
		case 'n', 'N':
			return l.literal(i+1, l.Escapes)
		case 'b', 'B', 'x', 'X':
			return l.literal(i+1, false)
		}
	case next == '&' && lower(l.text[i]) == 'u':
		switch l.at(i + 2) {
		case '\'':
			return l.literal(i+2, false)
		case '"':
			return l.quotedName(i + 2)
		}
	}
	return Word, l.skip(i, letter|digit|dollar)
}

// literal reads a literal whose quote is at i. It goes on behind its end if
// there is a line break and another quote: 'a' and 'b' on two lines are one.
func (l *Lexer) literal(i int, backslash bool) (Kind, int) {
	for {
		end := l.quoteEnd(i+1, '\'', backslash)
		if end < 0 {
			return Unclosed, len(l.text)
		}
		if i = l.continued(end); i < 0 {
			return Literal, end
		}
	}
}

// quotedName reads a name whose quote is at i. A backslash never hides a quote
// in it: after U& it begins an escape, and elsewhere it stands for itself.
func (l *Lexer) quotedName(i int) (Kind, int) {
	end := l.quoteEnd(i+1, '"', false)
	if end < 0 {
		return Unclosed, len(l.text)
	}
	return QuotedName, end
}

// escapeEnd returns the end of a name U&"..." that ends before i: it goes on with
// UESCAPE and a literal, if these follow. The server reads them as one, too.
func (l *Lexer) escapeEnd(i int) int {
	rest := Lexer{text: l.text, pos: i, Escapes: l.Escapes}
	word := rest.skipComments()
	if !word.Is("uescape") {
		return i
	}
	if literal := rest.skipComments(); literal.Kind == Literal {
		return rest.pos
	}
	return i
}

// skipComments returns the next token that is no comment.
func (l *Lexer) skipComments() Token {
	for {
		if t := l.Next(); t.Kind != Comment {
			return t
		}
	}
}

// quoteEnd returns what is behind the quote that ends the text at i, -1 if none
// does. A quote that is written twice stands for itself.
func (l *Lexer) quoteEnd(i int, quote byte, backslash bool) int {
	for ; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == quote && l.at(i+1) == quote && i+1 < len(l.text):
			i++
		case c == quote:
			return i + 1
		case c == '\\' && backslash:
			i++
		}
	}
	return -1
}

// continued returns where a literal that ended before i goes on, or -1. Line
// comments may stand between, each with the end of its line.
func (l *Lexer) continued(i int) int {
	lines := 0
	for i < len(l.text) {
		switch c := l.text[i]; {
		case c == '\n' || c == '\r':
			lines++
			i++
		case classes[c]&space != 0:
			i++
		case c == '-' && l.at(i+1) == '-':
			if i = l.lineEnd(i); i == len(l.text) {
				return -1
			}
		case c == '\'' && lines > 0:
			return i
		default:
			return -1
		}
	}
	return -1
}

// dollar reads a parameter or a literal between $tag$ and $tag$.
func (l *Lexer) dollar(i int) (Kind, int) {
	if end := l.skip(i+1, digit); end > i+1 {
		return Param, end
	}
	// What is left is $tag$ or a dollar sign alone. A tag has no dollar sign in
	// it, and its first byte is no digit: that would have been a parameter.
	tag := l.skip(i+1, letter|digit)
	if l.at(tag) != '$' {
		return Mark, i + 1
	}
	tag++
	n := strings.Index(l.text[tag:], l.text[i:tag])
	if n < 0 {
		return Unclosed, len(l.text)
	}
	return Literal, 2*tag - i + n
}

// lineEnd returns the end of the line of i, without the line break.
func (l *Lexer) lineEnd(i int) int {
	if n := strings.IndexAny(l.text[i:], "\n\r"); n >= 0 {
		return i + n
	}
	return len(l.text)
}

// comment reads a comment, which may contain others.
func (l *Lexer) comment(i int) (Kind, int) {
	depth := 1
	for i += 2; i+1 < len(l.text); i++ {
		switch {
		case l.text[i] == '/' && l.text[i+1] == '*':
			depth++
			i++
		case l.text[i] == '*' && l.text[i+1] == '/':
			depth--
			i++
			if depth == 0 {
				return Comment, i + 1
			}
		}
	}
	return Unclosed, len(l.text)
}

// number reads a number. A word may follow without a space, which servers
// before version 15 allow.
func (l *Lexer) number(i int) int {
	if l.text[i] == '0' && strings.IndexByte("xXoObB", l.at(i+1)) >= 0 && classes[l.at(i+2)]&hex != 0 {
		return l.skip(i+2, hex|underscore)
	}
	i = l.skip(i, digit|underscore)
	if l.at(i) == '.' && l.at(i+1) != '.' {
		i = l.skip(i+1, digit|underscore)
	}
	if lower(l.at(i)) == 'e' {
		exponent := i + 1
		if c := l.at(exponent); c == '+' || c == '-' {
			exponent++
		}
		if classes[l.at(exponent)]&digit != 0 {
			return l.skip(exponent, digit|underscore)
		}
	}
	return i
}

// operator reads an operator. It ends where a comment begins. One of several
// characters ends in + or - only if it has a character that SQL itself has no
// operators of, so that 2*-1 is what it is.
func (l *Lexer) operator(i int) int {
	end, special := i, false
	for end < len(l.text) && classes[l.text[end]]&operator != 0 {
		c, next := l.text[end], l.at(end+1)
		if c == '-' && next == '-' || c == '/' && next == '*' {
			break
		}
		special = special || classes[c]&unusual != 0
		end++
	}
	for !special && end > i+1 && (l.text[end-1] == '+' || l.text[end-1] == '-') {
		end--
	}
	return end
}

// The classes of bytes. Whatever is not ASCII belongs to words.
const (
	space uint8 = 1 << iota
	letter
	digit
	hex
	underscore
	operator
	unusual
	dollar
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= 0x80:
			t[c] |= letter
		case b == '_':
			t[c] |= letter | underscore
		case b >= '0' && b <= '9':
			t[c] |= digit | hex
		case b == '$':
			t[c] |= dollar
		}
		if l := lower(b); l >= 'a' && l <= 'f' {
			t[c] |= hex
		}
		if strings.IndexByte(" \t\n\r\f\v", b) >= 0 {
			t[c] |= space
		}
		if strings.IndexByte("~!@#^&|`?+-*/%<>=", b) >= 0 {
			t[c] |= operator
		}
		if strings.IndexByte("~!@#^&|`?%", b) >= 0 {
			t[c] |= unusual
		}
	}
	return t
}()
