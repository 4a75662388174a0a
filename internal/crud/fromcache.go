package crud

import (
	"context"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// A read by key goes this way where a cache serves its handle:
//
//	the cache says   the read
//	Hit              decodes the row, as if the server had just sent it
//	Miss             sends its statement and gives the row to the cache, with the token
//	                 that it got before: what has changed since is void. Where the handle
//	                 routes it goes to the primary; if that fails, on as without a cache
//	Unkept           goes on as without a cache, because a write may yet take effect
//	Pass             likewise, because the caller wants that
//
// What is wrong with a call is found by the read without a cache, whose checks are not
// repeated here: a context that has ended, a key of another tenant, a limit.
//
// The token is taken before the statement is sent. The order is all that makes a cache
// right, so nothing here may be read ahead of it.

// kept returns the cache that serves reads by key under ctx, nil if none does. A read
// in a transaction sees what that has written and, with a snapshot, what others have
// changed since; so it goes to the server, and what it finds is not kept. That holds for
// every handle but the one that was given to the cache.
func (b *Bound) kept(ctx context.Context) cached.Table {
	if !cached.Any() || ctx == nil || b.Rows != b.Table.Self || handle.ScopeOf(ctx) != nil {
		return nil
	}
	t := cached.On(b.DB, b.Table.Table)
	if t == nil || ctx.Err() != nil || limit.Of(ctx).Refused() != nil { // the read says why
		return nil
	}
	return t
}

// getKept reads the row with the key at key by way of a cache. It reports false if
// the row has to be read without.
func (b *Bound) getKept(ctx context.Context, t cached.Table, key unsafe.Pointer) (unsafe.Pointer, bool, error) {
	of, err := b.Table.OwnKeys(ctx, b.Table.Keys(key, 1), true)
	if err != nil {
		return nil, false, nil // the read says it
	}
	k := b.Table.KeptKey(of, key)
	row, token, is := t.Look(ctx, k)
	switch is {
	case cached.Hit:
	case cached.Miss:
		if row, err = b.load(ctx, t, k, token, key); err != nil {
			return nil, !b.elsewhere(ctx), err
		}
	default:
		return nil, false, nil
	}
	if row == nil {
		return nil, true, smrt.ErrNotFound
	}
	p, err := b.decode(row)
	if err != nil { // the read may get it in a form that fits, see anew
		return nil, false, nil
	}
	return p, true, fits(ctx, int64(row.Len()))
}

// fits refuses rows that have more bytes than the call may have.
func fits(ctx context.Context, n int64) error {
	if call := limit.Of(ctx); call.MostBytes() > 0 {
		return call.Bytes(n)
	}
	return nil
}

// load is apart from getKept, so that a hit needs no memory for what it would read.
func (b *Bound) load(ctx context.Context, t cached.Table, k cached.Key, token cached.Token, key unsafe.Pointer) (*cached.Row, error) {
	return t.Load(ctx, k, token, func(ctx context.Context) (row *cached.Row, err error) {
		err = b.fill(ctx, t, func(ctx context.Context, on *Bound) (err error) {
			row, err = on.readKept(ctx, t, key)
			return err
		})
		return row, err
	})
}

// elsewhere reports whether a read that has failed where its row would have been kept may
// have an answer elsewhere: a primary that is away, or has no room, is no reason for it
// to fail.
func (b *Bound) elsewhere(ctx context.Context) bool { return b.nodes != nil && ctx.Err() == nil }

// readKept reads a row as the server sends it, nil if there is none.
func (b *Bound) readKept(ctx context.Context, t cached.Table, key unsafe.Pointer) (*cached.Row, error) {
	if err := b.Table.NeedKey(ctx, b.DB); err != nil {
		return nil, err
	}
	args, err := b.Table.KeyArgs(key)
	if err != nil {
		return nil, err
	}
	of, err := b.Table.OwnKeys(ctx, b.Table.Keys(key, 1), true)
	if err != nil {
		return nil, err
	}
	rows, err := b.DB.Query(ctx, b.Rows.GetOf(of), of.AppendArg(args)...)
	if err != nil {
		return nil, b.Table.Explain(ctx, b.DB, err, args, b.Table.KeyParts)
	}
	defer rows.Close()
	var row *cached.Row
	if rows.Next() {
		row = cached.NewRow(rows, t.Shape())
	}
	rows.Close()
	return row, rows.Err()
}

// decode reads a row into a struct of its own, as if the server had just sent it.
func (b *Bound) decode(row *cached.Row) (unsafe.Pointer, error) {
	shape := row.Shape()
	types := shape.Types()
	defer shape.Give(types)
	var d meta.Decoder
	d.InitFields(b.Table.Name, b.Rows.Targets, types, shape.Fields())
	d.Apart()
	var room [maxKeptColumns][]byte
	p := b.Rows.One()
	return p, d.Values(row.Values(room[:0], d.Scans()), p)
}

// maxKeptColumns is for how many columns a hit needs no memory of its own.
const maxKeptColumns = 24

// getManyKept reads the rows with the keys by way of a cache: those that it does not
// have in one statement. It reports false if they have to be read without.
func (b *Bound) getManyKept(ctx context.Context, t cached.Table, keys table.Rows) ([]unsafe.Pointer, bool, error) {
	if keys.N == 0 || !b.Table.ExactKey() || limit.Of(ctx).Keys(keys.N) != nil {
		return nil, false, nil
	}
	of, err := b.Table.OwnKeys(ctx, keys, false)
	if err != nil {
		return nil, false, nil
	}
	w := keptRows{Bound: b, table: t, of: of, found: make(map[cached.Key]unsafe.Pointer, keys.N), missed: map[cached.Key]cached.Token{}}
	all := make([]cached.Key, keys.N)
	for i := range all {
		all[i] = b.Table.KeptKey(of, keys.At(i))
		if pass, err := w.look(ctx, all[i], i); pass || err != nil {
			return nil, err != nil, err
		}
	}
	if len(w.at) > 0 {
		err := b.fill(ctx, t, func(ctx context.Context, on *Bound) error { return w.read(ctx, on, keys) })
		if err != nil {
			return nil, !w.unfit && !b.elsewhere(ctx), err
		}
	}
	if err := fits(ctx, w.bytes); err != nil {
		return nil, true, err
	}
	// In the order of the keys; one that is given twice has one struct.
	out := make([]unsafe.Pointer, keys.N)
	for i, k := range all {
		out[i] = w.found[k]
	}
	return out, true, nil
}

// keptRows is a read of many rows by way of a cache.
type keptRows struct {
	*Bound
	table  cached.Table
	of     plan.Owner
	found  map[cached.Key]unsafe.Pointer
	missed map[cached.Key]cached.Token // to keep; those that must not be are missing
	at     []int                       // places of the keys to read
	bytes  int64
	unfit  bool // a row cannot be decoded as it came
}

// look asks the cache for a key, unless that was asked for already. The row is decoded,
// or its place is noted for the statement that reads the others. It reports pass if the
// whole read has to go past the cache.
func (w *keptRows) look(ctx context.Context, k cached.Key, i int) (pass bool, err error) {
	if _, seen := w.found[k]; seen {
		return false, nil
	}
	w.found[k] = nil // also if nobody has the row
	row, token, is := w.table.Look(ctx, k)
	switch is {
	case cached.Pass:
		return true, nil
	case cached.Hit:
		if row != nil {
			w.found[k], err = w.decode(row)
			w.bytes += int64(row.Len())
		}
		return err != nil, nil
	case cached.Miss:
		w.missed[k] = token
	}
	w.at = append(w.at, i)
	return false, nil
}

// read reads what the cache does not have, and lets it keep that.
func (w *keptRows) read(ctx context.Context, on *Bound, keys table.Rows) error {
	if err := on.Table.NeedKey(ctx, on.DB); err != nil {
		return err
	}
	// Only the keys that the cache does not have, side by side.
	of := table.StructsOf(on.Table.KeyType)
	chosen := table.Rows{Base: of.Room(len(w.at)), Size: keys.Size, N: len(w.at)}
	for i, at := range w.at {
		of.CopyOne(chosen.At(i), keys.At(at))
	}
	began := w.table.Began()
	rows, err := on.queryKeys(ctx, chosen, w.of, "")
	if err != nil {
		return err
	}
	defer rows.Close()
	// Those that do not come back do not exist.
	none := make(map[cached.Key]cached.Token, len(w.missed))
	for k, token := range w.missed {
		none[k] = token
	}
	if err := w.receive(rows, none, began); err != nil {
		return err
	}
	for k, token := range none {
		w.table.Keep(k, token, nil, began)
	}
	return nil
}

// receive reads the rows of a statement, and takes those that came out of none. A row
// is decoded before it is kept: one that does not fit its struct is read without a cache,
// each time.
func (w *keptRows) receive(rows pgx.Rows, none map[cached.Key]cached.Token, began handle.Moment) error {
	like := w.table.Shape()
	for rows.Next() {
		row := cached.NewRow(rows, like)
		like = row.Shape()
		p, err := w.decode(row)
		if err != nil {
			w.unfit = true
			return err
		}
		w.bytes += int64(row.Len())
		k := w.keyOfEntity(p)
		w.found[k] = p
		if token, ok := w.missed[k]; ok {
			w.table.Keep(k, token, row, began)
			delete(none, k)
		}
	}
	rows.Close()
	return rows.Err()
}

// keyOfEntity is the key of the entity at p.
func (w *keptRows) keyOfEntity(p unsafe.Pointer) cached.Key {
	of := table.StructsOf(w.Table.KeyType)
	key := of.One()
	w.Table.KeyOf(p, key)
	return w.Table.KeptKey(w.of, key)
}
