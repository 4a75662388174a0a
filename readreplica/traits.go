package readreplica

import (
	"context"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// Traits is for the other packages of smrt.
func (r *Router) Traits() any { return routerTraits{r} }

// Traits is for the other packages of smrt.
func (r *Reader) Traits() any { return readerTraits{routerTraits{r.router}} }

// routerTraits are what a Router says beyond smrt.DB.
type routerTraits struct{ r *Router }

var (
	_ handle.Traits       = (*Router)(nil)
	_ handle.Router       = routerTraits{}
	_ handle.CommitKeeper = routerTraits{}
	_ handle.Resetter     = routerTraits{}
)

// Next chooses the node for a read.
func (t routerTraits) Next(ctx context.Context, last handle.Try) (handle.Try, error) {
	return t.r.next(ctx, last)
}

// Done ends a read.
func (t routerTraits) Done(ctx context.Context, last handle.Try) error { return t.r.done(ctx, last) }

// Nodes returns how many nodes there are.
func (t routerTraits) Nodes() int { return len(t.r.nodes) }

// KeepCommits returns where the positions of commits go: to the session of ctx.
func (t routerTraits) KeepCommits(ctx context.Context) func(smrt.Position) {
	return t.r.keepCommits(ctx)
}

// Reset lets the pool of each node forget its connections.
func (t routerTraits) Reset() { t.r.Reset() }

// readerTraits are what a Reader says: it routes, and is a handle of the router
// that does not write.
type readerTraits struct{ routes routerTraits }

var (
	_ handle.Traits   = (*Reader)(nil)
	_ handle.Router   = readerTraits{}
	_ handle.ReadOnly = readerTraits{}
	_ handle.Relative = readerTraits{}
)

// Next chooses the node for a read, as the router's does.
func (t readerTraits) Next(ctx context.Context, last handle.Try) (handle.Try, error) {
	return t.routes.Next(ctx, last)
}

// Done ends a read.
func (t readerTraits) Done(ctx context.Context, last handle.Try) error {
	return t.routes.Done(ctx, last)
}

// Nodes returns how many nodes there are.
func (t readerTraits) Nodes() int { return t.routes.Nodes() }

// Kin returns the router: a transaction on one is one on both.
func (t readerTraits) Kin() any { return t.routes.r }

// RefuseWrites returns smrt.ErrWriteOnReplica.
func (t readerTraits) RefuseWrites() error { return smrt.ErrWriteOnReplica }
