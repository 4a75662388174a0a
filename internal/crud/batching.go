package crud

import (
	"context"
	"errors"
	"math"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// Batching holds the limits of batches of reads by key. The zero value means no
// batching.
type Batching struct {
	MaxInFlight int
	MaxBatch    int
}

// DefaultBatching is used unless SetBatching is called.
var DefaultBatching = Batching{MaxInFlight: 2, MaxBatch: 1000}

// batcher batches the reads by key into one projection on one handle. While few are
// running, each is a statement of its own; those that have to wait are sent
// together, in one statement. A batcher refers to neither the handle nor the
// projection: the map of places would keep them alive.
type batcher struct {
	gate  *batch.Gate  // of all callers; nil: they differ
	gates *batch.Gates // of each caller
	off   atomic.Bool  // no array can carry the keys of this table
}

func newBatcher(s Batching, named bool) *batcher {
	b := &batcher{}
	c := batch.Config{MaxInFlight: s.MaxInFlight, MaxSize: s.MaxBatch, Patience: batch.DefaultPatience, OneCaller: named, Run: b.run}
	if named {
		b.gates = batch.NewGates(c)
	} else {
		b.gate = batch.New(c)
	}
	return b
}

// gateFor returns where a read by key meets others, or nil if it is to be sent
// alone. Any two reads of one caller on one node may be batched: the node was
// chosen for what a read demands beyond its key, such as to see a certain write,
// and a batch is sent after all of its reads have begun. A read under a
// transaction is sent alone, and the handle refuses it if it should have been
// part of the transaction.
//
// Reads of two tenants never meet: what a batch reads is of one.
func (b *Bound) gateFor(ctx context.Context, of plan.Owner) *batch.Gate {
	if b.batcher == nil || ctx == nil || b.batcher.off.Load() || handle.ScopeOf(ctx) != nil {
		return nil
	}
	if b.batcher.gate != nil {
		return b.batcher.gate
	}
	if caller := b.callerOf(ctx, of); caller != nil {
		return b.batcher.gates.Of(caller)
	}
	return nil
}

// callerOf identifies the caller by all that names one. It returns nil if one of
// them does not know the caller, who then shares with nobody.
func (b *Bound) callerOf(ctx context.Context, of plan.Owner) any {
	who := [3]any{2: tenantOf(of)}
	for i, name := range []func(context.Context) any{b.caller, b.callerHere} {
		if name == nil {
			continue
		}
		if who[i] = name(ctx); who[i] == nil || !reflect.ValueOf(who[i]).Comparable() {
			return nil
		}
	}
	return who
}

// tenantOf tells the tenants of callers apart, and each from all.
func tenantOf(of plan.Owner) any {
	if of.All {
		return plan.Owner{All: true}
	}
	return of.ID
}

// leave ends a read that the caller has made by itself.
func leave(g *batch.Gate) {
	g.Leave()
	g.Done()
}

// readBatched reads the rows with the keys in a batch. It returns no rows if
// the caller has to read them by itself, and then leave the gate. The caller
// does not change owned keys after it has returned; others are copied.
func (b *Bound) readBatched(ctx context.Context, keys table.Rows, view byRows, owned bool) (found []unsafe.Pointer, alone *batch.Gate, err error) {
	if err := limit.Of(ctx).Refused(); err != nil {
		return nil, nil, err
	}
	of, err := b.Table.OwnKeys(ctx, keys, owned)
	if err != nil {
		return nil, nil, err
	}
	gate := b.gateFor(ctx, of)
	if gate == nil || gate.Enter() {
		return nil, gate, nil
	}
	turn := false
	defer func() {
		if !turn { // also if the batch panics
			gate.Done()
		}
	}()
	if !canBatch(b.DB, b.Table, keys) {
		return nil, nil, nil
	}
	if !owned {
		keys = copyKeys(b.Table, keys)
	}
	r := &read{db: b.DB, table: b.Table, rows: b.Rows, view: view, keys: keys, of: of}
	r.Size, r.Payload, r.most = keys.N, r, limit.Of(ctx).MostBytes()
	turn, err = gate.Join(ctx, &r.Call)
	switch {
	case err != nil:
		return nil, nil, err
	case turn:
		return nil, gate, nil
	case r.err == errAlone: //nolint:errorlint // this very value is the sign
		return nil, nil, nil
	}
	if keys.N == 1 { // what would have been sent alone is that of Get
		traced.Shared(ctx, b.Rows.Get)
	}
	if r.err == nil && r.most > 0 {
		r.err = limit.Of(ctx).Bytes(r.bytes)
	}
	return r.found, nil, r.err
}

// byRows reads the rows of a view by rows of keys, see combined.open.
type byRows func(ctx context.Context, types []table.ArrayType, keys []any) (pgx.Rows, error)

// read is one caller's part of a batch.
type read struct {
	batch.Call
	db    smrt.DB
	table *table.Table
	rows  *table.Projection
	view  byRows
	keys  table.Rows
	of    plan.Owner       // whose rows: all reads of a batch have the same
	found []unsafe.Pointer // a struct for each key, nil where there is no row
	err   error

	bytes, most int64 // of the rows, if most is not 0; whoever sends the batch lets the call of another alone
}

// fits reports whether the caller may have a row, whose size counts unless the caller
// has it already under another key.
func (r *read) fits(row pgx.Rows, counts bool) bool {
	if counts && r.most > 0 {
		r.bytes += limit.SizeOf(row)
	}
	return r.bytes <= r.most
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
func canBatch(db smrt.DB, t *table.Table, keys table.Rows) bool {
	for _, part := range t.KeyParts {
		if !part.IsInteger() {
			for i := range keys.N {
				if _, err := part.Arg(keys.At(i)); err != nil {
					return false
				}
			}
			continue
		}
		bounds := [2]int64{math.MinInt16, math.MaxInt16} // those of the column, once a key lies outside of these
		for i, asked := 0, false; i < keys.N; i++ {
			v := part.Int(keys.At(i))
			if !asked && (v < bounds[0] || v > bounds[1]) {
				bounds, asked = boundsOf(db, t, part), true
			}
			if v < bounds[0] || v > bounds[1] {
				return false
			}
		}
	}
	return true
}

// boundsOf returns the range of an integer column, as far as it is known.
func boundsOf(db smrt.DB, t *table.Table, col *meta.Column) [2]int64 {
	if c := t.KnownCatalog(db); c != nil {
		if bounds, ok := table.Ranges[c.Columns[col.Name].Base]; ok {
			return bounds
		}
	}
	return [2]int64{math.MinInt64, math.MaxInt64}
}

// run reads what the callers of a batch want. If it fails for a reason that may
// be the key or the row of one of them, each of them reads alone.
func (b *batcher) run(ctx context.Context, calls []*batch.Call) {
	reads := make([]*read, len(calls))
	for i, c := range calls {
		reads[i] = c.Payload.(*read)
	}
	err := fetchAll(ctx, &combined{table: reads[0].table, as: reads[0].rows, reads: reads})
	switch {
	case err == nil:
		return
	case err == errNoArray: //nolint:errorlint // this very value is the sign
		b.off.Store(true)
		err = errAlone
	case concernsOne(err):
		err = errAlone
	}
	for _, r := range reads {
		r.err = err
	}
}

// fetchAll is fetch for several callers. What panics is a Scan of the program,
// at the row of one of them; each reads alone, so that the panic happens again
// where that row was asked for.
func fetchAll(ctx context.Context, w *combined) (err error) {
	defer func() {
		if recover() != nil {
			err = errAlone
		}
	}()
	return w.fetch(ctx)
}

// concernsOne reports whether an error may be about the key or the row of one
// of several callers.
func concernsOne(err error) bool {
	var value *smrt.ValueError
	return errors.As(err, &value) || pgerr.IsOutdated(err) // what is outdated is asked anew alone
}
