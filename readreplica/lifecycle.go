package readreplica

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/smrt-go/smrt"
)

// warmer and drainer are what a *pool.Pool does beyond a *pgxpool.Pool.
type (
	warmer interface {
		Warm(ctx context.Context, uses ...func(context.Context, smrt.DB) error) error
	}
	drainer interface {
		Drain(ctx context.Context) error
	}
)

// Warm opens the pools' MinConns connections, for reading on the replicas and
// for writing on the primary, and runs uses on each of them, before the first
// request has to wait for that. uses must only read. It returns the first error.
// Pools that are not of package pool are left out.
func (r *Router) Warm(ctx context.Context, uses ...func(context.Context, smrt.DB) error) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	t := r.table.Load()
	var g errgroup.Group
	warm := func(p Pool) {
		if w, ok := p.(warmer); ok {
			g.Go(func() error { return w.Warm(ctx, uses...) })
		}
	}
	for _, n := range t.all {
		warm(n.reads)
	}
	if t.primary != nil {
		warm(t.primary.writes)
	}
	return g.Wait()
}

// Drain ends the router as Close does, but waits for connections only until ctx
// ends. Calls made meanwhile and afterwards return smrt.ErrPoolClosed. The error
// joins those of the pools, which say how many connections were still in use and
// wrap that of ctx.
func (r *Router) Drain(ctx context.Context) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	r.stop()
	r.probers.Wait()
	var pools []drainer
	for _, n := range r.nodes {
		for _, p := range []Pool{n.reads, n.writes} {
			if d, ok := p.(drainer); ok && n.own {
				pools = append(pools, d)
			}
		}
	}
	errs := make([]error, len(pools))
	var g errgroup.Group
	for i, p := range pools {
		g.Go(func() error {
			errs[i] = p.Drain(ctx)
			return nil
		})
	}
	_ = g.Wait()
	r.events.end()
	return errors.Join(errs...)
}
