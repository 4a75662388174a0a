// Package route lets a handle send reads elsewhere than writes. It is a package of its own because whoever reads and
// whoever chooses the server must not know each other.
package handle

import (
	"context"

	"github.com/smrt-go/smrt"
)

// Router is a handle whose declared reads may go to another server than everything else. A declared read is one that the
// caller named as such, by the method called or the handle used; nobody looks at SQL texts to find out.
type Router interface {
	smrt.DB

	// Next chooses where a read goes. The first time it is given the zero Try; afterwards the one that failed, with
	// its Err, and it either chooses another place or returns the error that the read ends with.
	Next(ctx context.Context, last Try) (Try, error)

	// Done ends a read that succeeded, or that failed and must not be repeated. It returns the error to report.
	Done(ctx context.Context, last Try) error

	// Places is the number of places that there are; it never changes.
	Places() int
}

// Try is one attempt at a read. It is handed around by value, so that routing needs no memory.
type Try struct {
	On    smrt.DB // where to read: a smrt.Pool, comparable, as a rule the same for a place
	Place int     // number of that place, from 0
	Err   error   // how the attempt ended

	// What the router remembers.
	Tried uint64 // set of the places that failed
	Count int
	Began int64
	Slot  bool // holds a slot of the primary
}

// Read runs a read where db sends it, again on another place if the first cannot serve it. A read that must not be run
// twice, because its caller has seen a part of it, says so by returning final.
func Read(ctx context.Context, db smrt.DB, read func(on smrt.DB, place int) (final bool, err error)) error {
	r, ok := db.(Router)
	if !ok {
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
		final, err := read(t.On, t.Place)
		reading = false
		if t.Err = err; final || err == nil {
			return r.Done(ctx, t)
		}
	}
}

// NoNode is the place of a handle that does not route.
const NoNode = -1

// ReadOnly is a handle that cannot write.
type ReadOnly interface {
	// RefuseWrites returns the error of a write on the handle, nil if it is allowed.
	RefuseWrites() error
}

// RefuseWrite returns the error of a write on db, nil if it is allowed.
func RefuseWrite(db smrt.DB) error {
	if r, ok := db.(ReadOnly); ok {
		return r.RefuseWrites()
	}
	return nil
}
