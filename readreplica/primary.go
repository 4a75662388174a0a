package readreplica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/pool"
)

// Pgx returns the pool of the primary, for code that demands its type, such as a
// library for queues. It waits for a primary as a write does. After a failover
// another server is the primary, so ask again rather than keep the pool.
//
// The router does not see what is sent on it: a read that must show what was
// written there needs [WithPrimary], or [WithPosition]. If the server was
// configured with a pool of another type than *pgxpool.Pool and *pool.Pool, the
// error is smrt.ErrBadOptions.
func (r *Router) Pgx(ctx context.Context) (*pgxpool.Pool, error) {
	w, err := r.primary(ctx)
	switch {
	case err != nil:
		return nil, err
	case r.isClosed():
		return nil, smrt.ErrPoolClosed
	}
	switch p := w.node.writes.(type) {
	case *pgxpool.Pool:
		return p, nil
	case *pool.Pool:
		return p.Pgx(), nil
	}
	return nil, bad("Servers", fmt.Sprintf("must have pools of pgx or of package pool for that: %s has a %T", w.node.Name, w.node.writes))
}

func (r *Router) isClosed() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}

// writer returns the primary. If there is none it waits for one, until the given
// time, the end of ctx or that of the router: smrt.ErrNoPrimary with what is known
// of the servers, or smrt.ErrPoolClosed.
func (r *Router) writer(ctx context.Context, until instant) (*Node, error) {
	if n := r.table.Load().primary; n != nil {
		return n, nil
	}
	for {
		r.mu.Lock()
		changed, n := r.changed, r.table.Load().primary
		r.mu.Unlock()
		if n != nil {
			return n, nil
		}
		left := time.Duration(until - now())
		if left <= 0 {
			return nil, r.noPrimary()
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		case <-r.stopped:
			timer.Stop()
			return nil, smrt.ErrPoolClosed
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(ctx.Err(), smrt.ErrNoPrimary)
		}
		timer.Stop()
	}
}

// noPrimary returns the error of having no primary, with what is known of each
// server.
func (r *Router) noPrimary() error {
	list := []error{smrt.ErrNoPrimary}
	for _, n := range r.nodes {
		if e := n.prober.last.Load(); e != nil {
			list = append(list, fmt.Errorf("%s: %w", n.Name, *e))
		} else if s := n.status.Load(); s != nil && s.readOnly && !s.standby {
			list = append(list, fmt.Errorf("%s: %w: its transactions are read-only by default (default_transaction_read_only)", n.Name, smrt.ErrReadOnly))
		}
	}
	return errors.Join(list...)
}

// pause waits for a little while, or until something has changed.
func (r *Router) pause(ctx context.Context, d time.Duration) {
	r.mu.Lock()
	changed := r.changed
	r.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// limit is when a write that begins now stops waiting for a primary.
func (r *Router) limit() instant { return now() + instant(r.cfg.Failover) }

// demote notes that a server refused a write as read-only, so that it is not the
// primary any more, and lets its pool forget the connections, whose pings would
// still be answered.
func (r *Router) demote(n *Node) {
	r.mu.Lock()
	if s := n.status.Load(); s != nil && !s.readOnly {
		refused := *s
		refused.readOnly = true
		n.status.Store(&refused)
		r.arrange()
	}
	r.mu.Unlock()
	n.writes.Reset()
	r.hurry()
}

// suspect counts a failure of a write that met a broken connection, and probes all
// servers: another one may have been promoted.
func (r *Router) suspect(n *Node, err error) {
	n.failed(err)
	r.hurry()
}

// Reset makes the router look for the primary again and forget the connections
// to the one it knew: idle ones are closed at once, others when they are given
// back. It does not wait. txn.Run calls it when a server turns out to be read-only.
func (r *Router) Reset() {
	if n := r.table.Load().primary; n != nil {
		n.writes.Reset()
	}
	r.hurry()
}

// hurry asks all servers how they are.
func (r *Router) hurry() {
	for _, n := range r.nodes {
		n.prober.hurry()
	}
}
