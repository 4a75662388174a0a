package repo

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// Create inserts the entity's row. What the database decided - a key, defaults,
// times, computed columns - is read back into the entity by the same statement.
func (r *Repository[T, K]) Create(ctx context.Context, v *T) error {
	return r.bound.Insert(ctx, unsafe.Pointer(v))
}

// CreateMany inserts the rows of all entities in one statement, or none, and
// reads back into each what the database decided. There is no limit to their
// number.
func (r *Repository[T, K]) CreateMany(ctx context.Context, vs []T) error {
	return r.bound.InsertMany(ctx, unsafe.Pointer(unsafe.SliceData(vs)), len(vs))
}

// Outcome is what an upsert did with a row.
type Outcome uint8

// The outcomes of an upsert.
const (
	Unchanged = Outcome(crud.Unchanged) // the row existed and was left alone
	Inserted  = Outcome(crud.Inserted)
	Updated   = Outcome(crud.Updated)
	LeftOut   = Outcome(crud.LeftOut) // by a trigger of a table declared with query.MayLeaveOut
)

// String returns the outcome's name.
func (o Outcome) String() string {
	return [...]string{"unchanged", "inserted", "updated", "left out"}[o]
}

// outcomes gives outcomes of package crud, which are the same bytes, their
// type.
func outcomes(os []crud.Outcome) []Outcome {
	return *(*[]Outcome)(unsafe.Pointer(&os))
}

// Upsert inserts the entity's row, or updates the row that it conflicts with.
// The row as it then is, is read back into the entity, unless it was left
// [Unchanged].
func (r *Repository[T, K]) Upsert(ctx context.Context, v *T, c query.Conflict[T]) (Outcome, error) {
	o, err := r.bound.Upsert(ctx, unsafe.Pointer(v), c.Plan())
	return Outcome(o), err
}

// GetOrCreate reads the row that the entity conflicts with into the entity or, if
// there is none, creates the entity's row. It reports whether it did. Of callers
// who do so at the same time one creates the row, and the others read it:
//
//	created, err := tags.GetOrCreate(ctx, &tag, query.OnConflict(TagSlug))
//
// A row that exists takes one statement. One that was deleted softly exists, unless
// the conflict names the predicate of an index that leaves it out. NULL conflicts
// with nothing. In a transaction whose isolation is not read committed, a row that
// it cannot see yet is a conflict that txn.Run retries. A row that a trigger leaves
// out is smrt.ErrLeftOut.
func (r *Repository[T, K]) GetOrCreate(ctx context.Context, v *T, c query.Conflict[T]) (created bool, err error) {
	return r.bound.GetOrCreate(ctx, unsafe.Pointer(v), c.Plan())
}

// UpsertMany is Upsert for many entities in one statement. It returns the
// outcome of each. Two entities with the same conflict target are refused with
// smrt.ErrDuplicateInBatch.
func (r *Repository[T, K]) UpsertMany(ctx context.Context, vs []T, c query.Conflict[T]) ([]Outcome, error) {
	os, err := r.bound.UpsertMany(ctx, unsafe.Pointer(unsafe.SliceData(vs)), len(vs), c.Plan())
	return outcomes(os), err
}

// Update writes the entity's whole row: every column but the key and the time
// of creation. It returns smrt.ErrNotFound if there is no such row and, where
// the table has a version column, smrt.ErrStale if the row was changed since
// the entity was read.
func (r *Repository[T, K]) Update(ctx context.Context, v *T) error {
	return r.bound.Update(ctx, unsafe.Pointer(v))
}

// UpdateMany writes the whole rows of all entities, each with its own values,
// in one statement, and returns how many were written. If some were not,
// because they do not exist or are stale, the error is a *smrt.IncompleteError
// that names them, and the others are written nevertheless.
func (r *Repository[T, K]) UpdateMany(ctx context.Context, vs []T) (int64, error) {
	return r.bound.UpdateMany(ctx, unsafe.Pointer(unsafe.SliceData(vs)), len(vs))
}

