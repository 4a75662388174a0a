package crud

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/table"
)

// Sharing says how reads by key share statements. The zero value is for those
// that do not.
type Sharing struct {
	MaxInFlight int
	MaxBatch    int
}

// DefaultSharing holds where nothing is said.
var DefaultSharing = Sharing{MaxInFlight: 2, MaxBatch: 1000}

// sharer is where the reads by key of one table on one handle meet. While few
// are under way each goes its own way; those that have to wait travel together.
// It knows no handle, so it keeps none alive.
type sharer struct {
	*batch.Gate
	core *table.Table
	off  atomic.Bool // the keys of this table cannot travel together
}

func newSharer(c *table.Table, s Sharing) *sharer {
	sh := &sharer{core: c}
	sh.Gate = batch.New(batch.Config{MaxInFlight: s.MaxInFlight, MaxSize: s.MaxBatch, Patience: batch.DefaultPatience, Run: sh.run})
	return sh
}

// meeting returns where a read by key meets others, nil if it goes alone. What
// a read demands beyond its key, such as to see a certain write, its place was
// chosen for, and a batch leaves after those who travel in it have come: so all
// who meet on a place may. Under a transaction it goes alone, and is refused if
// it should have been part of it.
func (b *Bound) meeting(ctx context.Context) *sharer {
	if b.shared == nil || ctx == nil || b.shared.off.Load() || handle.ScopeOf(ctx) != nil {
		return nil
	}
	return b.shared
}

// leave ends a read that the caller has made by itself.
func (s *sharer) leave() {
	if s != nil {
		s.Leave()
	}
}

// meet reads the rows with the keys together with others, or returns no rows
// where the caller has to read by itself, which ends with leave. Owned keys are
// nobody else's to change.
func (b *Bound) meet(ctx context.Context, keys table.Rows, owned bool) (found []unsafe.Pointer, at *sharer, err error) {
	s := b.meeting(ctx)
	if s == nil || s.Enter() {
		return nil, s, nil
	}
	if !mayShare(s.core, keys) {
		return nil, nil, nil
	}
	if !owned {
		keys = copyKeys(s.core, keys)
	}
	r := &read{db: b.DB, keys: keys}
	r.Size, r.Payload = keys.N, r
	turn, err := s.Join(ctx, &r.Call)
	switch {
	case err != nil:
		return nil, nil, err
	case turn:
		return nil, s, nil
	case r.err == errAlone: //nolint:errorlint // this very value is the sign
		return nil, nil, nil
	}
	return r.found, nil, r.err
}

// read is one caller's part of a batch.
type read struct {
	batch.Call
	db    smrt.DB
	keys  table.Rows
	found []unsafe.Pointer // a struct for each key, nil where there is no row
	err   error
}

var (
	// errAlone tells a caller that its read could not be shared: it reads by
	// itself, and so finds out what is wrong.
	errAlone = errors.New("must be read alone")

	// errUncarried means that the keys of a table cannot travel in arrays.
	errUncarried = errors.New("the key has a type that arrays cannot carry")
)

// copyKeys is for keys that the caller may change once it has gone, while its
// batch is under way.
func copyKeys(c *table.Table, keys table.Rows) table.Rows {
	of := table.StructsOf(c.KeyType)
	return of.Copy(keys)
}

// mayShare tells whether others need not suffer from the keys: a statement with
// a key that is known to be out of range, say, would fail for all.
func mayShare(c *table.Table, keys table.Rows) bool {
	for i := range keys.N {
		if !sharable(c, keys.At(i)) {
			return false
		}
	}
	return true
}

func sharable(c *table.Table, key unsafe.Pointer) bool {
	for _, part := range c.KeyParts {
		if !table.IsInteger(part) {
			if _, err := part.Arg(key); err != nil {
				return false
			}
			continue
		}
		if v := part.Int(key); v < math.MinInt16 || v > math.MaxInt16 {
			if types := c.KnownTypes(); types != nil {
				bounds, ok := table.Ranges[(*types)[part.Name].Base]
				if ok && (v < bounds[0] || v > bounds[1]) {
					return false
				}
			}
		}
	}
	return true
}

// run reads what the callers of a batch want. Where the reason of a failure may
// be the key or the row of one of them, they all read alone.
func (s *sharer) run(ctx context.Context, calls []*batch.Call) {
	w := &wanted{core: s.core, reads: make([]*read, len(calls))}
	for i, c := range calls {
		w.reads[i] = c.Payload.(*read)
	}
	err := w.fetch(ctx)
	switch {
	case err == nil:
		return
	case err == errUncarried: //nolint:errorlint // this very value is the sign
		s.off.Store(true)
		err = errAlone
	case concernsOne(err):
		err = errAlone
	}
	for _, r := range w.reads {
		r.err = err
	}
}

// concernsOne tells whether an error may be about the key or the row of one of
// several callers.
func concernsOne(err error) bool {
	var value *smrt.ValueError
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pgerr.IsDataException(pg)
	}
	return errors.As(err, &value) || pgerr.IsEncode(err)
}
