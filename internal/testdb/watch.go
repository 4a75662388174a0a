package testdb

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// watch knows the connections of one pool: where each was acquired, and where statements were sent whose effects outlive
// them. It is a tracer of pgx, which calls it on the goroutine of who uses the connection.
type watch struct {
	mu       sync.Mutex
	sessions map[*pgx.Conn]*session
	params   map[string]string // what connections are begun with
	pooled   bool              // connections are those of a pooler, whose sessions are not ours
}

// session is what is known of a connection. Stacks are nil where there is nothing to know.
type session struct {
	pid      uint32
	acquired stack            // by who has it now
	begun    stack            // the last transaction
	locked   stack            // the last statement with an advisory lock of the session
	listened stack            // the last LISTEN
	set      map[string]stack // by the setting's name
	kept     map[string]bool  // settings that hooks of the pool have set
	inHook   bool
}

func newWatch() *watch { return &watch{sessions: map[*pgx.Conn]*session{}} }

// attach is an [Option], the last one of a pool, so that it knows the hooks of the others.
func (w *watch) attach(cfg *pgxpool.Config) {
	w.params = map[string]string{}
	for name, value := range cfg.ConnConfig.RuntimeParams {
		w.params[strings.ToLower(name)] = value
	}
	if direct, err := pgxpool.ParseConfig(cfg.ConnString()); err == nil {
		w.pooled = direct.ConnConfig.Host != cfg.ConnConfig.Host || direct.ConnConfig.Port != cfg.ConnConfig.Port
	}
	cfg.ConnConfig.Tracer = beside(cfg.ConnConfig.Tracer, &watchTracer{w})

	connected := cfg.AfterConnect
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		w.begin(conn)
		if connected == nil {
			return nil
		}
		defer w.hook(conn)()
		return connected(ctx, conn)
	}
	if prepare := cfg.PrepareConn; prepare != nil {
		cfg.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
			if isCheck(ctx) {
				return true, nil
			}
			defer w.hook(conn)()
			return prepare(ctx, conn)
		}
	}
	if before := cfg.BeforeAcquire; before != nil { //nolint:staticcheck // users may have it still
		cfg.BeforeAcquire = func(ctx context.Context, conn *pgx.Conn) bool { //nolint:staticcheck // as above
			if isCheck(ctx) {
				return true
			}
			defer w.hook(conn)()
			return before(ctx, conn)
		}
	}
}

func (w *watch) begin(conn *pgx.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[conn] = &session{pid: conn.PgConn().PID(), set: map[string]stack{}, kept: map[string]bool{}}
}

// hook notes that what is sent on the connection is sent by a hook of the pool, until the returned function is called.
func (w *watch) hook(conn *pgx.Conn) func() {
	w.on(conn, func(s *session) { s.inHook = true })
	return func() { w.on(conn, func(s *session) { s.inHook = false }) }
}

// on changes what is known of a connection.
func (w *watch) on(conn *pgx.Conn, change func(*session)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.sessions[conn]; s != nil {
		change(s)
	}
}

// copies returns what is known of the connections that are still open.
func (w *watch) copies() []session {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []session
	for conn, s := range w.sessions {
		if !conn.IsClosed() {
			all = append(all, *s)
		}
	}
	return all
}

// pids returns those of all connections that there were: some may still be on their way out.
func (w *watch) pids() []uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	pids := []uint32{}
	for _, s := range w.sessions {
		pids = append(pids, s.pid)
	}
	return pids
}

// sent notes what a statement may leave behind.
func (w *watch) sent(conn *pgx.Conn, sqlText string, args []any) {
	begins := beginRE.MatchString(sqlText)
	locks, listens := lockRE.MatchString(sqlText), listenRE.MatchString(sqlText)
	names := settingsIn(sqlText, args)
	if !begins && !locks && !listens && len(names) == 0 {
		return
	}
	at := here()
	w.on(conn, func(s *session) {
		if begins {
			s.begun = at
		}
		if locks {
			s.locked = at
		}
		if listens {
			s.listened = at
		}
		for _, name := range names {
			s.set[name] = at
			s.kept[name] = s.kept[name] || s.inHook
		}
	})
}

