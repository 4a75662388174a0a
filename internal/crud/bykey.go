package crud

import (
	"context"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// keyList is the condition that the key is one of n, and its arguments.
func (c *Core) keyList(ctx context.Context, db smrt.DB, keys Rows) (string, []any, error) {
	if len(c.keyParts) == 1 {
		a, err := meta.NewArray(c.keyParts[0], keys.Base, keys.Size, keys.N, nil)
		return c.Key[0].Column.Quoted + " = ANY($1)", []any{a}, c.named(err)
	}
	types, err := c.columnTypes(ctx, db)
	if err != nil {
		return "", nil, err
	}
	ks, ok := c.carriers(types, c.keyParts)
	if !ok {
		return "", nil, &smrt.QueryError{Reason: "the key of " + c.Name + " has a type that arrays cannot carry"}
	}
	args, err := arrays(c.keyParts, ks, keys, nil)
	if err != nil {
		return "", nil, c.named(err)
	}
	from, exprs := unnest(ks, false)
	return "(" + meta.List(c.keyColumns()) + ") IN (SELECT " + strings.Join(exprs, ", ") + " FROM " + from + ")", args, nil
}

// forUpdate locks rows in the order of their keys. The server locks them as
// they leave the sort.
func (c *Core) forUpdate() string { return " ORDER BY " + meta.List(c.keyColumns()) + " FOR UPDATE" }

// GetMany reads the rows with the given keys, locked as the text behind says. It
// returns the address of each key's row, nil where there is none.
func (c *Core) GetMany(ctx context.Context, db smrt.DB, keys Rows, behind string) ([]unsafe.Pointer, error) {
	if err := c.NeedKey(ctx, db); err != nil {
		return nil, err
	}
	if keys.N == 0 {
		return []unsafe.Pointer{}, nil
	}
	found := slab{of: &c.Self.Structs, expect: keys.N}
	if !c.exact() {
		w := wanted{core: c, reads: []*read{{db: db, keys: keys}}, behind: behind, rows: &found}
		if err := w.byPosition(ctx); err == nil {
			return w.reads[0].found, nil
		} else if err != errUncarried { //nolint:errorlint // this very value is the sign
			return nil, err
		}
	}
	where, args, err := c.keyList(ctx, db, keys)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, "SELECT "+c.Self.List+" FROM "+c.Quoted+" WHERE "+where+c.notDeleted()+behind, args...)
	if err != nil {
		return nil, err
	}
	if err := c.each(rows, c.Self.Targets, found.next); err != nil {
		return nil, err
	}
	return c.match(keys, found.all), nil
}

// match returns the entity of each key, nil where there is none.
func (c *Core) match(keys Rows, entities []unsafe.Pointer) []unsafe.Pointer {
	out := make([]unsafe.Pointer, keys.N)
	if col := c.keyParts[0]; len(c.keyParts) == 1 && col.Encode == meta.KindInt64 {
		byKey := make(map[int64]unsafe.Pointer, len(entities))
		for _, p := range entities {
			byKey[c.Key[0].Column.Int(p)] = p
		}
		for i := range keys.N {
			out[i] = byKey[col.Int(keys.at(i))]
		}
		return out
	}
	byKey := make(map[string]unsafe.Pointer, len(entities))
	columns := c.keyColumns()
	for _, p := range entities {
		byKey[targetKey(columns, p)] = p
	}
	for i := range keys.N {
		out[i] = byKey[targetKey(c.keyParts, keys.at(i))]
	}
	return out
}
