package crud

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Bound is a table on a handle, with what is read of its rows. Its methods are
// those of a repository whose entities are known by address only; each says
// which operation failed. A generic method that calls one of them is some
// hundred bytes of code, of which a program has one for each entity.
type Bound struct {
	DB   smrt.DB
	Core *Core
	Rows *Projection

	// Entity finds the entity in a row, which the cursors of pages are made
	// of. It is nil where a row does not hold one.
	Entity meta.Accessor
	Secret []byte // of cursors
}

func (b *Bound) fail(ctx context.Context, op Op, err error) error {
	if err == nil {
		return nil
	}
	return b.Core.Fail(ctx, b.DB, op, err)
}

// As is b with another projection.
func (b *Bound) As(list string, targets []meta.Target, entity meta.Accessor) Bound {
	as := *b
	as.Rows, as.Entity = b.Core.Project(list, targets), entity
	return as
}

// Get reads the row with the key at key into the struct at p.
func (b *Bound) Get(ctx context.Context, key, p unsafe.Pointer) error {
	return b.fail(ctx, "get", b.Core.Get(ctx, b.DB, b.Rows, key, p))
}

// GetMany reads the rows with the given keys. chunk allocates n structs, and
// out receives the address of each key's struct, in the order of the keys.
func (b *Bound) GetMany(ctx context.Context, keys Rows, size uintptr, chunk func(n int) unsafe.Pointer, out []unsafe.Pointer) error {
	found := slab{size: size, alloc: chunk, expect: keys.N}
	if err := b.Core.GetMany(ctx, b.DB, b.Rows, keys, found.next); err != nil {
		return b.fail(ctx, "get", err)
	}
	b.Core.match(keys, found.all, out)
	return nil
}

// Collect reads the rows that match to where next says.
func (b *Bound) Collect(ctx context.Context, op Op, s *plan.Spec, and *plan.Node, next func() unsafe.Pointer) error {
	return b.fail(ctx, op, b.Core.Query(ctx, b.DB, b.Rows, s, and, next))
}

// Only refuses a result that is not one row.
func (b *Bound) Only(ctx context.Context, op Op, n int) error {
	switch {
	case n == 0:
		return b.fail(ctx, op, smrt.ErrNotFound)
	case n > 1:
		return b.fail(ctx, op, smrt.ErrTooManyRows)
	}
	return nil
}

// Count counts the rows that match.
func (b *Bound) Count(ctx context.Context, s *plan.Spec) (int64, error) {
	n, err := b.Core.Count(ctx, b.DB, s)
	return n, b.fail(ctx, "count", err)
}

// Exists tells whether a row matches.
func (b *Bound) Exists(ctx context.Context, s *plan.Spec) (bool, error) {
	ok, err := b.Core.Exists(ctx, b.DB, s)
	return ok, b.fail(ctx, "exists", err)
}

// Stream reads the rows that match one by one.
func (b *Bound) Stream(ctx context.Context, s *plan.Spec, next func() unsafe.Pointer, yield func() bool) error {
	return b.fail(ctx, "stream", b.Core.Stream(ctx, b.DB, b.Rows, s, next, yield))
}

// Window prepares a page.
func (b *Bound) Window(ctx context.Context, s *plan.Spec, size, maxSize int, after, before string) (*Window, error) {
	w, err := b.Core.Window(ctx, s, PageRequest{b.Secret, size, maxSize, after, before, b.Entity})
	return w, b.fail(ctx, "page", err)
}

// Numbered prepares a numbered page and counts all rows.
func (b *Bound) Numbered(ctx context.Context, s *plan.Spec, number, size, maxSize int) (*plan.Spec, int64, error) {
	s, total, err := b.Core.Numbered(ctx, b.DB, s, number, size, maxSize)
	return s, total, b.fail(ctx, "page", err)
}

// Insert creates the row of the entity at p.
func (b *Bound) Insert(ctx context.Context, p unsafe.Pointer) error {
	return b.fail(ctx, "create", b.Core.Insert(ctx, b.DB, p))
}

// InsertMany creates the rows of all entities.
func (b *Bound) InsertMany(ctx context.Context, rows Rows) error {
	return b.fail(ctx, "create", b.Core.InsertMany(ctx, b.DB, rows, nil, nil))
}

// Outcome is what an upsert did with a row.
type Outcome uint8

// The outcomes of an upsert.
const (
	Unchanged Outcome = iota
	Inserted
	Updated
)

func outcomeOf(inserted bool) Outcome {
	if inserted {
		return Inserted
	}
	return Updated
}

