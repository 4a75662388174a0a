// Package script reads a migration's file as goose does: by lines. It says which
// statements goose sends of the file, and in which lines each of them stands, as goose
// says neither.
package script

import (
	"slices"
	"strings"
	"unicode"

	"github.com/smrt-go/smrt/internal/sqltext"
)

// Script is what goose makes of a file's text.
type Script struct {
	Text          string      // with \n at the ends of lines
	Statements    []Statement // that migrate up and are more than comments, in order
	NoTransaction bool        // each statement is sent by itself
	HasUp         bool        // without, goose refuses the file
	up, down      int         // bytes of the text at which what migrates up begins and ends
}

// Statement is a text that goose sends at once.
type Statement struct {
	Text        string // without what goose replaces of it
	First, Last int    // its lines in the file, from 1
	lines       []int  // of each of its lines
	envsub      bool   // variables in it are replaced
}

// The words of goose's annotations, which it reads in any case.
const (
	wordUp            = "up"
	wordDown          = "down"
	wordBegin         = "statementbegin"
	wordEnd           = "statementend"
	wordNoTransaction = "no transaction"
	wordEnvsubOn      = "envsub on"
	wordEnvsubOff     = "envsub off"
)

// New reads a text. Of one that goose refuses, it has what stands before the mistake
// and perhaps more.
func New(text string) *Script {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	r := reader{script: &Script{Text: text, down: len(text)}}
	number, pos := 0, 0
	for line := range strings.Lines(text) {
		number++
		r.line(strings.TrimSuffix(line, "\n"), number, pos)
		pos += len(line)
	}
	return r.script
}

// Up returns the part of the text that migrates up, and the byte at which it begins.
func (s *Script) Up() (text string, pos int) { return s.Text[s.up:s.down], s.up }

// Line returns the line, from 1, of a byte of the text.
func (s *Script) Line(pos int) int { return 1 + strings.Count(s.Text[:pos], "\n") }

// Line returns the file's line, from 1, of a character of what goose sent, counted from 1
// as the server counts. A position outside of the text is at its end.
func (s Statement) Line(sent string, character int) int {
	n := 0
	for _, c := range sent {
		if character--; character <= 0 {
			break
		}
		if c == '\n' {
			n++
		}
	}
	return s.lines[min(n, len(s.lines)-1)] // there are more where a variable had several lines
}

// Cursor meets the statements of a script as they are sent.
type Cursor struct{ rest []Statement }

// Cursor returns one before the first statement.
func (s *Script) Cursor() *Cursor { return &Cursor{s.Statements} }

// Next returns the next statement if that is what was sent. Else it was not sent by goose
// for the file.
func (c *Cursor) Next(sent string) (Statement, bool) {
	if len(c.rest) == 0 || !c.rest[0].is(sent) {
		return Statement{}, false
	}
	next := c.rest[0]
	c.rest = c.rest[1:]
	return next, true
}

// is reports whether a text that was sent is this statement. Where goose replaces
// variables, what stands before the first and behind the last must be the same.
func (s Statement) is(sent string) bool {
	first := strings.IndexAny(s.Text, `$\`)
	if first < 0 || !s.envsub {
		return s.Text == sent
	}
	end := strings.LastIndexAny(s.Text, `$\`) + 1
	if brace := strings.LastIndexByte(s.Text[end:], '}'); brace >= 0 {
		end += brace + 1
	} else {
		end = len(s.Text) - len(strings.TrimLeftFunc(s.Text[end:], func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }))
	}
	return len(sent) >= first+len(s.Text)-end && strings.HasPrefix(sent, s.Text[:first]) && strings.HasSuffix(sent, s.Text[end:])
}

// reader goes through the lines of a script.
type reader struct {
	script *Script
	texts  []string // lines of the statement that has begun
	lines  []int    // their numbers
	down   bool     // what follows migrates down
	block  bool     // between StatementBegin and StatementEnd
	envsub bool     // variables are replaced
	any    bool     // they are in a line of the statement that has begun
}

// line reads a line with its number and its first byte.
func (r *reader) line(line string, number, pos int) {
	if word, ok := annotation(line); ok {
		r.annotation(word, pos, pos+len(line))
		return
	}
	if !r.script.HasUp || r.down || len(r.texts) == 0 && (line == "" || strings.HasPrefix(strings.TrimSpace(line), "--")) {
		return
	}
	r.texts, r.lines = append(r.texts, line), append(r.lines, number)
	r.any = r.any || r.envsub
	if !r.block && complete(line) {
		r.end()
	}
}

// annotation returns what a line says to goose, in small letters.
func annotation(line string) (word string, ok bool) {
	if !strings.HasPrefix(line, "--") || !strings.Contains(line, "+goose") {
		return "", false
	}
	word = strings.Replace(strings.ReplaceAll(line, "--", ""), "+goose", "", 1)
	return strings.ToLower(strings.TrimSpace(word)), true
}

// annotation does what one says, whose line has these bytes.
func (r *reader) annotation(word string, first, last int) {
	switch word {
	case wordUp:
		if !r.script.HasUp {
			r.script.HasUp, r.script.up = true, first
		}
	case wordDown:
		if r.script.HasUp && !r.down {
			r.down, r.script.down = true, first
		}
	case wordBegin:
		r.block = true
	case wordEnd:
		r.block = false
		r.end()
	case wordNoTransaction:
		r.script.NoTransaction = true
	case wordEnvsubOn, wordEnvsubOff:
		r.envsub = word == wordEnvsubOn
	}
}

// complete reports whether a line ends a statement: a comment may follow the semicolon.
func complete(line string) bool {
	last := ""
	for word := range strings.FieldsSeq(line) {
		if strings.HasPrefix(word, "--") {
			break
		}
		last = word
	}
	return strings.HasSuffix(last, ";")
}

// end ends the statement that has begun.
func (r *reader) end() {
	for len(r.texts) > 0 && strings.TrimSpace(r.texts[0]) == "" {
		r.texts, r.lines = r.texts[1:], r.lines[1:]
	}
	s := Statement{Text: strings.TrimSpace(strings.Join(r.texts, "\n")), envsub: r.any}
	s.lines = r.lines[:min(len(r.lines), 1+strings.Count(s.Text, "\n"))]
	if slices.ContainsFunc(sqltext.Append(nil, s.Text), func(t sqltext.Token) bool { return !t.IsMark(";") }) {
		s.First, s.Last = s.lines[0], s.lines[len(s.lines)-1]
		r.script.Statements = append(r.script.Statements, s)
	}
	r.texts, r.lines, r.any = nil, nil, false
}
