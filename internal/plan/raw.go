package plan

import (
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// CheckFragment refuses a fragment without arguments that could be more than
// the expression it stands for.
func CheckFragment(sql string) error {
	f := fragment{sql: sql}
	return f.translate(0)
}

// fragment is SQL with $1, $2, ... that is translated into squirrel's form,
// where every argument is a ? and a ? that is meant is written twice.
type fragment struct {
	sql   string
	part  bool // of a statement: other text has the other halves of its parentheses
	text  strings.Builder
	order []int  // the arguments in the order in which they occur, from 0
	used  []bool // by argument
	depth int    // of parentheses
}

// translate sets the text and the order of f, which has so many arguments.
func (f *fragment) translate(args int) error {
	if !f.part { // a part may have marks, see ownerMark
		if err := checkText(f.sql); err != nil {
			return err
		}
	}
	f.used = make([]bool, args)
	end := 0
	for l := sqltext.New(f.sql); ; {
		t := l.Next()
		f.text.WriteString(f.sql[end:t.Pos])
		if t.Kind == sqltext.End {
			break
		}
		if err := f.add(t); err != nil {
			return err
		}
		end = t.Pos + len(t.Text)
	}
	if f.depth > 0 && !f.part {
		return badRaw(f.sql, "a parenthesis is not closed")
	}
	if i := slices.Index(f.used, false); i >= 0 {
		return badRaw(f.sql, "argument %d is not used: write $%d in the fragment", i+1, i+1)
	}
	return nil
}

// add adds a token. Comments are refused: one could swallow the rest of the
// statement.
func (f *fragment) add(t sqltext.Token) error {
	switch {
	case t.Kind == sqltext.Comment, t.Kind == sqltext.Unclosed && strings.HasPrefix(t.Text, "/*"):
		return badRaw(f.sql, "comments do not belong in a fragment: use Comment or Hint of the query")
	case t.Kind == sqltext.Unclosed:
		return badRaw(f.sql, "the quoted text that begins at byte %d does not end", t.Pos)
	case t.IsMark(";"):
		return badRaw(f.sql, "a fragment is not a statement: remove the semicolon")
	case t.IsMark("("):
		f.depth++
	case t.IsMark(")"):
		if f.depth--; f.depth < 0 && !f.part {
			return badRaw(f.sql, "the parenthesis at byte %d closes nothing", t.Pos)
		}
	case t.Kind == sqltext.Param:
		return f.param(t)
	case t.Kind == sqltext.Word:
		if _, n, found := strings.Cut(t.Text, "$"); found && number(n) > 0 {
			return badRaw(f.sql, "$%d touches a word: put a space between them", number(n))
		}
	}
	f.text.WriteString(escape(t.Text))
	return nil
}

// param adds the mark of an argument.
func (f *fragment) param(t sqltext.Token) error {
	n, end := number(t.Text[1:]), t.Pos+len(t.Text)
	if n < 1 || n > len(f.used) {
		return badRaw(f.sql, "$%d has no argument: %d given", n, len(f.used))
	}
	if t.Pos > 0 && (isWord(f.sql[t.Pos-1]) || f.sql[t.Pos-1] == '$') || end < len(f.sql) && isWord(f.sql[end]) {
		return badRaw(f.sql, "$%d touches a word: put a space between them", n)
	}
	f.used[n-1] = true
	f.order = append(f.order, n-1)
	f.text.WriteByte('?')
	if end < len(f.sql) && (f.sql[end] == '?' || f.sql[end] == '$') {
		f.text.WriteByte(' ') // two marks in a row would be read as one that is meant
	}
	return nil
}

// number reads the digits with which s begins, up to a number that nobody has
// arguments for.
func number(s string) int {
	n := 0
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		n = min(n*10+int(s[i]-'0'), 1<<20)
	}
	return n
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

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// escape protects literal question marks from squirrel, which reads them as
// placeholders wherever they stand.
func escape(sql string) string { return strings.ReplaceAll(sql, "?", "??") }

// CheckFloats refuses arguments that are floats and stand in a fragment without a
// cast: beside an integer the server takes the argument for one too, and pgx then
// sends the whole part of the number.
func CheckFloats(text string, args []any) error {
	if !slices.ContainsFunc(args, isFloat) {
		return nil
	}
	for l := sqltext.New(text); ; {
		t := l.Next()
		if t.Kind == sqltext.End {
			return nil
		}
		if t.Kind != sqltext.Param {
			continue
		}
		n := number(t.Text[1:])
		rest := strings.TrimSpace(text[t.Pos+len(t.Text):])
		if n >= 1 && n <= len(args) && isFloat(args[n-1]) && !strings.HasPrefix(rest, "::") {
			return badRaw(text, "argument %d is a float, which the server may take for an integer: write $%d::float8 or $%d::numeric", n, n, n)
		}
	}
}

func isFloat(v any) bool {
	switch v.(type) {
	case sql.NullFloat64, sql.Null[float64], pgtype.Float4, pgtype.Float8:
		return true
	}
	t := reflect.TypeOf(v)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t != nil && (t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64)
}

// unknownColumn stands for the column that an argument of a fragment belongs to.
var unknownColumn meta.Column

func (b *builder) raw(args []any) {
	for _, v := range args {
		n, ok := v.(*Node)
		b.byte(BoolByte(ok))
		if ok {
			b.node(n)
			continue
		}
		b.value(&unknownColumn, v)
	}
}
