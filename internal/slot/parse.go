package slot

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/sqltext"
)

// Text is a statement with its places.
type Text struct {
	*plan.Template
	Name string // that sqlc gave it; "" if it has none
	Err  error  // why none of its places can be filled
}

// prefix is what a marker begins with. Whatever follows it must be one that is known:
// a typing error would leave a filter out.
const prefix = "smrt:"

// Parse finds the places of a statement.
func Parse(sql string) *Text {
	p := parser{text: &Text{Template: plan.NewTemplate(sql)}}
	p.read()
	p.text.Write, p.text.Locks = p.isWrite(), p.locks()
	p.markStart()
	p.text.Body = p.body()
	for _, at := range p.markers {
		if err := p.marker(at); err != nil && p.text.Err == nil {
			p.text.Err = fmt.Errorf("/*%s*/: %w", p.inner(at), err)
		}
	}
	return p.text
}

// parser has the tokens of a statement without its comments, and where the markers
// are: each stands before the token with its index.
type parser struct {
	text    *Text
	tokens  []sqltext.Token
	markers []marker
}

// marker is a comment for this package.
type marker struct {
	token sqltext.Token
	next  int // index of the token that follows
}

// inner returns what a comment says.
func (p *parser) inner(m marker) string {
	return strings.TrimSuffix(strings.TrimPrefix(m.token.Text, "/*"), "*/")
}

// read splits the text. A second statement is refused, because nothing would say
// which of the two a slot belongs to.
func (p *parser) read() {
	ended := false
	for l := sqltext.New(p.text.SQL); ; {
		t := l.Next()
		switch {
		case t.Kind == sqltext.End:
			if !ended {
				p.text.End = t.Pos
			}
			return
		case t.Kind == sqltext.Unclosed:
			p.fail("a quoted text or a comment does not end")
			return
		case t.Kind == sqltext.Comment:
			p.comment(t)
			continue
		case ended:
			p.fail("a second statement follows a semicolon")
			return
		case t.IsMark(";"):
			ended, p.text.End = true, t.Pos
			continue
		case t.Kind == sqltext.Param:
			n, err := strconv.Atoi(t.Text[1:])
			if err != nil {
				p.fail(t.Text + " is no parameter")
			}
			p.text.Params = max(p.text.Params, n)
		}
		p.tokens = append(p.tokens, t)
	}
}

// fail keeps the first thing that is wrong with the text.
func (p *parser) fail(reason string) {
	if p.text.Err == nil {
		p.text.Err = errors.New(reason)
	}
}

// comment notes what a comment is for.
func (p *parser) comment(t sqltext.Token) {
	line, isLine := strings.CutPrefix(t.Text, "--")
	if name, ok := strings.CutPrefix(line, " name: "); isLine && ok && p.text.Name == "" {
		p.text.Name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
		return
	}
	switch {
	case isWrites(t.Text):
	case isLine && strings.HasPrefix(strings.TrimSpace(line), prefix):
		p.fail("a marker is a block comment inside of a line of code: sqlc removes others")
	case !isLine && strings.HasPrefix(strings.TrimSpace(t.Text[2:]), prefix):
		p.markers = append(p.markers, marker{t, len(p.tokens)})
	}
}

// isWrites reports whether a comment is for caches, which read it themselves.
func isWrites(comment string) bool {
	kind, _, _ := strings.Cut(strings.TrimSpace(strings.TrimSuffix(comment[2:], "*/")), " ")
	return kind == prefix+"writes"
}

// before returns the nth token before a marker, from 1; a zero token if there is
// none.
func (p *parser) before(m marker, n int) sqltext.Token {
	if m.next-n < 0 {
		return sqltext.Token{}
	}
	return p.tokens[m.next-n]
}

// isWrite reports whether the statement, or a part of it, changes rows: such a part
// is a statement by itself, or follows a parenthesis.
func (p *parser) isWrite() bool {
	for i := range p.tokens {
		t := &p.tokens[i]
		if (i == 0 || p.tokens[i-1].IsMark("(")) && (t.Is("insert") || t.Is("update") || t.Is("delete") || t.Is("merge")) {
			return true
		}
		if t.Kind == sqltext.Word && i > 0 && p.tokens[i-1].IsMark(")") && (t.Is("insert") || t.Is("update") || t.Is("delete") || t.Is("merge")) {
			return true // WITH ... (...) UPDATE
		}
	}
	return false
}

