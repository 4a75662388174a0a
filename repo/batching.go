package repo

import (
	"fmt"

	"github.com/smrt-go/smrt/internal/crud"
)

// BatchOptions say how reads by key share statements; see [Batching].
type BatchOptions struct {
	// MaxInFlight is how many reads by key of the table may be under way on
	// the pool before others wait for one of them to return. 0 means 2: more
	// make smaller batches, which is no faster, unless the network is slow.
	MaxInFlight int

	// MaxBatch is how many keys travel in one statement. 0 means 1,000. A
	// GetMany of more keys is one statement all the same, of its own.
	MaxBatch int
}

// Batching sets how Get and GetMany share statements. They do so on a pool, by
// themselves: while few reads by key of a table are under way each is a
// statement of its own. One that comes when there are MaxInFlight waits for
// one of them to return, and then travels with all others that wait, as one
// statement. Nothing waits for a timer.
//
// Each caller gets rows of its own, which it shares with nobody, and its own
// error; a row is never older than the call; and a caller whose context ends
// returns at once. The context of a shared statement has no values of the
// callers', so that a tracer sees it outside of their traces.
//
// Repositories of the same table on the same pool share with one another, if
// they have the same options. Transactions and single connections never share.
//
// It panics if a number is negative.
func Batching(o BatchOptions) Option {
	if o.MaxInFlight < 0 || o.MaxBatch < 0 {
		panic(fmt.Sprintf("smrt: batching: the numbers of %+v must not be negative", o))
	}
	s := crud.DefaultSharing
	if o.MaxInFlight > 0 {
		s.MaxInFlight = o.MaxInFlight
	}
	if o.MaxBatch > 0 {
		s.MaxBatch = o.MaxBatch
	}
	return func(b *crud.Bound) { b.Share(s) }
}

// NoBatching makes each Get and GetMany a statement of its own.
func NoBatching() Option {
	return func(b *crud.Bound) { b.Share(crud.Sharing{}) }
}
