// Package annotation reads what the comments of a migration say to smrt:
//
//	-- smrt:phase contract
//	-- smrt:backfill table=notes key=id
//	-- smrt:allow L3 the table has 20 rows
//
// An annotation is a comment that begins with two dashes, in a line of its own, so
// goose and PostgreSQL see nothing of it. What it means is its reader's business.
package annotation

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/smrt-go/smrt/internal/sqltext"
)

// The names of annotations.
const (
	Allow    = "allow"    // a rule of smrt lint, and the reason not to follow it in the next statement
	Phase    = "phase"    // when smrt migrate runs the file
	Backfill = "backfill" // that smrt migrate runs the file's statement in batches of a table's rows, by their key
)

// Annotation is one annotation.
type Annotation struct {
	Name string   // one of the names above
	Args []string // what follows the name, by words
	Text string   // the same as one text, without space around it
	File string
	Line int // from 1
}

// Error says what is wrong with an annotation.
type Error struct {
	File    string
	Line    int
	Problem string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem) }

// missed finds comments that are meant to be annotations.
var missed = regexp.MustCompile(`(?i)^(?:-+|/\*+)\s*smrt[\s:]+(phase|backfill)\b`)

// Parse returns the annotations of a file's text, in order. The error is an *Error,
// of the first that has no known name or shares its line with SQL. Comments with
// slashes, and those in the bodies of functions, are none. A comment that means to be a
// phase or a backfill and is written otherwise is an error too: a file that takes away what a release
// needs would be run at once.
func Parse(file, text string) ([]Annotation, error) {
	var all []Annotation
	line, seen := 1, 0
	lexer := sqltext.New(text)
	for {
		token := lexer.Next()
		if token.Kind == sqltext.End {
			return all, nil
		}
		if token.Kind != sqltext.Comment {
			continue
		}
		comment, _, _ := strings.Cut(text[token.Pos:], "\n")
		rest, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimLeft(comment, "-")), "smrt:")
		ok = ok && strings.HasPrefix(comment, "--")
		miss := missed.FindStringSubmatch(comment)
		if !ok && miss == nil {
			continue
		}
		line, seen = line+strings.Count(text[seen:token.Pos], "\n"), token.Pos
		if !ok {
			name := strings.ToLower(miss[1])
			return nil, &Error{File: file, Line: line, Problem: fmt.Sprintf("this is no annotation: write -- smrt:%s, with two dashes and in small letters", name)}
		}
		a := parse(rest)
		a.File, a.Line = file, line
		before := text[:token.Pos]
		if problem := a.problem(before[strings.LastIndexByte(before, '\n')+1:]); problem != "" {
			return nil, &Error{File: file, Line: line, Problem: problem}
		}
		all = append(all, a)
	}
}

// parse reads what stands behind the colon.
func parse(text string) Annotation {
	words := words(text)
	if len(words) == 0 {
		return Annotation{}
	}
	return Annotation{Name: words[0], Args: words[1:], Text: strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), words[0]))}
}

// words splits a text at its blanks, but not at those of a quoted name.
func words(text string) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		quoted = quoted != (r == '"') // a doubled quote ends and begins again
		return !quoted && unicode.IsSpace(r)
	})
}

// problem says what is wrong with an annotation, and before it in its line.
func (a Annotation) problem(before string) string {
	switch {
	case !slices.Contains([]string{Allow, Phase, Backfill}, a.Name):
		return fmt.Sprintf("there is no annotation smrt:%s: the names are %s, %s and %s", a.Name, Allow, Phase, Backfill)
	case strings.TrimSpace(before) != "":
		return fmt.Sprintf("smrt:%s stands behind SQL: give it a line of its own, above the statement", a.Name)
	}
	return ""
}

// Read returns the annotations of a file.
func Read(fsys fs.FS, file string) ([]Annotation, error) {
	text, err := fs.ReadFile(fsys, file)
	if err != nil {
		return nil, err
	}
	return Parse(file, string(text))
}
