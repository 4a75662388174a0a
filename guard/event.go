package guard

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/limit"
)

// Event is a call beyond a limit.
type Event struct {
	Outcome   Outcome
	Operation string           // such as "find"; empty for SQL by hand
	Table     string           // as declared; empty for SQL by hand
	Reason    string           // that was given to [Allow], of a call that was allowed
	Error     *smrt.LimitError // what a caller gets who is refused
}

// Outcome is what became of a call beyond a limit.
type Outcome uint8

// The outcomes.
const (
	Refused  = Outcome(limit.Refused)
	Reported = Outcome(limit.Reported)
	Allowed  = Outcome(limit.Allowed)
)

// String returns the outcome's name.
func (o Outcome) String() string { return [...]string{"refused", "reported", "allowed"}[o] }

// reporter tells of events.
type reporter struct {
	logger  *slog.Logger
	onEvent func(context.Context, Event)
	lines   *throttle
}

// throttle counts lines of a log.
type throttle struct {
	mu      sync.Mutex
	second  time.Time
	logged  int
	dropped int
}

func newReporter(l *Limits, lines *throttle) *limit.Reporter {
	r := &reporter{logger: l.Logger, onEvent: l.OnEvent, lines: lines}
	return &limit.Reporter{Tell: r.tell}
}

func (r *reporter) tell(ctx context.Context, of limit.Event) {
	e := Event{Outcome(of.Outcome), of.Operation, of.Table, of.Reason, of.Error}
	r.log(ctx, e)
	if r.onEvent != nil {
		r.onEvent(ctx, e)
	}
}

// perSecond is how many lines are logged in a second: limits that many calls go
// beyond should not fill the log as well.
const perSecond = 10

// log writes a line, which has no value of the call.
func (r *reporter) log(ctx context.Context, e Event) {
	dropped, ok := r.lines.mayLog(time.Now())
	if !ok {
		return
	}
	level := slog.LevelWarn
	if e.Outcome == Allowed {
		level = slog.LevelInfo
	}
	attrs := []slog.Attr{slog.String("limit", e.Error.Limit), slog.Int64("max", e.Error.Max), slog.Int64("actual", e.Error.Actual)}
	if errors.Is(e.Error, smrt.ErrTimeLimit) {
		attrs[1], attrs[2] = slog.Duration("max", time.Duration(e.Error.Max)), slog.Duration("actual", time.Duration(e.Error.Actual))
	}
	if rate := (*smrt.RateError)(nil); errors.As(e.Error, &rate) { // whose key is left out: it is who calls
		attrs = []slog.Attr{attrs[0], slog.String("rate", rate.Rate), slog.Int64("available", rate.Available), slog.Int64("cost", rate.Cost)}
	}
	for _, a := range []slog.Attr{slog.String("operation", e.Operation), slog.String("table", e.Table), slog.String("reason", e.Reason)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int("left_out", dropped))
	}
	logger := r.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(ctx, level, "smrt: a call beyond a limit was "+e.Outcome.String(), attrs...)
}

// mayLog reports whether a line may be logged, and how many were not since the last.
func (t *throttle) mayLog(now time.Time) (dropped int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.second) >= time.Second {
		t.second, t.logged = now, 0
	}
	if t.logged == perSecond {
		t.dropped++
		return 0, false
	}
	t.logged++
	dropped, t.dropped = t.dropped, 0
	return dropped, true
}
