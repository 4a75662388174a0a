package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/smrt-go/smrt"
)

// A Store keeps entries that several processes share. [storetest.Run] tests whether one
// keeps to what is said here.
//
// Nothing is written to a store that a reader has not read from the database under a
// lease of it. Whoever holds the lease of an entry may fill it. An invalidation takes
// away entries and leases, so that what was read before it is never stored after it.
//
// Names of tables, generations and entries are texts of at most 512 bytes that the
// caller makes: what must not be shared, by tenants, schemas, clusters and timelines
// of a cluster, has to have other names. The three kinds of names are apart.
//
// Any answer may be that of a store that has lost some or all of what it had: by a
// restart, a change of its server, a limit of its memory. What it has lost must never be
// what it had before an invalidation. Each method does what it does at once for all
// names, or in the order that it describes. An error says that it may be done or not: it
// is safe to do it again. Nothing is read from copies of the store that follow it.
//
// All methods are safe for concurrent use.
//
// [storetest.Run]: https://pkg.go.dev/github.com/smrt-go/smrt/cache/storetest#Run
type Store interface {
	// Get returns the entries of the question, and a lease for each that the store does
	// not have. Floors and generations are read after the leases were taken, or in the
	// same moment: a fill that respects them is one that no invalidation before the lease
	// forbids. A generation or a floor that is not there is made, with a random value.
	Get(ctx context.Context, ask Ask) (Answer, error)

	// Put stores what was read under leases, each if its lease still stands, and reports
	// for each whether it was.
	Put(ctx context.Context, fills []Fill) ([]bool, error)

	// SetFloor says of a table whose floor is not known that nothing was invalidated
	// behind a position, which was asked of the primary after [Get] had returned the
	// floor's id. It reports whether it did: not if the floor has another id by now.
	SetFloor(ctx context.Context, table string, id uint64, position smrt.Position) (bool, error)

	// Invalidate takes entries away after a transaction was acknowledged. It raises the
	// floors first, renews generations, and then removes entries and leases: who gets a
	// lease after that reads floors and generations that were changed before. Then it
	// publishes the change. It returns when all is done.
	Invalidate(ctx context.Context, change Change) error

	// Block takes entries away and gives no leases for them, nor for entries of the
	// generations, until the block is lifted by an [Invalidate] that names it, or its time
	// has passed. Other invalidations and other blocks do not lift it. It publishes what
	// it has taken away.
	//
	// A store that begins a new run may have lost its blocks: who blocks for longer has to
	// do it again then.
	Block(ctx context.Context, block Block) error

	// Sequence returns the number of the last message that was published.
	Sequence(ctx context.Context) (Sequence, error)

	// Subscribe calls receive with each message that is published from the moment at
	// which it calls ready, one at a time and in order. It returns an error when it no
	// longer can, or ctx ends. What was missed shows in the numbers of messages, see
	// [Feed].
	Subscribe(ctx context.Context, ready func(), receive func(Notice)) error
}

// Ask is what is asked of a [Store].
type Ask struct {
	// Keys name entries. At least 1, at most 1,000, none twice.
	Keys []string

	// Tables are those whose floors hold for who reads the entries from the database. At
	// most 100.
	Tables []string

	// Generations name what the entries belong to, in an order that is always the same
	// for an entry. An entry that was filled under another value of one of them is not
	// there. At most 100.
	Generations []string

	// Lease is how long leases last, at least a millisecond and at most an hour. It is
	// longer than any read from the database may take. 0: no leases are taken.
	Lease time.Duration
}

// Answer is what a [Store] answers.
type Answer struct {
	// Run is another one after each loss of what the store had said that it did: its
	// server was restarted, or is another one. Entries, leases and floors of another
	// run are not there.
	Run string

	// Entries are in the order of the keys, Floors in that of the tables, Generations in
	// that of their names.
	Entries     []Entry
	Floors      []Floor
	Generations []uint64
}

// Entry is what a [Store] has under a key. The caller may keep Value and must not
// change it.
type Entry struct {
	State State
	Value []byte // if it was Found
	Token uint64 // of the lease, if it was Leased; never 0
}

// State says what a [Store] has under a key.
type State uint8

// The states of an entry.
const (
	Absent  State = iota // there is nothing, and no lease was asked for
	Found                // there is an entry
	Leased               // there was nothing: the caller may fill it
	Held                 // another caller has the lease
	Blocked              // nobody may fill it, nor keep what is read meanwhile
)

// String returns the name of the state.
func (s State) String() string {
	names := []string{"Absent", "Found", "Leased", "Held", "Blocked"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Floor is how much of the log a node must have to fill entries of a table.
type Floor struct {
	// Position is behind the commits of all transactions that have invalidated
	// something of the table. It holds on its own system and timeline: on another one
	// the floor is not known.
	Position smrt.Position

	// Known is false if the store may have lost invalidations. Only the primary may fill
	// then; see [Store.SetFloor].
	Known bool

	// ID names what the store has by a random number.
	ID uint64
}

// Fill is what is put under a key.
type Fill struct {
	Key   string
	Token uint64 // of the lease

	// Generations are those of the [Answer] that the lease came with.
	Generations []uint64

	// Value is the entry; the store does not keep the slice.
	Value []byte

	// TTL is how long the entry stays at most, rounded up to milliseconds. 0: nothing is
	// stored and the lease is given back, because the read has failed for instance.
	TTL time.Duration
}

// Change is what an invalidation takes away.
type Change struct {
	// Tables are those whose floors are raised to Position. If that is zero, the
	// floors are not known from then on.
	Tables   []string
	Position smrt.Position

	Generations []string // get new random values
	Keys        []string // of entries; at most 10,000
	Lift        uint64   // the id of a block that ends, of these keys and generations; 0: none
	From        uint64   // who says so; for messages
}

// Block is what must not be filled: somebody does not know whether a transaction that
// has changed it was committed.
type Block struct {
	ID          uint64 // a random number, not 0
	Keys        []string
	Generations []string
	TTL         time.Duration // above zero, at most a day
	From        uint64        // who says so; for messages
}

// Notice is what a [Store] publishes of a [Change] or a [Block], after it was made.
type Notice struct {
	Sequence    Sequence
	From        uint64
	Position    smrt.Position
	Keys        []string // entries that were taken away
	Generations []string // the names of those that have other values now
}

// Sequence is the number of a message. Numbers of one stream follow one another without
// a gap.
type Sequence struct {
	Stream string // another one if the store has lost the number, or begun a new run
	Number uint64
}
