package observe

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/smrt-go/smrt/internal/meta"
)

// NPlusOne looks for loops that send a statement for each row instead of one
// for all: the same text from the same call site, again and again within one
// scope. The zero value is ready for use.
//
// The first time that a scope sends a text it is only remembered. Each further
// time is a repeat, which is charged to its call site: the innermost three
// frames of the program's own code. A call site that is charged with more than
// Limit repeats is reported, once. The stack is walked for repeats only, so a
// request that repeats nothing never pays for it. The site that happened to be
// first is charged with one less than it sent, so a report may come one
// iteration late; but a reported site has itself sent the statement more than
// Limit times, whatever was sent from elsewhere.
//
// Not counted are batches, COPY, statements that control transactions, sessions
// and cursors, reads of the system catalog, what smrt repeats by design, and
// what is sent under [Deliberate]. Statements that failed are taken back, and
// each failure after which a transaction is usually tried again, such as one of
// serialization, raises the limit by itself once more.
type NPlusOne struct {
	// Policy is told about each call site that was found. Default: Log(nil).
	Policy Policy

	// Limit is how often a call site may repeat a statement. Default: 5, which
	// lets pass what merely asks twice, and finds loops in the small data of
	// tests.
	Limit int

	// MaxStatements bounds the memory of the scope: so many texts are
	// remembered, and so many call sites. When there are more texts, those that
	// were sent only once are forgotten; if these are few, new texts are not
	// counted any more. Texts of more than 32 KB are never counted. Default:
	// 500.
	MaxStatements int
}

const (
	defaultLimit         = 5
	defaultMaxStatements = 500
)

func (n NPlusOne) configure(s *scope) {
	s.policy, s.limit, s.max = n.Policy, n.Limit, n.MaxStatements
	if s.policy == nil {
		s.policy = Log(nil)
	}
	if s.limit <= 0 {
		s.limit = defaultLimit
	}
	if s.max <= 0 {
		s.max = defaultMaxStatements
	}
}

// Policy is what happens with a finding. It is called by the goroutine that
// sends the statement, before it is sent, with the statement's context; it may
// be called by several at once.
type Policy func(ctx context.Context, f Finding)

// Ignore does nothing with a finding. [Findings] has it all the same.
func Ignore(context.Context, Finding) {}

// Log warns about each finding. A nil logger stands for slog.Default at that
// time.
func Log(logger *slog.Logger) Policy {
	return func(ctx context.Context, f Finding) {
		l := logger
		if l == nil {
			l = slog.Default()
		}
		l.WarnContext(ctx, "N+1: a statement is sent in a loop",
			slog.String("site", f.Site.String()), slog.Int("repeats", f.Repeats),
			slog.String("sql", f.SQL), slog.String("instead", f.Instead))
	}
}

// TB is the part of testing.TB that Fail needs.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Fail fails a test for each finding. The test goes on.
func Fail(tb TB) Policy {
	return func(_ context.Context, f Finding) {
		tb.Helper()
		tb.Errorf("%s", f)
	}
}

// Frame is a place in the program.
type Frame struct {
	Function string // with its package's path
	File     string
	Line     int
}

// String returns file:line and the function.
func (f Frame) String() string {
	return fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Function[strings.LastIndex(f.Function, "/")+1:])
}

// Finding is a call site that repeats a statement.
type Finding struct {
	SQL     string  // the statement, with placeholders
	Repeats int     // how often the site repeated it so far
	Site    Frame   // the innermost frame that belongs neither to smrt, nor to pgx, nor to sqlc's output
	Callers []Frame // up to two more, from inside out
	Instead string  // the relation to preload if one is known, else what else to do
}

// String describes the finding in some lines, with its SQL shortened.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "N+1: a statement was repeated %d times by %s\n", f.Repeats, f.Site)
	for _, c := range f.Callers {
		fmt.Fprintf(&b, "\tcalled by %s\n", c)
	}
	fmt.Fprintf(&b, "\t%s\n\tinstead: %s", shorten(f.SQL), f.Instead)
	return b.String()
}

// shorten puts SQL on one line, and leaves out the middle of long texts: the
// end has the conditions.
func shorten(sql string) string {
	const half = 120
	runes := []rune(strings.Join(strings.Fields(sql), " "))
	if len(runes) <= 2*half+5 {
		return string(runes)
	}
	return string(runes[:half]) + " ... " + string(runes[len(runes)-half:])
}

// Findings returns what was found so far in the scope of ctx and in those
// within, in the order in which it was found, with the counts of now. It is nil
// where ctx has no scope.
func Findings(ctx context.Context) []Finding {
	s := scopeOf(ctx)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	sites := s.findings[:len(s.findings):len(s.findings)]
	s.mu.Unlock()
	var out []Finding
	for _, c := range sites {
		out = append(out, c.finding())
	}
	return out
}

func (c *site) finding() Finding {
	f := Finding{SQL: c.statement.text, Repeats: int(c.repeats.Load()), Instead: instead(c.statement.text)}
	for i, pc := range c.at {
		if pc == 0 {
			break
		}
		at, _ := runtime.CallersFrames([]uintptr{pc}).Next()
		frame := Frame{Function: at.Function, File: at.File, Line: at.Line}
		if i == 0 {
			f.Site = frame
		} else {
			f.Callers = append(f.Callers, frame)
		}
	}
	return f
}

// instead advises what to do about a statement that is sent for each row.
func instead(sql string) string {
	if relations := meta.RelationsFor(sql); len(relations) > 0 {
		return "preload " + named(relations)
	}
	switch verb(sql) {
	case "insert":
		return "CreateMany or UpsertMany writes any number of rows in one statement"
	case "update":
		return "UpdateMany, or UpdateWhere with In, writes any number of rows in one statement"
	case "delete":
		return "DeleteMany, or DeleteWhere with In, deletes any number of rows in one statement"
	}
	return "no relation is declared for this statement: declare one and preload it, " +
		"or read the rows for all keys at once, with GetMany or a query with In"
}

// namesShown is how many relations a message has. Rows that many tables refer
// to are read by the same statement for all of them.
const namesShown = 3

func named(relations []meta.Relation) string {
	var names []string
	for _, r := range relations[:min(len(relations), namesShown)] {
		r.Site = filepath.Base(r.Site) // the package is in the names of the types
		names = append(names, r.String())
	}
	text := strings.Join(names, ", or ")
	if more := len(relations) - namesShown; more > 0 {
		text += fmt.Sprintf(", or one of %d others", more)
	}
	return text
}
