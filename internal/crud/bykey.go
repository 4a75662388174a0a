package crud

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// Get reads the row with the key at key into a new struct, with joined columns
// unless joined is nil.
func (b *Bound) Get(ctx context.Context, key unsafe.Pointer, joined JoinedColumns) (p unsafe.Pointer, err error) {
	defer b.Begin(&ctx, "get", table.Work{Does: table.ReadsKeys, N: 1}).End(&err)
	if t := b.kept(ctx); t != nil && joined == nil {
		if p, ok, err := b.getKept(ctx, t, key); ok {
			return p, b.fail(ctx, "get", err)
		}
	}
	err = b.Read(ctx, "get", nil, func(on *Bound) (err error) {
		p, err = on.get(ctx, key, joined)
		return on.fail(ctx, "get", err)
	})
	return p, err
}

func (b *Bound) get(ctx context.Context, key unsafe.Pointer, joined JoinedColumns) (unsafe.Pointer, error) {
	if joined != nil {
		return b.getJoined(ctx, key, joined)
	}
	found, gate, err := b.readBatched(ctx, b.Table.Keys(key, 1), b.viewed(), true)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		defer leave(gate)
		return b.getAlone(ctx, key)
	case found[0] == nil:
		return nil, smrt.ErrNotFound
	}
	return found[0], nil
}

// GetMany reads the rows with the n keys at keys. It returns the address of
// each key's struct, in the order of the keys.
func (b *Bound) GetMany(ctx context.Context, keys unsafe.Pointer, n int) (found []unsafe.Pointer, err error) {
	defer b.Begin(&ctx, "get", table.Work{Does: table.ReadsKeys, N: n}).End(&err)
	if t := b.kept(ctx); t != nil {
		if found, ok, err := b.getManyKept(ctx, t, b.Table.Keys(keys, n)); ok {
			return found, b.fail(ctx, "get", err)
		}
	}
	read := func(on *Bound) (err error) {
		found, err = on.getMany(ctx, b.Table.Keys(keys, n))
		return on.fail(ctx, "get", err)
	}
	if n == 0 { // nothing is sent, so that no node is needed
		err = read(b)
	} else {
		err = b.Read(ctx, "get", nil, read)
	}
	return found, err
}

func (b *Bound) getMany(ctx context.Context, keys table.Rows) ([]unsafe.Pointer, error) {
	if err := limit.Of(ctx).Keys(keys.N); err != nil {
		return nil, err
	}
	if keys.N > 0 {
		found, gate, err := b.readBatched(ctx, keys, b.viewed(), false)
		if err != nil || found != nil {
			return found, err
		}
		defer leave(gate)
	}
	return b.getManyAlone(ctx, keys, "")
}

// LockMany is GetMany that locks the rows, in the order of their keys.
func (b *Bound) LockMany(ctx context.Context, keys unsafe.Pointer, n int) (found []unsafe.Pointer, err error) {
	defer b.Begin(&ctx, "lock", table.Work{Does: table.ReadsKeys, N: n}).End(&err)
	found, err = b.lockMany(ctx, b.Table.Keys(keys, n))
	return found, b.fail(ctx, "lock", err)
}

func (b *Bound) lockMany(ctx context.Context, keys table.Rows) ([]unsafe.Pointer, error) {
	if err := b.Table.NeedKey(ctx, b.DB); err != nil {
		return nil, err
	}
	if err := limit.Of(ctx).Keys(keys.N); err != nil {
		return nil, err
	}
	if err := handle.RefuseWrite(b.DB); err != nil {
		return nil, err
	}
	if handle.IsPool(b.DB) {
		return nil, &smrt.QueryError{Reason: "locks end with their transaction, and a pool has none: call With(tx)"}
	}
	return b.getManyAlone(ctx, keys, b.forUpdate())
}

// keyList is the condition that the key is one of n, and its arguments.
func (b *Bound) keyList(ctx context.Context, keys table.Rows) (string, []any, error) {
	if len(b.Table.KeyParts) == 1 {
		a, err := meta.NewArray(b.Table.KeyParts[0], keys.Base, keys.Size, keys.N, nil)
		return b.Table.KeyIn(), []any{a}, b.Table.Named(err)
	}
	c, err := b.Table.Catalog(ctx, b.DB)
	if err != nil {
		return "", nil, err
	}
	arrays, ok := b.Table.ArrayTypes(c, b.Table.KeyParts)
	if !ok {
		return "", nil, errNoArrayFor(b.Table)
	}
	args, err := table.Arrays(b.Table.KeyParts, arrays, keys, nil)
	if err != nil {
		return "", nil, b.Table.Named(err)
	}
	from, exprs := table.Unnest(arrays, false)
	return "(" + meta.List(b.Table.KeyColumns()) + ") IN (SELECT " + strings.Join(exprs, ", ") + " FROM " + from + ")", args, nil
}

func errNoArrayFor(t *table.Table) error {
	return &smrt.QueryError{Reason: "the key of " + t.Name + " has a type that arrays cannot carry"}
}

