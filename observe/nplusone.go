package observe

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/relation"
)

// Options says what a scope reports. The zero value is ready for use.
//
// A scope looks for loops that send a statement for each row instead of one for
// all (N+1): the same text from the same call site, again and again.
//
// Each time that a scope sends a text it is charged to its call site: the innermost
// three frames of the program's own code. A call site that has sent a text more than
// Limit times is reported, once, whatever was sent from elsewhere. The frames are
// named when a text is repeated, so a request that repeats nothing does not pay for
// that. Reads that share the statement of another call are charged like those that
// send their own.
//
// Not counted are batches, COPY, statements that control transactions, sessions
// and cursors, reads of the system catalog, what smrt repeats by design, and
// what is sent under [WithoutCounting]. Statements that failed are not counted
// either. A failure after which a transaction is usually retried, such as a
// serialization failure, raises the limit: the statements of each attempt count
// by themselves.
type Options struct {
	// Policy is called for each call site that was found. Default: Log(nil).
	Policy Policy

	// Limit is how often a call site may send a statement. Default: 5. That
	// allows for code that merely asks twice, and finds loops in the small data
	// of tests.
	Limit int

	// MaxStatements bounds the memory of the scope: it remembers so many texts,
	// and so many call sites. When there are more texts, it forgets those that
	// were sent only once. If these are few, it takes no new texts. Texts of
	// more than 32 KB are never counted. Default: 500.
	MaxStatements int

	// MaxCalls is how many calls the scope may make, with those inside of it:
	// statements, batches and COPYs, see [Usage]. The first one above it is
	// reported, and sent all the same. Default: any number.
	MaxCalls int
}

const (
	defaultLimit         = 5
	defaultMaxStatements = 500
)

// resolve returns the options with their defaults. If they cannot be used it
// also returns an *[smrt.OptionsError], which goes to their policy.
func resolve(given []Options) (o Options, err error) {
	if len(given) > 0 {
		o = given[0]
	}
	if o.Policy == nil {
		o.Policy = Log(nil)
	}
	switch {
	case len(given) > 1:
		err = bad("options", "must be given at most once, not %d times", len(given))
	case o.Limit < 0:
		err = bad("Limit", "must not be negative, is %d", o.Limit)
	case o.MaxStatements < 0:
		err = bad("MaxStatements", "must not be negative, is %d", o.MaxStatements)
	case o.MaxCalls < 0:
		err = bad("MaxCalls", "must not be negative, is %d", o.MaxCalls)
	}
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	if o.MaxStatements == 0 {
		o.MaxStatements = defaultMaxStatements
	}
	return o, err
}

func bad(option, format string, args ...any) error {
	return &smrt.OptionsError{Option: option, Reason: fmt.Sprintf(format, args...)}
}

// Policy handles a finding. The goroutine that sends the statement calls it
// before sending, with the statement's context. Several goroutines may call it
// at once.
type Policy func(ctx context.Context, f Finding)

// Ignore does nothing with a finding. [Findings] returns it all the same.
func Ignore(context.Context, Finding) {}

// Log returns a policy that logs each finding as a warning. If logger is nil it
// uses slog.Default, as it is when the finding is made.
func Log(logger *slog.Logger) Policy {
	return func(ctx context.Context, f Finding) {
		l := logger
		if l == nil {
			l = slog.Default()
		}
		if f.Err != nil {
			l.ErrorContext(ctx, "N+1: loops are not looked for", slog.Any("error", f.Err))
			return
		}
		if f.Calls > 0 {
			l.WarnContext(ctx, "too many calls", slog.Int("calls", f.Calls), slog.String("site", f.Site.String()), slog.String("sql", f.SQL))
			return
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

// Fail returns a policy that fails a test for each finding. The test goes on.
func Fail(tb TB) Policy {
	return func(_ context.Context, f Finding) {
		tb.Helper()
		tb.Errorf("%s", f)
	}
}

// Frame is a line of the program.
type Frame struct {
	Function string `json:"function,omitempty"` // with its package's path
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// String returns the file, the line and the function.
func (f Frame) String() string {
	return fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Function[strings.LastIndex(f.Function, "/")+1:])
}

// Finding is a call site that repeats a statement, or keeps the database busy for nothing
// in another way.
type Finding struct {
	Name    Name    `json:"name"`              // of the statement
	SQL     string  `json:"sql,omitempty"`     // the statement, with placeholders
	Repeats int     `json:"repeats,omitempty"` // how often the site has sent it so far; 0 in a [Snapshot]
	Site    Frame   `json:"site"`              // the innermost frame that belongs neither to smrt, nor to pgx, nor to sqlc's output
	Callers []Frame `json:"callers,omitempty"` // up to two more, from inside out
	Instead string  `json:"instead,omitempty"` // the relation to preload if one is known, else what else to do

	// Calls is how many calls the scope had made when it made the first above
	// Options.MaxCalls, whose SQL and Site these are. It is 0 in findings of loops. In
	// a [Snapshot] it is 101, for scopes that made more than 100 calls themselves.
	Calls int `json:"calls,omitempty"`

	// In a [Snapshot] only: how often it was found, which is in how many scopes, or for
	// how many transactions that end at Site; and of such transactions, each of which
	// did nothing for more than 100 ms and more than half of its time, how long they
	// were open, and how long of that no statement ran.
	Times uint64        `json:"times,omitempty"`
	Open  time.Duration `json:"open,omitempty"`
	Idle  time.Duration `json:"idle,omitempty"`

	// Err is an *[smrt.OptionsError] if the scope has options that cannot be
	// used. Such a scope looks for nothing: this is its only finding, and
	// nothing else is set in it.
	Err error `json:"-"`
}

// String describes the finding in a few lines, with its SQL shortened.
func (f Finding) String() string {
	if f.Err != nil {
		return "N+1: loops are not looked for: " + f.Err.Error()
	}
	if f.Calls > 0 {
		return f.tooMany()
	}
	var b strings.Builder
	switch {
	case f.Open > 0:
		fmt.Fprintf(&b, "transactions did nothing for %v of %v until %s ended them\n", f.Idle, f.Open, f.Site)
	case f.Times > 0:
		fmt.Fprintf(&b, "N+1: a statement was sent in a loop by %s, in %d scopes\n", f.Site, f.Times)
	default:
		fmt.Fprintf(&b, "N+1: a statement was sent %d times by %s\n", f.Repeats, f.Site)
	}
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

// Findings returns what was found so far in the scope of ctx and in the scopes
// inside of it, in the order in which it was found. Repeats are counted up to
// now. It returns nil if ctx has no scope.
func Findings(ctx context.Context) []Finding {
	s := scopeOf(ctx)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	loops, over := s.findings[:len(s.findings):len(s.findings)], s.over
	s.mu.Unlock()
	var out []Finding
	if s.err != nil {
		out = append(out, Finding{Err: s.err})
	}
	for _, c := range loops {
		out = append(out, c.finding())
	}
	if over != nil {
		out = append(out, *over)
	}
	return out
}

func (c *loop) finding() Finding {
	f := Finding{Name: nameOf(c.statement.text), SQL: c.statement.text, Repeats: int(c.repeats.Load()), Instead: instead(c.statement.text)}
	f.locate(c.at)
	return f
}

// locate names the frames of a call site.
func (f *Finding) locate(site callSite) {
	for i, pc := range site {
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
}

// instead advises what to do about a statement that is sent for each row.
func instead(sql string) string {
	if relations := relationsFor(sql); len(relations) > 0 {
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

func named(relations []relation.Relation) string {
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
