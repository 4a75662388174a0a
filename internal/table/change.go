package table

import (
	"context"
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// What a call writes, caches are told before the call returns. Each operation that
// writes says which rows it means, with one of these, deferred before anything that
// could fail:
//
//	defer t.WroteEntities(ctx, db, cached.Update, t.Entities(base, n), &err)

// WroteEntities tells of the entities at base. Their keys are those that they have
// when the call ends: those of rows that were created are known then.
func (t *Table) WroteEntities(ctx context.Context, db smrt.DB, does cached.Event, rows Rows, err *error) {
	if rows.N == 0 || !t.cared(ctx, does) {
		return
	}
	if does&cached.Create != 0 && *err != nil || rows.Base == nil {
		rows.N = 0 // whose keys may have been taken back
	}
	cached.Tell(ctx, db, *err, t.Change(does, t.KeyColumns(), rows))
}

// WroteKeys tells of the rows with some keys.
func (t *Table) WroteKeys(ctx context.Context, db smrt.DB, does cached.Event, keys Rows, err *error) {
	if keys.N > 0 && t.cared(ctx, does) {
		cached.Tell(ctx, db, *err, t.Change(does, t.KeyParts, keys))
	}
}

// WroteWhere tells of rows that are not known, of which there were n. A trigger may have
// written although there were none, which is said of the table when it is declared.
func (t *Table) WroteWhere(ctx context.Context, db smrt.DB, does cached.Event, n *int64, err *error) {
	switch {
	case *n > 0 || *err != nil:
		t.WroteAll(ctx, db, does, err)
	case t.cared(ctx, does):
		cached.Tell(ctx, db, nil, cached.Change{Table: t.Name, Decl: t.Table, Does: does, None: true})
	}
}

// ReturnsKeys reports whether an update or a delete by query should return the keys of
// its rows, because a cache then lets go of these alone. It must be as if they were not
// asked for: the user may read them, and reading them changes neither which rows are
// found nor what is allowed. Where a column of the key is assigned, rows have other keys
// than those under which they are kept.
func (t *Table) ReturnsKeys(ctx context.Context, db smrt.DB, does cached.Event, sets []plan.Set) bool {
	if ctx == nil || !cached.ByKey(t.Table, does) || t.AssignsKey(sets) {
		return false
	}
	c, err := t.Catalog(ctx, db)
	if err != nil || !c.Returning { // the write says what is wrong
		return false
	}
	return !slices.ContainsFunc(t.KeyColumns(), func(col *meta.Column) bool { return !c.Columns[col.Name].Reads })
}

// AssignsKey reports whether columns of the key are assigned.
func (t *Table) AssignsKey(sets []plan.Set) bool {
	return slices.ContainsFunc(sets, func(s plan.Set) bool { return t.IsKey(s.Column) })
}

// WroteAll tells of rows that are not known.
func (t *Table) WroteAll(ctx context.Context, db smrt.DB, does cached.Event, err *error) {
	if t.cared(ctx, does) {
		cached.Tell(ctx, db, *err, t.Change(does, nil, Rows{}))
	}
}

// WroteConflict tells of rows that were created, or updated where they conflict. If
// that is by other columns than the key, the row that was updated has another key than
// the entity, perhaps.
func (t *Table) WroteConflict(ctx context.Context, db smrt.DB, rows Rows, x *plan.Conflict, err *error) {
	if rows.N == 0 || !cached.Any() {
		return
	}
	if key := t.KeyColumns(); x == nil || len(x.Target) != len(key) || slices.ContainsFunc(x.Target, func(c *meta.Column) bool { return !slices.Contains(key, c) }) {
		t.WroteAll(ctx, db, cached.Create|cached.Update, err)
		return
	}
	t.WroteEntities(ctx, db, cached.Create|cached.Update, rows, err)
}

// cared reports whether a cache wants to know what is done to the table.
func (t *Table) cared(ctx context.Context, does cached.Event) bool {
	return cached.Any() && ctx != nil && cached.Cares(t.Name, does)
}

// Deletes is what a delete does to rows.
func (t *Table) Deletes(hard bool) cached.Event {
	if hard || t.SoftDelete == nil {
		return cached.Delete
	}
	return cached.Update
}

// Change describes for caches what was done to rows, whose keys are in columns. No rows
// are rows that are not known.
func (t *Table) Change(does cached.Event, columns []*meta.Column, rows Rows) cached.Change {
	c := cached.Change{Table: t.Name, Decl: t.Table, Does: does}
	if rows.N == 0 || rows.N > cached.MaxKeys || len(columns) == 0 {
		return c
	}
	c.Keys = make([]cached.Key, rows.N)
	for i := range rows.N {
		c.Keys[i] = CacheKey(columns, rows.At(i))
	}
	return c
}

// KeptKey returns the key under which caches keep the row of a tenant with the key at p.
func (t *Table) KeptKey(of plan.Owner, p unsafe.Pointer) cached.Key {
	k := CacheKey(t.KeyParts, p)
	switch {
	case of.All:
		k.Owner = plan.Owner{All: true}
	case of.Bound():
		k.Owner = of.ID
	}
	return k
}

// CacheKey returns what caches know the row by whose key is at p.
func CacheKey(columns []*meta.Column, p unsafe.Pointer) cached.Key {
	if len(columns) == 1 && columns[0].IsInteger() {
		return cached.Key{N: columns[0].Int(p)}
	}
	return cached.Key{S: TargetKey(columns, p)}
}

// KeyIsKeptAs reports whether a cache may know a row by its key alone: whether no two
// keys of the type in Go find one row in a database, so that a write of the row, which
// tells of one of them, need not reach the entry of another. The server's equality may be
// coarser than Go's, and a value may reach the server as another one:
//
//	integers         of int2, int4, int8 and numeric, whose scale Go does not see; a
//	                 float8 rounds large ones
//	texts            of text and varchar: a deterministic collation compares bytes, so
//	                 that only a nondeterministic one, citext, and char(n), which ignores
//	                 spaces at the end, find 'a' by 'A' or 'a '. An encoding that is not
//	                 Unicode may have one character for two. A text that stands for a
//	                 uuid, a number or a time has several forms; a label of an enum has one
//	UUIDs            of uuid, for their bytes
//	everything else  never: times have nanoseconds that the server drops, for example
//
// Nor may it where the key is computed of other columns: a write of these gives the row
// another key, and tells of one of the two.
//
// The rows of a key that is not so are kept all the same, and every write lets go of the
// whole table.
func (t *Table) KeyIsKeptAs(c *Catalog, unicode bool) bool {
	for _, k := range t.KeyColumns() {
		typ := c.Columns[k.Name]
		if k.Ptr || typ.Expression || !keptAs(k.Encode, typ) || k.Encode == meta.KindString && !unicode {
			return false
		}
	}
	return len(t.Key) > 0
}

func keptAs(kind meta.Kind, typ ColumnType) bool {
	switch kind {
	case meta.KindInt16, meta.KindInt32, meta.KindInt64:
		return slices.Contains([]uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.NumericOID}, typ.Base)
	case meta.KindString:
		return typ.IsEnum || typ.Exact && (typ.Base == pgtype.TextOID || typ.Base == pgtype.VarcharOID)
	case meta.KindUUID:
		return typ.Base == pgtype.UUIDOID
	}
	return false
}

// ExactKey reports whether the values of the key are equal to the server if and only if
// they are to Go, whatever the types of their columns.
func (t *Table) ExactKey() bool {
	for _, part := range t.KeyParts {
		if !part.IsInteger() && part.Encode != meta.KindUUID {
			return false
		}
	}
	return len(t.KeyParts) > 0
}
