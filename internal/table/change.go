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
//	defer t.WroteEntities(ctx, db, cached.Update, base, n, &err)

// WroteEntities tells of the entities at base. Their keys are those that they have
// when the call ends: those of rows that were created are known then.
func (t *Table) WroteEntities(ctx context.Context, db smrt.DB, does cached.Event, base unsafe.Pointer, n int, err *error) {
	if !cached.Any() || n == 0 {
		return
	}
	rows := t.Entities(base, n)
	if does&cached.Create != 0 && *err != nil || base == nil {
		rows.N = 0 // whose keys may have been taken back
	}
	t.tell(ctx, db, does, t.KeyColumns(), rows, *err)
}

// WroteKeys tells of the rows with the keys at base.
func (t *Table) WroteKeys(ctx context.Context, db smrt.DB, does cached.Event, base unsafe.Pointer, n int, err *error) {
	if cached.Any() && n > 0 {
		t.tell(ctx, db, does, t.KeyParts, t.Keys(base, n), *err)
	}
}

// WroteWhere tells of rows that are not known, of which there were n.
func (t *Table) WroteWhere(ctx context.Context, db smrt.DB, does cached.Event, n *int64, err *error) {
	if cached.Any() && (*n > 0 || *err != nil) {
		t.WroteAll(ctx, db, does, err)
	}
}

// WroteAll tells of rows that are not known.
func (t *Table) WroteAll(ctx context.Context, db smrt.DB, does cached.Event, err *error) {
	if cached.Any() {
		t.tell(ctx, db, does, nil, Rows{}, *err)
	}
}

// WroteConflict tells of rows that were created, or updated where they conflict. If
// that is by other columns than the key, the row that was updated has another key than
// the entity, perhaps.
func (t *Table) WroteConflict(ctx context.Context, db smrt.DB, base unsafe.Pointer, n int, x *plan.Conflict, err *error) {
	if !cached.Any() || n == 0 {
		return
	}
	if key := t.KeyColumns(); x == nil || len(x.Target) != len(key) || slices.ContainsFunc(x.Target, func(c *meta.Column) bool { return !slices.Contains(key, c) }) {
		t.WroteAll(ctx, db, cached.Create|cached.Update, err)
		return
	}
	t.WroteEntities(ctx, db, cached.Create|cached.Update, base, n, err)
}

func (t *Table) tell(ctx context.Context, db smrt.DB, does cached.Event, columns []*meta.Column, rows Rows, err error) {
	if ctx == nil || !cached.Cares(t.Name, does) {
		return
	}
	cached.Tell(ctx, db, err, t.Change(does, columns, rows))
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
