package pool

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/traced"
)

// Unsent data and silent peers are noticed after these times.
const (
	keepAliveIdle     = 30 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
	userTimeout       = 15 * time.Second
)

// dialer returns pgx's dialer with limits for silent peers.
func dialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
		},
		Control: limitUnsent,
	}
}

// gate bounds the connections that the server has of a pool, those included
// that it has not finished closing. Without it, calls that are cancelled under
// load open connections faster than the server drops them, however small MaxConns
// is.
type gate struct {
	slots    chan struct{}
	refusals refusals

	waiting                atomic.Int32 // dials that wait for a place at this moment
	dials, waited, refused atomic.Int64
}

// newGate leaves room for a quarter more than the pool's connections.
func newGate(maxConns int32) *gate {
	return &gate{slots: make(chan struct{}, maxConns+(maxConns+3)/4)}
}

type dialKey struct{}

// markDial marks a context under which a connection of the pool is dialled, with the
// time. A request to cancel a statement is dialled by the same function and must not
// wait: what it cancels may hold the place that it would wait for.
func markDial(ctx context.Context) context.Context {
	return context.WithValue(ctx, dialKey{}, traced.Now())
}

// guard makes dial take a place.
func (g *gate) guard(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if ctx.Value(dialKey{}) == nil {
			conn, err := dial(ctx, network, address)
			if r, ok := ctx.Value(requestKey{}).(*request); ok && err == nil {
				return &requestWire{Conn: conn, of: r}, nil
			}
			return conn, err
		}
		if err := g.enter(ctx); err != nil {
			return nil, err
		}
		if err := g.refusals.wait(ctx, address); err != nil {
			g.leave()
			return nil, err
		}
		g.dials.Add(1)
		conn, err := dial(ctx, network, address)
		g.refusals.note(ctx, address, err)
		if err != nil {
			g.leave()
			return nil, err
		}
		return &wire{Conn: conn, gate: g}, nil
	}
}

// enter takes a place, and waits for one until ctx ends.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	g.waited.Add(1)
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		g.refused.Add(1)
		return fmt.Errorf("%w: %w", g.full(), ctx.Err())
	}
}

// full is why a dial waits for a place.
func (g *gate) full() error {
	return fmt.Errorf("the server has not closed enough of the pool's %d connections", cap(g.slots))
}

// leave gives a place back.
func (g *gate) leave() { <-g.slots }

// wire is a connection that has a place.
type wire struct {
	net.Conn
	gate *gate
	of   atomic.Pointer[connState] // of one that was lent to a class
	once sync.Once
	err  error
}

// linger is how long the server is given to close its end.
const linger = 250 * time.Millisecond

// Close closes the connection, and gives its place to another one when the
// server has closed its end: only then has its process ended.
func (w *wire) Close() error {
	w.once.Do(func() {
		if w.SetDeadline(time.Now().Add(linger)) == nil {
			w.endWriting()
			_, _ = io.Copy(io.Discard, w.Conn) // either it ends or it takes too long
		}
		w.err = w.Conn.Close()
		w.gate.leave()
		if s := w.of.Load(); s != nil {
			s.leaveClass()
		}
	})
	return w.err
}

// endWriting tells the server that nothing more will come, in case it was not
// told in words.
func (w *wire) endWriting() {
	if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // a connection that is broken is closed anyway
	}
}
