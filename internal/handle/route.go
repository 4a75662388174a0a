package handle

import (
	"context"

	"github.com/smrt-go/smrt"
)

// Router is a handle whose declared reads may go to another server than
// everything else. A declared read is one that the caller named as such, by the
// method called or the handle used; nobody looks at SQL to find out.
type Router interface {
	// Next chooses where a read goes. The first time it is given the zero Try.
	// Afterwards it is given the one that failed, with its Err, and it either
	// chooses another node or returns the error that the read ends with.
	Next(ctx context.Context, last Try) (Try, error)

	// Done ends a read that succeeded, or that failed and must not be repeated.
	// It returns the error to report.
	Done(ctx context.Context, last Try) error

	// Nodes returns how many nodes there are, which never changes.
	Nodes() int
}

// Try is one attempt at a read. It is handed around by value, so that routing
// needs no memory.
type Try struct {
	On   smrt.DB // where to read: a smrt.Pool, comparable, as a rule the same for a node
	Node int     // number of that node, from 0
	Err  error   // how the attempt ended

	// What the router remembers.
	Tried uint64 // set of the nodes that failed
	Count int
	Began int64
	Slot  bool // holds a slot of the primary
}

// RouterOf returns the router that db is, or nil.
func RouterOf(db smrt.DB) Router {
	r, _ := traits(db).(Router)
	return r
}

// NoNode is the node of a handle that does not route.
const NoNode = -1

// Read runs a read where db sends it, and again on another node if the first
// cannot serve it. A read that must not be run twice, because its caller has seen
// a part of it, returns final.
func Read(ctx context.Context, db smrt.DB, read func(on smrt.DB, node int) (final bool, err error)) error {
	r := RouterOf(db)
	if r == nil {
		_, err := read(db, NoNode)
		return err
	}
	if err := Check(ctx, db); err != nil {
		return err
	}
	var t Try
	reading := false
	defer func() {
		if reading { // it panicked, or its goroutine ends: the router gets back what the try holds
			t.Err = nil
			_ = r.Done(ctx, t)
		}
	}()
	for {
		var err error
		if t, err = r.Next(ctx, t); err != nil {
			return err
		}
		reading = true
		final, err := read(t.On, t.Node)
		reading = false
		if t.Err = err; final || err == nil {
			return r.Done(ctx, t)
		}
	}
}
