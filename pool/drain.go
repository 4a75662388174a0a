package pool

import (
	"context"
	"fmt"
	"sync"

	"github.com/smrt-go/smrt"
)

// Close closes the pool: idle connections at once, others when they are given
// back. It waits for those without a limit; see [Pool.Drain] for one. Close may be
// called several times, and by several goroutines.
func (p *Pool) Close() {
	p.stop()
	<-p.closed
}

// Drain closes the pool as Close does, but waits only until ctx ends. Calls made
// meanwhile and afterwards return [smrt.ErrPoolClosed]. If connections are still
// lent, or being opened, when ctx ends, the error says how many and wraps that of ctx;
// they can be used to the end, and are closed when they are given back. A pool of
// which none are lent is closed whatever ctx says.
func (p *Pool) Drain(ctx context.Context) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	p.stop()
	select {
	case <-p.closed:
		return nil
	case <-ctx.Done():
	}
	s := p.pool.Stat()
	if n := s.AcquiredConns() + s.ConstructingConns(); n > 0 {
		return fmt.Errorf("drain the pool: %d connections are still lent: %w", n, ctx.Err())
	}
	<-p.closed // which takes no longer than to close those that are idle
	return nil
}

// stop stops lending. The goroutine ends when the last connection comes back.
func (p *Pool) stop() {
	p.close.Do(func() {
		p.closing.Store(true)
		go func() {
			defer close(p.closed)
			p.pool.Close()
		}()
	})
}

// Warm opens MinConns connections, at least one, and runs each of uses on each
// of them, before the first request has to wait for that. A read prepares its
// statement, and makes the server load what it needs to know of the tables:
//
//	err := p.Warm(ctx, func(ctx context.Context, db smrt.DB) error {
//		_, err := products.With(db).Find(ctx, bestsellers)
//		return err
//	})
//
// It returns the first error. Connections that are opened later are not warm. A
// function that panics does so in Warm, after the others have ended.
func (p *Pool) Warm(ctx context.Context, uses ...func(context.Context, smrt.DB) error) error {
	if ctx == nil {
		return smrt.ErrNilContext
	}
	errs := make([]error, max(1, p.settings.pgx.MinConns))
	panics := make([]any, len(errs))
	var all, open sync.WaitGroup
	open.Add(len(errs)) // none is given back before all are open, so that all are different
	for i := range errs {
		all.Go(func() {
			defer func() { panics[i] = recover() }()
			errs[i] = p.warm(ctx, &open, uses)
		})
	}
	all.Wait()
	for _, v := range panics {
		if v != nil {
			panic(v)
		}
	}
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("warm the pool: %w", err)
		}
	}
	return nil
}

// warm runs uses on one connection, after all others are lent too.
func (p *Pool) warm(ctx context.Context, open *sync.WaitGroup, uses []func(context.Context, smrt.DB) error) error {
	conn, err := p.Acquire(ctx)
	open.Done()
	if err != nil {
		return err
	}
	defer conn.Release()
	open.Wait()
	for _, use := range uses {
		if err := use(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}
