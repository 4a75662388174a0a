package repo

import (
	"context"
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
	"github.com/smrt-go/smrt/internal/crud"
)

// Options configure a repository. The zero value is what [New] uses without
// options.
type Options struct {
	// Batching configures how Get and GetMany are batched.
	Batching Batching

	// Caller identifies who calls: it returns the tenant, the role or the
	// search_path that hooks of the pool bind a connection to. Reads by key
	// under contexts for which it returns equal values are batched together,
	// and run under the values of one of these contexts. A caller for whom it
	// returns nil, or what == cannot compare, shares with nobody. Name it where
	// the pool is opened if that is one of package pool, so that it holds for
	// all repositories. See [Batching] for what happens without.
	Caller func(ctx context.Context) any

	// CursorSecrets authenticate the cursors of pages. Cursors are made with
	// the first and accepted if they were made with any, so that a secret is
	// replaced by putting a new one in front, and taking the old one away when
	// nobody has its cursors any longer. Without a secret a cursor has a
	// checksum, which detects damage but not forgery. A forged cursor can start
	// a page at any position, and nothing else.
	//
	// A secret hides nothing: a cursor shows the values of the columns that the
	// rows are ordered by to everybody who has it.
	CursorSecrets [][]byte

	// Limits bound what a call of the repository may ask for, on whatever handle
	// it is. Those of the handle and of the context hold too: the strictest wins.
	Limits guard.Limits
}

// Batching configures how Get and GetMany are batched. On a pool they are,
// without any setup. While few reads by key of a table are running, each is a
// statement of its own. A read that finds MaxInFlight of them running waits
// until one returns, and is then sent together with all others that wait, as
// one statement. There are no timers.
//
// Each caller gets its own rows, which share no memory with those of other
// callers, and its own error. A row is never older than the call, and a caller
// whose context ends returns at once. The context of a batch has none of the
// callers' values, so a tracer sees the statement outside of their traces. If
// callers are named it has the values of one of them, without its transaction,
// session and trace.
//
// Repositories of the same table on the same pool are batched together if their
// Batching is the same. On transactions and single connections nothing is
// batched, and neither is anything where callers may differ and nothing says
// who they are, because a statement that is shared would read the rows of
// another tenant: on a *pgxpool.Pool or a pool of package pool with hooks that
// see the contexts of callers (PrepareConn, BeforeAcquire, ShouldPing, or
// AfterRelease together with BeforeConnect or AfterConnect), and on pools of
// other types. Caller of [Options] says who they are, or that of pool.Config.
type Batching struct {
	// Off makes each Get and GetMany a statement of its own.
	Off bool

	// MaxInFlight is how many reads by key of the table may run on the pool
	// before others wait for one of them to return. Default: 2. A larger number
	// makes smaller batches, which helps only where the network is slow.
	MaxInFlight int

	// MaxBatch is how many keys one statement may have. Default: 1,000. A
	// GetMany of more keys is a statement of its own.
	MaxBatch int
}

// check returns the options that are given, or the zero Options.
func check(options []Options) (Options, error) {
	if len(options) > 1 {
		return Options{}, bad("options", "must be given at most once, not %d times", len(options))
	}
	if len(options) == 0 {
		return Options{}, nil
	}
	o := options[0]
	switch {
	case o.Batching.MaxInFlight < 0:
		return o, bad("Batching.MaxInFlight", "must not be negative, is %d", o.Batching.MaxInFlight)
	case o.Batching.MaxBatch < 0:
		return o, bad("Batching.MaxBatch", "must not be negative, is %d", o.Batching.MaxBatch)
	}
	if err := o.Limits.Check(); err != nil {
		return o, err
	}
	for i, secret := range o.CursorSecrets {
		if len(secret) == 0 {
			return o, bad("CursorSecrets", "must not be empty, as secret %d is: anybody could make its cursors", i)
		}
	}
	return o, nil
}

func bad(option, reason string, n int) error {
	return &smrt.OptionsError{Option: option, Reason: fmt.Sprintf(reason, n)}
}

// limits returns the numbers with their defaults, or zero if there is no
// batching.
func (o Batching) limits() crud.Batching {
	if o.Off {
		return crud.Batching{}
	}
	limits := crud.DefaultBatching
	if o.MaxInFlight > 0 {
		limits.MaxInFlight = o.MaxInFlight
	}
	if o.MaxBatch > 0 {
		limits.MaxBatch = o.MaxBatch
	}
	return limits
}
