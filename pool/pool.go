package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Pool lends connections to one server, and runs statements on them. It is safe
// for concurrent use. It has the methods of [pgxpool.Pool] that smrt, the code that
// sqlc generates and hand-written queries use.
//
// Methods that need a connection wait for one for AcquireTimeout at most, and
// return the errors of [Pool.Acquire] if they get none. Their other errors are
// those of pgx, but for *[smrt.PoolerError].
type Pool struct {
	settings *settings
	pool     *pgxpool.Pool
	gate     *gate
	queue    *queue            // nil without QueueTarget
	classes  map[string]*class // as configured
	counts   counts

	userBeforeConnect func(context.Context, *pgx.ConnConfig) error
	userAfterConnect  func(context.Context, *pgx.Conn) error
	hooked            bool // somebody else sees the contexts of Acquire
	bound             bool // hooks may bind a connection to what a context says

	patiences sync.Pool
	failure   atomic.Pointer[failure]
	watchers  atomic.Pointer[[]*Times] // nil for none

	detecting sync.Mutex
	server    atomic.Pointer[Server]

	closing atomic.Bool
	closed  chan struct{} // when all connections are
	close   sync.Once
}

var _ smrt.Pool = (*Pool)(nil)

// Open opens a pool, and tries to reach the server until StartTimeout is over
// or ctx ends, unless the configuration says Lazy.
//
// A configuration that cannot be used returns a *[smrt.OptionsError], before
// anything is dialled; one that a pooler makes impossible a
// *[smrt.PoolerError]. No error contains the URL or the password.
func Open(ctx context.Context, cfg Config) (*Pool, error) {
	if ctx == nil {
		return nil, smrt.ErrNilContext
	}
	s, err := resolve(cfg)
	if err != nil {
		return nil, err
	}
	p := newPool(s)
	if err := p.addHooks(); err != nil {
		return nil, err
	}
	if p.pool, err = pgxpool.NewWithConfig(ctx, s.pgx); err != nil {
		return nil, fmt.Errorf("open a pool: %w", err)
	}
	if cfg.Lazy {
		return p, nil
	}
	if err := p.start(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func newPool(s *settings) *Pool {
	p := &Pool{settings: s, closed: make(chan struct{})}
	p.classes = classes(s.Classes)
	p.patiences.New = func() any { return &patience{waiting: &p.counts.waiting} }
	if s.QueueTarget > 0 {
		p.queue = &queue{target: s.QueueTarget, interval: s.QueueInterval}
	}
	return p
}

// addHooks puts the pool's protections around what the user configured.
func (p *Pool) addHooks() error {
	c := p.settings.pgx
	if p.settings.Configure != nil {
		p.settings.Configure(c)
	}
	if c.MaxConns < 1 || c.MaxConns > maxMaxConns {
		return bad("Configure", fmt.Sprintf("sets MaxConns, which must be a number from 1 to %d", maxMaxConns))
	}
	p.bound = handle.LooksAtContexts(c)
	p.gate = newGate(c.MaxConns)
	c.ConnConfig.DialFunc = p.gate.guard(c.ConnConfig.DialFunc)
	c.ConnConfig.BuildContextWatcherHandler = p.watch
	p.userBeforeConnect, c.BeforeConnect = c.BeforeConnect, p.beforeConnect
	if hook := c.AfterConnect; hook != nil {
		p.userAfterConnect = hook
		c.AfterConnect = p.afterConnect
	}
	_, watched := c.ConnConfig.Tracer.(pgxpool.AcquireTracer)
	if several, ok := c.ConnConfig.Tracer.(*multitracer.Tracer); ok { // which has the method, whatever is in it
		watched = len(several.PoolAcquireTracers) > 0
	}
	//nolint:staticcheck // a deprecated hook is a hook
	p.hooked = watched || c.PrepareConn != nil || c.BeforeAcquire != nil || c.ShouldPing != nil
	if c.ConnConfig.Tracer == nil {
		c.ConnConfig.Tracer = &tracer{pool: p}
	} else {
		c.ConnConfig.Tracer = multitracer.New(&tracer{pool: p}, c.ConnConfig.Tracer)
	}
	return nil
}

// afterConnect is pgx's hook. It calls the user's, which may change the session:
// such changes belong to the pool and are no reason to clean it.
func (p *Pool) afterConnect(ctx context.Context, conn *pgx.Conn) error {
	if err := p.userAfterConnect(ctx, conn); err != nil {
		return err
	}
	if s := stateOf(conn.PgConn()); s != nil {
		s.left, s.hears = false, false
	}
	return nil
}

// The times between attempts to reach a server that is down.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// start reaches the server for the first time, and tries again until StartTimeout
// is over. It returns the error of the last attempt, or of an earlier one that
// says more.
func (p *Pool) start(ctx context.Context) error {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, p.settings.StartTimeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		// Not Acquire: attempts are limited by StartTimeout and ConnectTimeout,
		// and are not counted as calls.
		err := p.explain(p.pool.Ping(limited))
		if err == nil || isLasting(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-limited.Done():
			if f := p.failure.Load(); f != nil && errors.Is(err, context.DeadlineExceeded) {
				err = f.err // says more
			}
			return fmt.Errorf("the server could not be reached in %v: %w", time.Since(began).Round(time.Millisecond), err)
		}
	}
}

// isLasting reports whether trying again is useless: who asks, or for what, is
// wrong.
func isLasting(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pgerr.IsAccessDenied(pg)
	}
	return errors.Is(err, smrt.ErrPoolerMode)
}

// Server returns what is known of the server, which is the zero Server until one
// was reached.
func (p *Pool) Server() Server {
	if s := p.server.Load(); s != nil {
		return *s
	}
	return Server{}
}

// Ping borrows a connection and sends an empty statement on it. It returns nil if
// the server answered.
func (p *Pool) Ping(ctx context.Context) error {
	c, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	return p.explain(c.Ping(ctx))
}

// Reset closes all connections: idle ones at once, others when they are given
// back. The pool opens new ones. It does not wait.
func (p *Pool) Reset() { p.pool.Reset() }

// Traits is for the other packages of smrt.
func (p *Pool) Traits() any { return traits{p} }

// traits are what a Pool says beyond smrt.DB.
type traits struct{ p *Pool }

var (
	_ handle.Traits   = (*Pool)(nil)
	_ handle.Resetter = traits{}
	_ handle.Sharer   = traits{}
)

// Reset lets the pool forget its connections.
func (t traits) Reset() { t.p.Reset() }

// Sharing reports whether hooks cannot tell callers apart, and what names one.
func (t traits) Sharing() (all bool, caller func(context.Context) any) {
	if t.p == nil {
		return false, nil
	}
	return !t.p.bound && t.p.settings.Caller == nil, t.p.settings.Caller
}

// Config returns a copy of pgx's settings, with the hooks of the pool in them: a
// pool of pgx that is opened with it would share this pool's state.
func (p *Pool) Config() *pgxpool.Config { return p.pool.Config() }

// Pgx returns the pool below this one, for code that demands its type. What is
// sent on it waits for a connection without a limit, and is not run again;
// everything else holds for it too.
func (p *Pool) Pgx() *pgxpool.Pool { return p.pool }
