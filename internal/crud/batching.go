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

// Batching holds the limits of batches of reads by key. The zero value means no
// batching.
type Batching struct {
	MaxInFlight int
	MaxBatch    int
}

// DefaultBatching is used unless SetBatching is called.
var DefaultBatching = Batching{MaxInFlight: 2, MaxBatch: 1000}

// batcher batches the reads by key of one table on one handle. While few are
// running, each is a statement of its own; those that have to wait are sent
// together, in one statement. A batcher does not refer to the handle: the map
// of batchers would keep it alive.
type batcher struct {
	*batch.Gate
	table *table.Table
	off   atomic.Bool // no array can carry the keys of this table
}

func newBatcher(t *table.Table, s Batching) *batcher {
	b := &batcher{table: t}
	b.Gate = batch.New(batch.Config{MaxInFlight: s.MaxInFlight, MaxSize: s.MaxBatch, Patience: batch.DefaultPatience, Run: b.run})
	return b
}

// batcherFor returns what batches a read by key, or nil if the read is to be
// sent alone. Any two reads on one node may be batched: the node was chosen for
// what a read demands beyond its key, such as to see a certain write, and a
// batch is sent after all of its reads have begun. A read under a transaction
// is sent alone, and the handle refuses it if it should have been part of the
// transaction.
func (b *Bound) batcherFor(ctx context.Context) *batcher {
	if b.batcher == nil || ctx == nil || b.batcher.off.Load() || handle.ScopeOf(ctx) != nil {
		return nil
	}
	return b.batcher
}

// leave ends a read that the caller has made by itself.
func (b *batcher) leave() {
	if b != nil {
		b.Leave()
	}
}

// readBatched reads the rows with the keys in a batch. It returns no rows if
// the caller has to read them by itself, and then call leave on the batcher.
// The caller does not change owned keys after it has returned; others are
// copied.
func (b *Bound) readBatched(ctx context.Context, keys table.Rows, owned bool) (found []unsafe.Pointer, alone *batcher, err error) {
	with := b.batcherFor(ctx)
	if with == nil || with.Enter() {
		return nil, with, nil
	}
	if !canBatch(with.table, keys) {
		return nil, nil, nil
	}
	if !owned {
		keys = copyKeys(with.table, keys)
	}
	r := &read{db: b.DB, keys: keys}
	r.Size, r.Payload = keys.N, r
	turn, err := with.Join(ctx, &r.Call)
	switch {
	case err != nil:
		return nil, nil, err
	case turn:
		return nil, with, nil
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
	// errAlone makes a caller read by itself, and so find out what is wrong.
	errAlone = errors.New("must be read alone")

	// errNoArray means that the keys of a table cannot travel in arrays.
	errNoArray = errors.New("the key has a type that arrays cannot carry")
)

// copyKeys is for keys that the caller may change once it has gone, while its
// batch is under way.
func copyKeys(t *table.Table, keys table.Rows) table.Rows {
	of := table.StructsOf(t.KeyType)
	return of.Copy(keys)
}

// canBatch reports whether others need not suffer from the keys: a statement
// with a key that is known to be out of range, say, would fail for all.
func canBatch(t *table.Table, keys table.Rows) bool {
	for i := range keys.N {
		if !canBatchKey(t, keys.At(i)) {
			return false
		}
	}
	return true
}

func canBatchKey(t *table.Table, key unsafe.Pointer) bool {
	for _, part := range t.KeyParts {
		if !part.IsInteger() {
			if _, err := part.Arg(key); err != nil {
				return false
			}
			continue
		}
		if v := part.Int(key); v < math.MinInt16 || v > math.MaxInt16 {
			if types := t.KnownTypes(); types != nil {
				bounds, ok := table.Ranges[(*types)[part.Name].Base]
				if ok && (v < bounds[0] || v > bounds[1]) {
					return false
				}
			}
		}
	}
	return true
}

// run reads what the callers of a batch want. If it fails for a reason that may
// be the key or the row of one of them, each of them reads alone.
func (b *batcher) run(ctx context.Context, calls []*batch.Call) {
	w := &combined{table: b.table, reads: make([]*read, len(calls))}
	for i, c := range calls {
		w.reads[i] = c.Payload.(*read)
	}
	err := w.fetch(ctx)
	switch {
	case err == nil:
		return
	case err == errNoArray: //nolint:errorlint // this very value is the sign
		b.off.Store(true)
		err = errAlone
	case concernsOne(err):
		err = errAlone
	}
	for _, r := range w.reads {
		r.err = err
	}
}

// concernsOne reports whether an error may be about the key or the row of one
// of several callers.
func concernsOne(err error) bool {
	var value *smrt.ValueError
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pgerr.IsDataException(pg)
	}
	return errors.As(err, &value) || pgerr.IsEncode(err)
}
