package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/traced"
)

// Acquire lends a connection, which is given back with its Release. It waits for
// AcquireTimeout at most. Then it returns a *[smrt.PoolExhaustedError] if all
// connections are in use, or a *[smrt.ConnectTimeoutError] if one is still being
// opened. If the pool is closed or draining it returns [smrt.ErrPoolClosed].
//
// What is sent on a connection is not run again after a stray cancellation or a
// stale plan; it may be a part of something larger.
func (p *Pool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if ctx == nil {
		return nil, smrt.ErrNilContext
	}
	if p.closing.Load() {
		return nil, smrt.ErrPoolClosed
	}
	w := p.patience(ctx)
	conn, err := p.pool.Acquire(w)
	waited, gaveUp := p.end(w)
	if err == nil {
		if waited > 0 {
			tellWaited(conn.Conn(), waited)
		}
		return conn, nil
	}
	switch {
	case p.closing.Load():
		return nil, smrt.ErrPoolClosed
	case gaveUp && ctx.Err() == nil:
		return nil, p.tooLate(waited)
	case ctx.Err() != nil:
		if cause := p.cause(waited); cause != nil {
			return nil, fmt.Errorf("%w; meanwhile connecting failed: %w", err, cause)
		}
	}
	return nil, p.explain(err)
}

// tellWaited tells an observer of the connection how long the call has waited for it.
// TraceRelease forgets that if nothing was sent.
func tellWaited(conn *pgx.Conn, waited time.Duration) {
	if seen := traced.Of(conn); seen != nil {
		seen.Waited = waited
		if s := stateOf(conn.PgConn()); s != nil {
			s.told = seen
		}
	}
}

// tooLate is the error of a call that has waited for AcquireTimeout. The pool is
// exhausted if all connections are lent, or if the server has not closed enough
// of the old ones. Otherwise there was room, and the call waited for a
// connection to be opened.
func (p *Pool) tooLate(waited time.Duration) error {
	stat, failed := p.pool.Stat(), p.cause(waited)
	if opening := stat.ConstructingConns(); opening > 0 && stat.AcquiredConns() < stat.MaxConns() && p.gate.waiting.Load() == 0 {
		p.counts.connectTimeouts.Add(1)
		return &smrt.ConnectTimeoutError{Waited: waited, Opening: opening, Err: failed}
	}
	p.counts.exhausted.Add(1)
	err := &smrt.PoolExhaustedError{
		Waited: waited,
		InUse:  stat.AcquiredConns() + stat.ConstructingConns(),
		Max:    stat.MaxConns(),
	}
	if failed != nil {
		return fmt.Errorf("%w; meanwhile connecting failed: %w", err, failed)
	}
	return err
}

// cause returns why no connection was opened while a call waited, as far as is
// known: one that failed meanwhile, an address that is left alone because it
// refused the last dial, or connections that the server has yet to close. The
// attempt that the call itself waits for has not ended.
func (p *Pool) cause(waited time.Duration) error {
	if f := p.failure.Load(); f != nil && time.Since(f.at) < waited {
		return f.err
	}
	if err := p.gate.refusals.last(); err != nil {
		return err
	}
	if p.gate.waiting.Load() > 0 {
		return p.gate.full()
	}
	return nil
}

// failure is a connection that could not be opened.
type failure struct {
	at  time.Time
	err error
}

// connectFailed remembers why no connection could be opened, for the error of a call
// that is waiting for one.
func (p *Pool) connectFailed(err error) {
	if !errors.Is(err, context.Canceled) { // of a pool that is being closed
		p.failure.Store(&failure{time.Now(), err})
	}
}

// patience is the context of a caller until AcquireTimeout has passed. A timer for
// each call would cost as much as everything else that the pool does, so there is
// none until somebody waits:
//
//	a connection is idle  pgxpool calls Done once, to see whether the context has ended, and gets
//	                      the caller's channel. Nobody else has seen the patience, so it is used
//	                      again: no timer and no memory
//	it has to wait        for a connection, or for a ping: it calls Done again, which makes a
//	                      channel, a timer, and a hook in the caller's context. The patience is
//	                      not used again
//	there is a hook       of the user's, which may keep the context: as if it had to wait
type patience struct {
	context.Context
	limit time.Duration
	asked bool // for Done. It is set before any other goroutine sees the context

	mu     sync.Mutex
	done   chan struct{} // nil as long as nobody waits
	err    error
	since  time.Time
	timer  *time.Timer
	unhook func() bool // from the caller's context
	gaveUp bool
}

// patience returns a context for one call of Acquire; end takes it back.
func (p *Pool) patience(ctx context.Context) *patience {
	w := p.patiences.Get().(*patience)
	w.Context, w.limit = ctx, p.settings.AcquireTimeout
	w.asked = p.hooked
	if w.limit < 0 {
		w.limit = mostTime
	}
	return w
}

// end returns how long w was waited for, and reports whether that was too long.
func (p *Pool) end(w *patience) (waited time.Duration, gaveUp bool) {
	if w.done == nil && !p.hooked { // nobody else has seen it
		w.Context, w.asked = nil, false
		p.patiences.Put(w)
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return 0, false
	}
	w.timer.Stop()
	w.unhook()
	return time.Since(w.since), w.gaveUp
}

// Done is closed when the caller's context ends, or the time is over.
func (w *patience) Done() <-chan struct{} {
	if !w.asked {
		w.asked = true
		return w.Context.Done()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done == nil {
		w.done = make(chan struct{})
		w.since = time.Now()
		w.timer = time.AfterFunc(w.limit, func() { w.stop(context.DeadlineExceeded, true) })
		ctx := w.Context
		w.unhook = context.AfterFunc(ctx, func() { w.stop(ctx.Err(), false) })
	}
	return w.done
}

// stop closes Done, once: the timer and the caller's context may both end.
func (w *patience) stop(err error, gaveUp bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err, w.gaveUp = err, gaveUp
		close(w.done)
	}
}

// Err is why Done was closed.
func (w *patience) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	return w.Context.Err()
}
