package pool

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/traced"
)

// Acquire lends a connection, which is given back with its Release. It waits for
// AcquireTimeout at most. Then it returns a *[smrt.PoolExhaustedError] if all
// connections are in use, or a *[smrt.ConnectTimeoutError] if one is still being
// opened. With QueueTarget, a call that waits while the pool is overloaded is refused
// sooner. If the pool is closed or draining it returns [smrt.ErrPoolClosed].
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
	if len(p.classes) == 0 {
		return p.acquire(ctx, 0)
	}
	place, waited, err := p.place(ctx)
	switch {
	case p.closing.Load(): // meanwhile
		place.giveBack()
		return nil, smrt.ErrPoolClosed
	case err != nil:
		return nil, err
	}
	conn, err := p.acquire(ctx, waited)
	if err != nil {
		place.giveBack()
		return nil, err
	}
	place.hold(conn.Conn())
	return conn, nil
}

// acquire is Acquire without classes, of a call that has waited before.
func (p *Pool) acquire(ctx context.Context, before time.Duration) (*pgxpool.Conn, error) {
	w := p.patience(ctx, before)
	conn, err := p.pool.Acquire(w)
	waited, refused := p.end(w, err == nil)
	waited += before
	if err == nil {
		if waited > 0 {
			tellWaited(conn.Conn(), waited)
		}
		p.lent(conn.Conn(), waited)
		return conn, nil
	}
	switch {
	case p.closing.Load():
		return nil, smrt.ErrPoolClosed
	case refused != "" && ctx.Err() == nil:
		return nil, p.tooLate(waited, refused)
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

// The reasons of a *smrt.PoolExhaustedError.
const (
	timeout  = "timeout"  // AcquireTimeout is over
	overload = "overload" // see queue
)

// errRefused ends the wait of a call that is refused.
var errRefused = errors.New("the pool is overloaded")

// tooLate is the error of a call that has waited for AcquireTimeout, or for as long as
// it may while the pool is overloaded. The pool is
// exhausted if all connections are lent, or if the server has not closed enough
// of the old ones. Otherwise there was room, and the call waited for a
// connection to be opened.
func (p *Pool) tooLate(waited time.Duration, reason string) error {
	stat, failed := p.pool.Stat(), p.cause(waited)
	if opening := stat.ConstructingConns(); opening > 0 && stat.AcquiredConns() < stat.MaxConns() && p.gate.waiting.Load() == 0 {
		p.counts.connectTimeouts.Add(1)
		return &smrt.ConnectTimeoutError{Waited: waited, Opening: opening, Err: failed}
	}
	p.counts.exhausted.Add(1)
	if reason == overload {
		p.counts.refused.Add(1)
	}
	err := &smrt.PoolExhaustedError{
		Reason: reason,
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
	queue *queue // nil: the pool refuses nobody because of overload
	asked bool   // for Done. It is set before any other goroutine sees the context

	waiting *atomic.Int64 // calls that wait

	mu     sync.Mutex
	done   chan struct{} // nil as long as nobody waits
	err    error
	since  time.Time
	timer  *time.Timer
	unhook func() bool // from the caller's context
	reason string      // why the pool has ended it, empty if it has not

	place *list.Element // in the queue, whose lock it needs
}

// patience returns a context for one call of Acquire, which has waited before; end takes
// it back.
func (p *Pool) patience(ctx context.Context, before time.Duration) *patience {
	w := p.patiences.Get().(*patience)
	w.Context, w.limit, w.queue = ctx, max(p.acquireTimeout()-before, 0), p.queue
	w.asked = p.hooked
	return w
}

// acquireTimeout returns how long a call may wait.
func (p *Pool) acquireTimeout() time.Duration {
	if p.settings.AcquireTimeout < 0 {
		return mostTime
	}
	return p.settings.AcquireTimeout
}

// end returns how long w was waited for, and why the pool has ended that, if it has.
func (p *Pool) end(w *patience, served bool) (waited time.Duration, reason string) {
	if w.done == nil && !p.hooked { // nobody else has seen it
		w.Context, w.asked = nil, false
		p.patiences.Put(w)
		p.queue.served()
		return 0, ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return 0, ""
	}
	w.waiting.Add(-1)
	w.timer.Stop()
	w.unhook()
	if w.queue != nil {
		w.queue.leave(w, served)
	}
	return time.Since(w.since), w.reason
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
		w.waiting.Add(1)
		w.done = make(chan struct{})
		w.since = time.Now()
		w.timer = time.AfterFunc(w.limit, func() { w.stop(context.DeadlineExceeded, timeout) })
		ctx := w.Context
		w.unhook = context.AfterFunc(ctx, func() { w.stop(ctx.Err(), "") })
		if w.queue != nil {
			w.queue.enter(w)
		}
	}
	return w.done
}

// stop closes Done, once: the timer, the queue and the caller's context may all end.
func (w *patience) stop(err error, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err, w.reason = err, reason
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
