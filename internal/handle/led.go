package handle

import (
	"context"

	"github.com/smrt-go/smrt"
)

// Leads is a [Router] that may have a primary whose rows can be kept.
type Leads interface {
	// Lead returns what a cache has to know of it, or why its rows must not be kept.
	Lead() (Led, error)
}

// LedOf returns what a cache has to know of a handle that routes, nil if that says
// nothing.
func LedOf(db smrt.DB) (Led, error) {
	if l, ok := traits(db).(Leads); ok {
		return l.Lead()
	}
	return nil, nil //nolint:nilnil // most handles say nothing
}

// Led is what a cache has to know of a router. It does not keep the router.
type Led interface {
	// Fill returns a context under which a read goes to the primary at once, or fails:
	// there is none, or it has no room for reads.
	Fill(ctx context.Context) context.Context

	// Fills reports whether a row that is read so can be the answer to a read under
	// ctx.
	Fills(ctx context.Context) bool

	// Began returns what is known before a statement is sent. Ended adds what is known
	// when its row has arrived.
	Began() Moment
	Ended(m Moment) Moment

	// Serves reports whether a row that was read at a moment from the primary can be the
	// answer to a read under ctx, whose session then has read it.
	Serves(ctx context.Context, m *Moment) bool

	// OnPrimary calls changed each time that another server has become the primary, or
	// its history is another one, until stop is called. It must not wait for anything.
	OnPrimary(changed func()) (stop func())
}

// Moment is when a row was read from a primary.
type Moment struct {
	Position     smrt.Position // that the log had reached before; zero if that is not known
	Began, Ended int64         // by the router's clock
}
