package crud

import (
	"context"
	"encoding/binary"
	"strconv"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// combined is what the callers of a batch want: their reads, and who wants each
// of the different keys.
type combined struct {
	table  *table.Table
	as     *table.Projection // what is read of the rows
	reads  []*read
	keys   []unsafe.Pointer // the different keys
	first  []int32          // for each of them, the head of a chain of wants
	wants  []want
	suffix string      // of the statement: the order and lock
	rows   *table.Slab // where the rows of a single caller go; nil: each is apart
}

// want is one key of one caller.
type want struct {
	read, at int32
	next     int32 // another want of the same key, or -1
}

// fetch reads the rows, each into a struct of its own for each caller.
func (w *combined) fetch(ctx context.Context) error {
	if t := w.table; w.as == t.Self && len(t.KeyParts) == 1 && t.KeyParts[0].IsInteger() {
		return w.byNumber(ctx)
	}
	return w.byPosition(ctx)
}

// db is the handle: all reads of a batch have the same.
func (w *combined) db() smrt.DB { return w.reads[0].db }

// contextOf returns that of a caller.
func (w *combined) contextOf(caller int) context.Context { return w.reads[caller].Context() }

// of is whose rows are read: all reads of a batch have the same.
func (w *combined) of() plan.Owner { return w.reads[0].of }

// collect finds the different keys, and returns the index of each. Equal keys
// of one caller are neighbours in their chain.
func collect[K comparable](w *combined, keyOf func(unsafe.Pointer) K) map[K]int32 {
	index := make(map[K]int32, w.start())
	for i, r := range w.reads {
		for at := range r.keys.N {
			address := r.keys.At(at)
			key := keyOf(address)
			k, known := index[key]
			if !known {
				k = int32(len(w.keys))
				index[key] = k
			}
			w.want(k, address, want{read: int32(i), at: int32(at)})
		}
	}
	return index
}

// start makes room for the keys and for what is found of them. It returns how
// many keys there are.
func (w *combined) start() (total int) {
	for _, r := range w.reads {
		total += r.keys.N
	}
	w.keys = make([]unsafe.Pointer, 0, total)
	w.first = make([]int32, 0, total)
	w.wants = make([]want, 0, total)
	found := make([]unsafe.Pointer, total)
	for _, r := range w.reads {
		if r.keys.N == 1 {
			r.found, found = found[:1:1], found[1:]
		} else { // which the caller keeps
			r.found = make([]unsafe.Pointer, r.keys.N)
		}
	}
	return total
}

// want notes that a caller wants the key with index k, which lies at address.
func (w *combined) want(k int32, address unsafe.Pointer, by want) {
	if int(k) == len(w.keys) {
		w.keys = append(w.keys, address)
		w.first = append(w.first, -1)
	}
	by.next = w.first[k]
	w.wants = append(w.wants, by)
	w.first[k] = int32(len(w.wants) - 1)
}

// byNumber reads by a list of numbers, which are equal here if they are equal
// to the server. So the key of a row says who wants it.
func (w *combined) byNumber(ctx context.Context) error {
	t := w.table
	byKey := collect(w, t.KeyParts[0].Int)
	keys, err := meta.NewArrayAt(t.KeyParts[0], w.keys)
	if err != nil {
		return err
	}
	rows, err := w.db().Query(ctx, numberedSQL(t, w.of()), w.of().AppendArg([]any{keys})...)
	if err != nil {
		return err
	}
	defer rows.Close()
	traced.OfRows(rows).Shares(len(w.reads), w.contextOf)
	key := t.Key[0].Column
	var d meta.Decoder
	for first := true; rows.Next(); first = false {
		if first {
			d.Init(t.Name, t.Self.Targets, rows, true)
		}
		p := t.Self.One()
		d.Apart()
		if err := d.Row(rows, p); err != nil {
			return err
		}
		if k, ok := byKey[key.Int(p)]; ok {
			if err := w.deliver(&d, rows, k, p); err != nil {
				return err
			}
		}
	}
	return rows.Err()
}

// byPosition reads by rows of keys that the server compares with its own, and
// with the position that says who wants them: only the server knows
// which texts are equal by a collation, say.
func (w *combined) byPosition(ctx context.Context) error {
	t := w.table
	c, err := t.Catalog(ctx, w.db())
	if err != nil {
		return err
	}
	arrays, ok := t.ArrayTypes(c, t.KeyParts)
	if !ok {
		return errNoArray
	}
	collect(w, func(p unsafe.Pointer) string { return table.TargetKey(t.KeyParts, p) })
	args := make([]any, len(arrays))
	for i, part := range t.KeyParts {
		a, err := meta.NewArrayAt(part, w.keys)
		if err != nil {
			return t.Named(err)
		}
		if args[i], err = arrays[i].Arg(a); err != nil {
			return err
		}
	}
	rows, err := w.open(ctx, arrays, args)
	if err != nil {
		return err
	}
	defer rows.Close()
	traced.OfRows(rows).Shares(len(w.reads), w.contextOf)
	var d meta.Decoder
	for first := true; rows.Next(); first = false {
		if first {
			d.InitFrom(t.Name, w.as.Targets, rows, 1)
		}
		k, err := ordinal(rows)
		if err != nil {
			return err
		}
		if err := w.deliver(&d, rows, k, nil); err != nil {
			return err
		}
	}
	return rows.Err()
}

// deliver gives the current row to those who want key k. Each gets a struct of
// its own; the first gets p, if the row is there already. Of several rows with
// one key, which a view may have, the first counts, as it does alone.
func (w *combined) deliver(d *meta.Decoder, rows pgx.Rows, k int32, p unsafe.Pointer) error {
	last, sized := int32(-1), int32(-1)
	for n := w.first[k]; n >= 0; n = w.wants[n].next {
		to := &w.wants[n]
		r := w.reads[to.read]
		if r.found[to.at] != nil {
			return nil
		}
		fits := r.fits(rows, to.read != sized)
		if sized = to.read; !fits {
			continue
		}
		if to.read != last && last >= 0 || p == nil {
			if w.rows != nil {
				p = w.rows.Next()
			} else {
				p = w.as.One()
				d.Apart()
			}
			if err := d.Row(rows, p); err != nil {
				return err
			}
		}
		last = to.read
		r.found[to.at] = p
	}
	return nil
}

// ordinal reads the first column of a row, which counts from 1.
func ordinal(rows pgx.Rows) (int32, error) {
	src := rows.RawValues()[0]
	if rows.FieldDescriptions()[0].Format == pgtype.BinaryFormatCode {
		return int32(binary.BigEndian.Uint64(src)) - 1, nil
	}
	n, err := strconv.ParseInt(string(src), 10, 32)
	return int32(n) - 1, err
}

// numberedSQL is the statement that reads by a list of numbers. It is that of
// GetMany.
func numberedSQL(t *table.Table, of plan.Owner) string {
	return t.Statement(of.AppendKey([]byte{'n'}), func() *table.Statement {
		return &table.Statement{SQL: "SELECT " + t.Self.List + " FROM " + t.Quoted + " WHERE " +
			t.Key[0].Column.Quoted + " = ANY($1)" + t.AndSeen(t.OfOwner(table.Inputs{}, of, 1)), Operation: "get"}
	}).SQL
}

// open reads by rows of keys, after whose position come the columns.
func (w *combined) open(ctx context.Context, types []table.ArrayType, keys []any) (pgx.Rows, error) {
	if view := w.reads[0].view; view != nil {
		return view(ctx, types, keys)
	}
	rows, err := w.db().Query(ctx, positionedSQL(w.table, types, w.of(), w.suffix), w.of().AppendArg(keys)...)
	if err != nil {
		return nil, err
	}
	return limit.Of(ctx).Sized(nil, rows), nil
}

// positionedSQL is the statement that reads by rows of keys. The position has a
// name that no column has, so that an order by the key is one.
func positionedSQL(t *table.Table, types []table.ArrayType, of plan.Owner, suffix string) string {
	key := of.AppendKey(table.AppendArrayTypes(append([]byte{'g'}, suffix...), types))
	return t.Statement(key, func() *table.Statement {
		in, list := t.OfOwner(t.ManyRows(t.KeyColumns(), types, true), of, len(types)), ""
		for _, col := range t.Struct.Columns {
			list += ", t." + col.Quoted
		}
		return &table.Statement{SQL: "SELECT u.ord AS smrt_ord" + list + " FROM " + in.From + " JOIN " + t.Quoted + " AS t ON " + t.WhereKey(in, true) + suffix, Operation: "get"}
	}).SQL
}