// Upsert creates or updates the row of the entity at p.
func (b *Bound) Upsert(ctx context.Context, p unsafe.Pointer, x *plan.Conflict) (Outcome, error) {
	n, inserted, err := b.Core.Upsert(ctx, b.DB, p, (*Conflict)(x))
	if err != nil || n == 0 {
		return Unchanged, b.fail(ctx, "upsert", err)
	}
	return outcomeOf(inserted), nil
}

// UpsertMany creates or updates the rows of all entities.
func (b *Bound) UpsertMany(ctx context.Context, rows Rows, x *plan.Conflict) ([]Outcome, error) {
	outcomes := make([]Outcome, rows.N)
	err := b.Core.InsertMany(ctx, b.DB, rows, (*Conflict)(x), func(i int, inserted bool) { outcomes[i] = outcomeOf(inserted) })
	if err != nil {
		return nil, b.fail(ctx, "upsert", err)
	}
	return outcomes, nil
}

// Update writes the whole row of the entity at p.
func (b *Bound) Update(ctx context.Context, p unsafe.Pointer) error {
	return b.fail(ctx, "update", b.Core.Update(ctx, b.DB, p))
}

// UpdateMany writes the whole rows of all entities.
func (b *Bound) UpdateMany(ctx context.Context, rows Rows) (int64, error) {
	n, err := b.Core.UpdateMany(ctx, b.DB, rows)
	return n, b.fail(ctx, "update", err)
}

// Patch assigns columns of the row with the key at key.
func (b *Bound) Patch(ctx context.Context, key unsafe.Pointer, sets []plan.Set) error {
	return b.fail(ctx, "patch", b.Core.Patch(ctx, b.DB, key, sets))
}

// UpdateWhere assigns columns of the rows that match.
func (b *Bound) UpdateWhere(ctx context.Context, s *plan.Spec, sets []plan.Set) (int64, error) {
	n, err := b.Core.UpdateWhere(ctx, b.DB, s, sets)
	return n, b.fail(ctx, "update", err)
}

// Delete deletes the row with the key at key.
func (b *Bound) Delete(ctx context.Context, key unsafe.Pointer, hard bool) error {
	return b.fail(ctx, "delete", b.Core.Delete(ctx, b.DB, key, hard))
}

// Restore takes a soft delete back.
func (b *Bound) Restore(ctx context.Context, key unsafe.Pointer) error {
	return b.fail(ctx, "restore", b.Core.Restore(ctx, b.DB, key))
}

// DeleteMany deletes the rows with the given keys.
func (b *Bound) DeleteMany(ctx context.Context, keys Rows) (int64, error) {
	n, err := b.Core.DeleteMany(ctx, b.DB, keys, false)
	return n, b.fail(ctx, "delete", err)
}

// DeleteWhere deletes the rows that match.
func (b *Bound) DeleteWhere(ctx context.Context, s *plan.Spec, hard bool) (int64, error) {
	n, err := b.Core.DeleteWhere(ctx, b.DB, s, hard)
	return n, b.fail(ctx, "delete", err)
}

// slab allocates structs in chunks, so that pointers to them stay valid and a
// thousand of them cost a few allocations.
type slab struct {
	size   uintptr
	alloc  func(n int) unsafe.Pointer
	expect int
	free   int
	at     unsafe.Pointer
	all    []unsafe.Pointer
}

const maxSlab = 256

// next returns room for one more.
func (s *slab) next() unsafe.Pointer {
	if s.free == 0 {
		s.free = max(1, min(s.expect, maxSlab))
		s.at = s.alloc(s.free)
	} else {
		s.at = unsafe.Add(s.at, s.size)
	}
	s.free--
	s.all = append(s.all, s.at)
	return s.at
}

// match gives each key the entity that has it.
func (c *Core) match(keys Rows, entities, out []unsafe.Pointer) {
	if col := c.keyParts[0]; len(c.keyParts) == 1 && col.Encode == meta.KindInt64 {
		byKey := make(map[int64]unsafe.Pointer, len(entities))
		for _, p := range entities {
			byKey[c.Key[0].Column.Int(p)] = p
		}
		for i := range keys.N {
			out[i] = byKey[col.Int(keys.at(i))]
		}
		return
	}
	byKey := make(map[string]unsafe.Pointer, len(entities))
	columns := c.keyColumns()
	for _, p := range entities {
		byKey[targetKey(columns, p)] = p
	}
	for i := range keys.N {
		out[i] = byKey[targetKey(c.keyParts, keys.at(i))]
	}
}
