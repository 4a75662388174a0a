package observe

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/handle"
)

// Plans of slow statements are asked for one at a time, of one text once a minute, and
// for a hundredth of the time at most, connecting included.
const (
	planTimeout = 5 * time.Second
	planEvery   = time.Minute
	planShare   = 100
	maxPlanned  = 1000 // texts whose time is known; the next one drops all
)

// planner asks for plans. It has a goroutine while it does.
type planner struct {
	mu      sync.Mutex
	busy    bool
	free    time.Time            // when it may ask again
	planned map[uint64]time.Time // by shapes
}

// take reports whether the plan of a shape is to be asked for now. Whoever may ask gives
// back when it began.
func (p *planner) take(shape uint64, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at, known := p.planned[shape]; p.busy || now.Before(p.free) || known && now.Sub(at) < planEvery {
		return false
	}
	if p.planned == nil || len(p.planned) >= maxPlanned {
		p.planned = map[uint64]time.Time{}
	}
	p.planned[shape], p.busy = now, true
	return true
}

func (p *planner) give(began, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy, p.free = false, now.Add(now.Sub(began)*(planShare-1))
}

// planSlow logs the plan of a slow statement, on a goroutine and a connection of its own:
// the call does not wait for it.
func (o *Observer) planSlow(e *Event) {
	began := time.Now()
	if o.slow.Plans == nil || e.Kind != Statement || e.Shape == 0 || !o.slow.planner.take(e.Shape, began) {
		return
	}
	name, shape, sql := e.Name.String(), strconv.FormatUint(e.Shape, 16), e.SQL
	go func() {
		ctx, cancel := context.WithTimeout(handle.WithoutCounting(context.Background()), planTimeout)
		defer cancel()
		defer func() { o.slow.planner.give(began, time.Now()) }()
		plan, err := o.plan(ctx, sql)
		if errors.Is(err, explain.ErrNoPlan) {
			return
		}
		attrs := []slog.Attr{slog.String("name", name), slog.String("shape", shape)}
		attrs = appendIf(attrs, err == nil, slog.String("plan", clip(plan)))
		attrs = appendIf(attrs, err != nil, slog.String("failed", reason(err)))
		o.logger().LogAttrs(ctx, o.slow.Level.Level(), "plan of a slow statement", attrs...)
	}()
}

// reason says why there is no plan. What the server says of a statement may have values of
// rows in it, and its code has none.
func reason(err error) string {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &pg):
		return "SQLSTATE " + pg.Code
	}
	return err.Error()
}

// plan asks for the plan of a statement with whatever arguments. It is read-only and
// rolled back, and the statement is not run.
func (o *Observer) plan(ctx context.Context, sql string) (plan string, err error) {
	defer func() {
		if p := recover(); p != nil {
			o.logger().ErrorContext(ctx, "observe: SlowLog.Plans panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = errors.New("SlowLog.Plans panicked")
		}
	}()
	conn, err := o.slow.Plans(ctx)
	if err != nil {
		return "", err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), planTimeout)
		defer cancel()
		_ = conn.Close(ctx) // there is nobody to tell
	}()
	s, err := explain.Explain(ctx, conn, sql, false)
	return s.Plan, err
}
