package table

import (
	"context"
	"slices"
	"unsafe"

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

// WroteWhere tells of rows that are not known, of which there were n.
func (t *Table) WroteWhere(ctx context.Context, db smrt.DB, does cached.Event, n *int64, err *error) {
	if *n > 0 || *err != nil {
		t.WroteAll(ctx, db, does, err)
	}
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
	if rows.N == 0 || rows.N > cached.MaxKeys || len(columns) == 0 || !t.ExactKey() {
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

// ExactKey reports whether the values of the key are equal to the server if and only if
// they are to Go.
func (t *Table) ExactKey() bool {
	for _, part := range t.KeyParts {
		if !part.IsInteger() && part.Encode != meta.KindUUID {
			return false
		}
	}
	return len(t.KeyParts) > 0
}