// forUpdate locks rows in the order of their keys. The server locks them as
// they leave the sort.
func (b *Bound) forUpdate() string {
	return " ORDER BY " + meta.List(b.Table.KeyColumns()) + " FOR UPDATE"
}

// getManyAlone reads the rows with the given keys, locked as suffix says. It
// returns the address of each key's row, nil where there is none.
//
// Integers and UUIDs are equal for the server if they are equal in Go, so their
// rows are matched here. For other keys only the server knows: a collation may
// ignore case, and numeric 1.0 is 1.00. These are sent with their positions,
// which come back with the rows, as do all keys of views, whose rows need not have
// them. If no array can carry the type of a key, it is matched here after all.
func (b *Bound) getManyAlone(ctx context.Context, keys table.Rows, suffix string) (found []unsafe.Pointer, err error) {
	err = b.again(func(on *Bound) (err error) {
		found, err = on.getManyOnce(ctx, keys, suffix)
		return err
	})
	return found, err
}

func (b *Bound) getManyOnce(ctx context.Context, keys table.Rows, suffix string) ([]unsafe.Pointer, error) {
	if err := b.Table.NeedKey(ctx, b.DB); err != nil {
		return nil, err
	}
	of, err := b.Table.OwnKeys(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	if keys.N == 0 {
		return []unsafe.Pointer{}, nil
	}
	found := table.Slab{Of: &b.Rows.Structs, Expect: keys.N}
	view := b.viewed()
	if view != nil || !b.Table.ExactKey() {
		w := combined{table: b.Table, as: b.Rows, reads: []*read{{db: b.DB, keys: keys, view: view, of: of}}, suffix: suffix, rows: &found}
		if err := w.byPosition(ctx); err == nil {
			return w.reads[0].found, nil
		} else if err != errNoArray { //nolint:errorlint // this very value is the sign
			return nil, err
		}
	}
	if view != nil {
		return nil, errNoArrayFor(b.Table)
	}
	rows, err := b.queryKeys(ctx, keys, of, suffix)
	if err != nil {
		return nil, err
	}
	if _, err := b.each(limit.Of(ctx).Sized(nil, rows), b.Table.Self.Targets, found.Next); err != nil {
		return nil, err
	}
	return b.match(keys, found.All), nil
}

// queryKeys sends the statement that reads rows by a list of keys.
func (b *Bound) queryKeys(ctx context.Context, keys table.Rows, of plan.Owner, suffix string) (pgx.Rows, error) {
	where, args, err := b.keyList(ctx, keys)
	if err != nil {
		return nil, err
	}
	sql := "SELECT " + b.Table.Self.List + " FROM " + b.Table.Quoted + " WHERE " + where + b.Table.AndSeen(b.Table.OfOwner(table.Inputs{}, of, len(args))) + suffix
	return b.DB.Query(ctx, traced.Pass(sql, b.Table.Name, "get"), of.AppendArg(args)...)
}

// viewed returns what reads the rows of a view by rows of keys, or nil if whole
// rows are read. After the position come the columns and expressions.
func (b *Bound) viewed() byRows {
	if b.Rows == b.Table.Self {
		return nil
	}
	return b.positioned
}

func (b *Bound) positioned(ctx context.Context, types []table.ArrayType, keys []any) (pgx.Rows, error) {
	r := b.request(&plan.Spec{Unordered: true})
	columns := b.Table.KeyColumns()
	in, on := b.Table.ManyRows(columns, types, true), make([]string, len(columns))
	for i, col := range columns {
		on[i] = "t.smrt_e" + strconv.Itoa(len(r.Exprs)+i) + " = " + in.Exprs[col]
	}
	r.Exprs = slices.Concat(r.Exprs, columns)
	r.Envelope = &plan.Envelope{
		Before: "SELECT u.ord AS smrt_ord, t.* FROM " + in.From + " JOIN (", BeforeArgs: keys,
		After: ") AS t ON " + strings.Join(on, " AND "),
	}
	return b.open(ctx, r)
}

// match returns the entity of each key, nil where there is none.
func (b *Bound) match(keys table.Rows, entities []unsafe.Pointer) []unsafe.Pointer {
	out := make([]unsafe.Pointer, keys.N)
	if col := b.Table.KeyParts[0]; len(b.Table.KeyParts) == 1 && col.Encode == meta.KindInt64 {
		byKey := make(map[int64]unsafe.Pointer, len(entities))
		for _, p := range entities {
			byKey[b.Table.Key[0].Column.Int(p)] = p
		}
		for i := range keys.N {
			out[i] = byKey[col.Int(keys.At(i))]
		}
		return out
	}
	byKey := make(map[string]unsafe.Pointer, len(entities))
	columns := b.Table.KeyColumns()
	for _, p := range entities {
		byKey[table.TargetKey(columns, p)] = p
	}
	for i := range keys.N {
		out[i] = byKey[table.TargetKey(b.Table.KeyParts, keys.At(i))]
	}
	return out
}