// Patch assigns columns of the row with the key, and no others:
//
//	products.Patch(ctx, id, shop.Price.Set(0), query.Add(shop.Stock, -1))
//
// Zero values are written like any other. It returns smrt.ErrNotFound if there
// is no such row.
func (r *Repository[T, K]) Patch(ctx context.Context, key K, sets ...query.Assignment[T]) error {
	return r.bound.Patch(ctx, unsafe.Pointer(&key), plan.All(sets))
}

// PatchEntity is [Repository.Patch] of the row of an entity, which is read back
// into the entity as a whole. Only the columns that are named are written. It
// returns smrt.ErrNotFound if there is no such row and, where the table has a
// version column, smrt.ErrStale if the row was changed since the entity was read;
// the entity is left as it was then.
func (r *Repository[T, K]) PatchEntity(ctx context.Context, v *T, sets ...query.Assignment[T]) error {
	return r.bound.PatchEntity(ctx, unsafe.Pointer(v), plan.All(sets))
}

// UpdateWhere assigns columns of all rows that match and returns how many there
// were. A query that matches every row is refused with smrt.ErrUnboundedWrite
// unless it is marked Unbounded.
func (r *Repository[T, K]) UpdateWhere(ctx context.Context, q query.Query[T], sets ...query.Assignment[T]) (int64, error) {
	return r.bound.UpdateWhere(ctx, q.Plan(), plan.All(sets))
}

// UpdateReturning is [Repository.UpdateWhere] that returns the rows as they are
// afterwards, in any order. With no match the slice is empty and the error nil.
func (r *Repository[T, K]) UpdateReturning(ctx context.Context, q query.Query[T], sets ...query.Assignment[T]) ([]T, error) {
	vs, err := r.bound.UpdateReturning(ctx, q.Plan(), plan.All(sets))
	return *(*[]T)(unsafe.Pointer(&vs)), err
}

// Delete deletes the row with the key: softly, if the table was declared with
// SoftDelete. It returns smrt.ErrNotFound if there is no such row.
func (r *Repository[T, K]) Delete(ctx context.Context, key K) error {
	return r.bound.Delete(ctx, unsafe.Pointer(&key), false)
}

// HardDelete permanently deletes the row with the key, whether or not it was
// deleted softly before. It returns smrt.ErrNotFound if there is no such row.
func (r *Repository[T, K]) HardDelete(ctx context.Context, key K) error {
	return r.bound.Delete(ctx, unsafe.Pointer(&key), true)
}

// Restore undoes the soft delete of the row with the key. It returns
// smrt.ErrNotFound if no such row is deleted softly, and smrt.ErrConflict if
// another row has taken its place in a unique index since.
func (r *Repository[T, K]) Restore(ctx context.Context, key K) error {
	return r.bound.Restore(ctx, unsafe.Pointer(&key))
}

// DeleteMany deletes the rows with the keys in one statement, softly where that
// is declared, and returns how many there were. A key without a row is not an
// error.
func (r *Repository[T, K]) DeleteMany(ctx context.Context, keys []K) (int64, error) {
	return r.bound.DeleteMany(ctx, unsafe.Pointer(unsafe.SliceData(keys)), len(keys))
}

// DeleteWhere deletes all rows that match, softly where that is declared, and
// returns how many there were. A query that matches every row is refused with
// smrt.ErrUnboundedWrite unless it is marked Unbounded.
func (r *Repository[T, K]) DeleteWhere(ctx context.Context, q query.Query[T]) (int64, error) {
	return r.bound.DeleteWhere(ctx, q.Plan(), false)
}

// DeleteReturning is [Repository.DeleteWhere] that returns the rows that it
// deleted, in any order: where that is soft, with the time. With no match the
// slice is empty and the error nil.
func (r *Repository[T, K]) DeleteReturning(ctx context.Context, q query.Query[T]) ([]T, error) {
	vs, err := r.bound.DeleteReturning(ctx, q.Plan())
	return *(*[]T)(unsafe.Pointer(&vs)), err
}

// HardDeleteWhere permanently deletes all rows that match, and returns how many
// there were. To purge rows that were deleted softly, add OnlyDeleted to the
// query. A query that matches every row is refused as in DeleteWhere.
func (r *Repository[T, K]) HardDeleteWhere(ctx context.Context, q query.Query[T]) (int64, error) {
	return r.bound.DeleteWhere(ctx, q.Plan(), true)
}