// locks reports whether the statement, or a part of it, locks rows.
func (p *parser) locks() bool {
	for i := range p.tokens {
		if i > 0 && p.tokens[i-1].Is("for") && (p.tokens[i].Is("update") || p.tokens[i].Is("share") || p.tokens[i].Is("no") || p.tokens[i].Is("key")) {
			return true
		}
	}
	return false
}

// markStart sets where the statement begins behind the line with its name, which
// stays the first one: monitoring reads it.
func (p *parser) markStart() {
	if p.text.Name != "" && strings.HasPrefix(p.text.SQL, "-- name: ") {
		p.text.Start = strings.IndexByte(p.text.SQL, '\n') + 1
	}
}

// marker adds the place of a marker.
func (p *parser) marker(m marker) error {
	rest := strings.TrimSpace(p.inner(m))[len(prefix):]
	var words []sqltext.Token
	for l := sqltext.New(rest); ; {
		t := l.Next()
		if t.Kind == sqltext.End {
			break
		}
		words = append(words, t)
	}
	if len(words) == 0 || !strings.HasPrefix(rest, words[0].Text) {
		return errors.New("it is where, order or limit that follows smrt:, without a space")
	}
	place := plan.Place{From: m.token.Pos, To: m.token.Pos + len(m.token.Text)}
	var err error
	switch words[0].Text {
	case "where":
		err = p.where(m, &place)
	case "order":
		err = p.order(m, &place)
	case "limit":
		if len(words) > 1 {
			return errors.New("a limit belongs to no table")
		}
		err = p.limit(m, &place)
	default:
		return fmt.Errorf("there is no slot %q: it is where, order or limit", words[0].Text)
	}
	if err == nil && place.Kind != plan.LimitPlace {
		place.Table, place.Alias, err = names(words[1:])
	}
	if err != nil {
		return err
	}
	p.text.Places = append(p.text.Places, place)
	return nil
}

// names returns the table and its alias in the statement, as SQL: TABLE, SCHEMA.TABLE
// and an alias, which is the table's name if there is none.
func names(words []sqltext.Token) (table, alias string, err error) {
	bad := errors.New("a table, and its alias in the statement if it has one, follow the kind: orders o")
	var parts []string
	for len(words) > 0 {
		if !words[0].IsName() {
			return "", "", bad
		}
		parts = append(parts, meta.Quote(words[0].Name()))
		if len(words) == 1 || !words[1].IsMark(".") {
			words = words[1:]
			break
		}
		words = words[2:]
	}
	if len(parts) == 0 || len(parts) > 2 {
		return "", "", bad
	}
	table, alias = strings.Join(parts, "."), parts[len(parts)-1]
	switch {
	case len(words) > 1, len(words) == 1 && !words[0].IsName():
		return "", "", bad
	case len(words) == 1:
		alias = meta.Quote(words[0].Name())
	}
	return table, alias, nil
}

// where is true in a statement that reads, and false in one that writes: so what
// knows nothing of the slot writes nothing.
func (p *parser) where(m marker, place *plan.Place) error {
	place.Kind = plan.WherePlace
	t, want := p.before(m, 1), "true"
	if p.text.Write {
		want = "false"
	}
	if !t.Is(want) {
		what := "reads"
		if p.text.Write {
			what = "writes"
		}
		return fmt.Errorf("in a statement that %s, the word %s stands before the marker, and here it is %q", what, want, t.Text)
	}
	place.From, place.Beside = t.Pos, !p.decides(m.next-1)
	return nil
}

// order is in front of an order of the statement's own, so that the text is a
// statement without it too.
func (p *parser) order(m marker, place *plan.Place) error {
	place.Kind = plan.OrderPlace
	by, order := p.before(m, 1), p.before(m, 2)
	if !by.Is("by") || !order.Is("order") {
		return errors.New("ORDER BY stands before the marker, and the query's own order behind it: ORDER BY /* smrt:order orders o */ o.id")
	}
	return nil
}

// limit takes the place of a number, which is the greatest that is allowed.
func (p *parser) limit(m marker, place *plan.Place) error {
	place.Kind = plan.LimitPlace
	number, limit := p.before(m, 1), p.before(m, 2)
	most, err := strconv.ParseInt(number.Text, 10, 64)
	if !limit.Is("limit") || number.Kind != sqltext.Number || err != nil {
		return errors.New("LIMIT and the greatest number that is allowed stand before the marker: LIMIT 1000 /* smrt:limit */")
	}
	place.From, place.Most = number.Pos, most
	return nil
}