const noise = `(?is)(?:^|;)\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*`

var (
	beginRE     = regexp.MustCompile(noise + `(?:begin|start\s+transaction)\b`)
	lockRE      = regexp.MustCompile(`(?i)\bpg_(?:try_)?advisory_lock`)
	listenRE    = regexp.MustCompile(noise + `listen\b`)
	setRE       = regexp.MustCompile(noise + `set\s+(?:session\s+)?(time\s+zone|characteristics|[\w.$"]+)`)
	setConfigRE = regexp.MustCompile(`(?i)\bset_config\s*\(\s*(?:'([^']+)'|\$(\d+))`)
)

// settingsIn returns the names of settings that a statement may change, in lower case.
func settingsIn(sqlText string, args []any) []string {
	var names []string
	for _, m := range setRE.FindAllStringSubmatch(sqlText, -1) {
		switch name := strings.ToLower(strings.ReplaceAll(m[1], `"`, "")); {
		case name == "local", name == "transaction", name == "constraints": // end with the transaction
		case strings.HasPrefix(name, "time"):
			names = append(names, "timezone")
		case name == "characteristics":
			names = append(names,
				"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable")
		default:
			names = append(names, name)
		}
	}
	for _, m := range setConfigRE.FindAllStringSubmatch(sqlText, -1) {
		name := m[1]
		if n, err := strconv.Atoi(m[2]); err == nil && n >= 1 && n <= len(args) {
			name, _ = args[n-1].(string)
		}
		if name != "" {
			names = append(names, strings.ToLower(name))
		}
	}
	return names
}

// watchTracer keeps pgx's hooks out of the watch's methods.
type watchTracer struct {
	watch *watch
}

func (t *watchTracer) TraceAcquireStart(
	ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	return ctx
}

func (t *watchTracer) TraceAcquireEnd(_ context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if data.Conn != nil {
		at := here()
		t.watch.on(data.Conn, func(s *session) { s.acquired = at })
	}
}

func (t *watchTracer) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	t.watch.on(data.Conn, func(s *session) { s.acquired = nil })
}

func (t *watchTracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	t.watch.sent(conn, data.SQL, data.Args)
	return ctx
}

func (*watchTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (t *watchTracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	for _, queued := range data.Batch.QueuedQueries {
		t.watch.sent(conn, queued.SQL, queued.Arguments)
	}
	return ctx
}

func (*watchTracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (*watchTracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// stack is where something was done: program counters, resolved when they are printed.
type stack []uintptr

// stackLimit is how many frames are kept. The test is the last one of interest.
const stackLimit = 64

func here() stack {
	pcs := make([]uintptr, stackLimit)
	return pcs[:runtime.Callers(3, pcs)]
}

// String returns the lines of the program, the innermost first: without pgx, the library and what runs tests. It is
// empty where nothing is known.
func (s stack) String() string {
	var text strings.Builder
	if len(s) == 0 {
		return ""
	}
	frames := runtime.CallersFrames(s)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if f.Function != "" && !isMachinery(f) {
			fmt.Fprintf(&text, "\n\t%s:%d %s", f.File, f.Line, f.Function[strings.LastIndex(f.Function, "/")+1:])
		}
	}
	return text.String()
}

// isMachinery reports whether a line is of no use to who looks for a leak. Tests of the library are programs like others.
func isMachinery(f runtime.Frame) bool {
	for _, prefix := range []string{"runtime.", "testing.", "github.com/jackc/", "golang.org/x/sync/"} {
		if strings.HasPrefix(f.Function, prefix) {
			return true
		}
	}
	ours := strings.HasPrefix(f.Function, "github.com/smrt-go/smrt.") || strings.HasPrefix(f.Function, "github.com/smrt-go/smrt/")
	return ours && !strings.HasSuffix(f.File, "_test.go")
}
