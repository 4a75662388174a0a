package crud

import (
	"context"
	"reflect"
	"sync/atomic"
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

	sharing Sharing
	shared  *sharer                 // nil: reads by key go alone
	places  []atomic.Pointer[Bound] // b on each place of a handle that routes; nil: it does not
}

func (b *Bound) fail(ctx context.Context, op Op, err error) error {
	if err == nil {
		return nil
	}
	return b.Core.Fail(ctx, b.DB, op, err)
}

// Bind returns a table on a handle, read as its own entities.
func Bind(db smrt.DB, t *plan.Table) *Bound {
	core := Of(t)
	b := &Bound{DB: db, Core: core, Rows: core.Self, Entity: func(p unsafe.Pointer) unsafe.Pointer { return p }}
	b.Share(DefaultSharing)
	return b
}

// Share says how reads by key share statements.
func (b *Bound) Share(s Sharing) {
	b.sharing = s
	b.meetOn(b.DB)
}

// With is b on another handle.
func (b *Bound) With(db smrt.DB) *Bound {
	with := *b
	with.meetOn(db)
	return &with
}

// meetOn binds b to a handle: reads by key meet there, or on each of its places.
func (b *Bound) meetOn(db smrt.DB) {
	b.DB, b.shared, b.places = db, nil, placesOf(db)
	if b.places == nil {
		b.shared = sharerOf(db, b.Core, b.sharing)
	}
}

// As is b with another projection, whose rows are structs of type row.
func (b *Bound) As(row reflect.Type, list string, targets []meta.Target, entity meta.Accessor) *Bound {
	as := *b
	as.Rows, as.Entity = b.Core.Project(row, list, targets), entity
	as.sharing = Sharing{} // only whole entities are shared
	as.meetOn(b.DB)
	return &as
}

// Insert creates the row of the entity at p.
func (b *Bound) Insert(ctx context.Context, p unsafe.Pointer) error {
	return b.fail(ctx, "create", b.Core.Insert(ctx, b.DB, p))
}

// InsertMany creates the rows of the n entities at base.
func (b *Bound) InsertMany(ctx context.Context, base unsafe.Pointer, n int) error {
	return b.fail(ctx, "create", b.Core.InsertMany(ctx, b.DB, b.Core.entities(base, n), nil, nil))
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
	n, inserted, err := b.Core.Upsert(ctx, b.DB, p, (*Conflict)(x.OrEmpty()))
	if err != nil || n == 0 {
		return Unchanged, b.fail(ctx, "upsert", err)
	}
	return outcomeOf(inserted), nil
}

// UpsertMany creates or updates the rows of the n entities at base.
func (b *Bound) UpsertMany(ctx context.Context, base unsafe.Pointer, n int, x *plan.Conflict) ([]Outcome, error) {
	outcomes := make([]Outcome, n)
	err := b.Core.InsertMany(ctx, b.DB, b.Core.entities(base, n), (*Conflict)(x.OrEmpty()), func(i int, inserted bool) { outcomes[i] = outcomeOf(inserted) })
	if err != nil {
		return nil, b.fail(ctx, "upsert", err)
	}
	return outcomes, nil
}

// Update writes the whole row of the entity at p.
func (b *Bound) Update(ctx context.Context, p unsafe.Pointer) error {
	return b.fail(ctx, "update", b.Core.Update(ctx, b.DB, p))
}

// UpdateMany writes the whole rows of the n entities at base.
func (b *Bound) UpdateMany(ctx context.Context, base unsafe.Pointer, n int) (int64, error) {
	written, err := b.Core.UpdateMany(ctx, b.DB, b.Core.entities(base, n))
	return written, b.fail(ctx, "update", err)
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

// DeleteMany deletes the rows with the n keys at keys.
func (b *Bound) DeleteMany(ctx context.Context, keys unsafe.Pointer, n int) (int64, error) {
	deleted, err := b.Core.DeleteMany(ctx, b.DB, b.Core.keys(keys, n), false)
	return deleted, b.fail(ctx, "delete", err)
}

// DeleteWhere deletes the rows that match, softly where that is declared.
func (b *Bound) DeleteWhere(ctx context.Context, s *plan.Spec) (int64, error) {
	n, err := b.Core.DeleteWhere(ctx, b.DB, s, false)
	return n, b.fail(ctx, "delete", err)
}

// HardDeleteWhere deletes the rows that match for good.
func (b *Bound) HardDeleteWhere(ctx context.Context, s *plan.Spec) (int64, error) {
	n, err := b.Core.DeleteWhere(ctx, b.DB, s, true)
	return n, b.fail(ctx, "delete", err)
}

// entities describes n entities, keys n keys.
func (c *Core) entities(base unsafe.Pointer, n int) Rows { return Rows{base, c.Self.size, n} }
func (c *Core) keys(base unsafe.Pointer, n int) Rows     { return Rows{base, c.KeySize, n} }
