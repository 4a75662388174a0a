package observe

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// SlowLog says which calls are logged.
type SlowLog struct {
	// Threshold is from which time on a call is logged: of the server, without
	// what the call waited for a connection, and without the time in which the
	// program worked between the rows. -1 to log none. Default: 200 ms.
	Threshold time.Duration

	// PerSecond is how many calls are logged in a second, so that a server in
	// trouble does not fill the log as well. What is left out is counted in the
	// next line that is logged. From 1; default: 10.
	PerSecond int

	// Level of the lines. Default: slog.LevelWarn.
	Level slog.Leveler

	// Args logs the values of arguments too. Default: their types and lengths
	// only, as values may be secrets.
	Args bool

	// Sites logs from where the program made a call: function, file and line. Of a
	// call that shares the statement of others, and of what smrt sends on a
	// goroutine of its own, that is not known. It costs calls that are logged some
	// 10 us.
	Sites bool

	// Plans opens a connection, to the same database and as the same user, and lets
	// the plan of a slow statement be logged as well: that for whatever arguments,
	// without running it. It is asked for on a goroutine of its own and not while
	// the call waits, one at a time, of one text once a minute, and for at most a
	// hundredth of the time; each is closed afterwards. Its context ends after 5 s.
	// Default: no plans.
	Plans func(context.Context) (*pgx.Conn, error)
}

const (
	defaultThreshold = 200 * time.Millisecond
	defaultPerSecond = 10
	maxLoggedArgs    = 32
	maxLoggedText    = 2048
)

// slowLog is a SlowLog, and its bucket of tokens.
type slowLog struct {
	SlowLog
	planner planner

	mu      sync.Mutex
	tokens  float64
	filled  time.Time
	dropped int
}

// newSlowLog returns nil if nothing is to be logged.
func newSlowLog(c SlowLog) (*slowLog, error) {
	switch {
	case c.Threshold == -1:
		return nil, nil
	case c.Threshold < 0:
		return nil, bad("Slow.Threshold", "must not be negative, but for -1, is %v", c.Threshold)
	case c.PerSecond < 0:
		return nil, bad("Slow.PerSecond", "must not be negative, is %d", c.PerSecond)
	}
	if c.Threshold == 0 {
		c.Threshold = defaultThreshold
	}
	if c.PerSecond == 0 {
		c.PerSecond = defaultPerSecond
	}
	if c.Level == nil {
		c.Level = slog.LevelWarn
	}
	return &slowLog{SlowLog: c, tokens: float64(c.PerSecond)}, nil
}

// take reports whether one more call may be logged now, and how many could not be
// since the last that was.
func (l *slowLog) take(now time.Time) (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.filled.IsZero() {
		l.tokens = min(l.tokens+now.Sub(l.filled).Seconds()*float64(l.PerSecond), float64(l.PerSecond))
	}
	if l.filled = now; l.tokens < 1 {
		l.dropped++
		return 0, false
	}
	l.tokens--
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}

// logSlow logs a call that was slow.
func (o *Observer) logSlow(ctx context.Context, f *flight) {
	logger, e := o.logger(), &f.event
	dropped, ok := o.slow.take(time.Now())
	if !ok {
		return
	}
	var site Frame
	if o.slow.Sites && e.Callers == 1 {
		site = o.tracer.callSites.here()
	}
	o.recent.add(e, site)
	if !logger.Enabled(ctx, o.slow.Level.Level()) {
		return
	}
	attrs := []slog.Attr{
		slog.String("name", e.Name.String()), slog.String("kind", e.Kind.String()),
		slog.Duration("server", e.Server), slog.Duration("waited", e.Waited),
		slog.Duration("decoded", e.Decoded), slog.Duration("held", e.Held),
		slog.Int64("rows", e.Rows), slog.String("outcome", e.Outcome.String()),
		slog.String("node", e.Node), slog.String("shape", strconv.FormatUint(e.Shape, 16)),
	}
	attrs = appendIf(attrs, e.SQL != "", slog.String("sql", clip(e.SQL)))
	attrs = appendIf(attrs, e.SQLState != "", slog.String("sqlstate", e.SQLState))
	attrs = appendIf(attrs, e.Size > 0, slog.Int("statements", e.Size))
	attrs = appendIf(attrs, e.Callers > 1, slog.Int("callers", e.Callers))
	attrs = appendIf(attrs, e.Run > 1, slog.Int("run", e.Run))
	attrs = appendIf(attrs, e.Tries > 1, slog.Int("tries", e.Tries))
	if len(f.args) > 0 {
		attrs = append(attrs, slog.Any("args", o.slow.describe(f.args)))
	}
	attrs = appendIf(attrs, site.Function != "", slog.String("site", site.String()))
	attrs = appendIf(attrs, dropped > 0, slog.Int("dropped", dropped))
	logger.LogAttrs(ctx, o.slow.Level.Level(), "slow statement", attrs...)
	o.planSlow(e)
}

// appendIf appends an attribute that is not always there.
func appendIf(attrs []slog.Attr, yes bool, a slog.Attr) []slog.Attr {
	if yes {
		attrs = append(attrs, a)
	}
	return attrs
}

// clip cuts off what is too long for a line of a log.
func clip(sql string) string {
	if len(sql) <= maxLoggedText {
		return sql
	}
	return strings.ToValidUTF8(sql[:maxLoggedText], "") + "..."
}

// describe returns the types and lengths of arguments, or their values if that was
// asked for.
func (l *slowLog) describe(args []any) []string {
	var out []string
	for _, a := range args[:min(len(args), maxLoggedArgs)] {
		text := typeOf(a)
		if l.Args {
			text = clip(fmt.Sprintf("%v", a))
		}
		out = append(out, text)
	}
	return out
}

// typeOf returns the type of an argument, with its length if it has one.
func typeOf(a any) string {
	v := reflect.ValueOf(a)
	if !v.IsValid() {
		return "NULL"
	}
	for v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() != reflect.Struct {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Array, reflect.Map:
		return fmt.Sprintf("%s(%d)", v.Type(), v.Len())
	}
	return v.Type().String()
}
