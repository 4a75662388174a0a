// Package handletest has a router over pools, to test what reads through one.
package handletest

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Router sends declared reads to its places in their order, and everything else
// to the primary. A read that fails there, by an error of the server or the
// network, goes to the next place. It is safe for concurrent use.
type Router struct {
	*pgxpool.Pool // the primary
	places        []*pgxpool.Pool

	mu     sync.Mutex
	begun  int
	ended  int
	failed []error
}

var _ handle.Router = (*Router)(nil)

// New returns a router.
func New(primary *pgxpool.Pool, places ...*pgxpool.Pool) *Router {
	return &Router{Pool: primary, places: places}
}

// Next implements handle.Router.
func (r *Router) Next(_ context.Context, last handle.Try) (handle.Try, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last.Count == 0 {
		r.begun++
	} else {
		r.failed = append(r.failed, last.Err)
		if last.Count == len(r.places) || !elsewhere(last.Err) {
			r.ended++
			return last, last.Err
		}
	}
	return handle.Try{On: r.places[last.Count], Node: last.Count, Count: last.Count + 1}, nil
}

// elsewhere reports whether a read may succeed on another place.
func elsewhere(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) || pgerr.FaultOf(err) == pgerr.Lost
}

// Done implements handle.Router.
func (r *Router) Done(_ context.Context, last handle.Try) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended++
	return last.Err
}

// Nodes implements handle.Router.
func (r *Router) Nodes() int { return len(r.places) }

// Move lets a place be another pool.
func (r *Router) Move(place int, to *pgxpool.Pool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places[place] = to
}

// Reads is how many reads were begun and how many have ended.
func (r *Router) Reads() (begun, ended int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun, r.ended
}

// Failed are the errors of the tries that failed and were not final.
func (r *Router) Failed() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]error{}, r.failed...)
}

// ReadOnly is a router that refuses writes.
type ReadOnly struct{ *Router }

var _ handle.ReadOnly = ReadOnly{}

// RefuseWrites implements handle.ReadOnly.
func (ReadOnly) RefuseWrites() error { return smrt.ErrWriteOnReplica }
