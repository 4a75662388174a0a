package repo

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/query"
)

// Create inserts the entity's row. What the database decided - a key, defaults,
// times, computed columns - is read back into the entity by the same statement.
func (r *Repository[T, K]) Create(ctx context.Context, v *T) error {
	return r.core.Fail(ctx, r.db, "create", r.core.Insert(ctx, r.db, unsafe.Pointer(v)))
}

// CreateMany inserts the rows of all entities in one statement, or none, and
// reads back into each what the database decided. There is no limit to their
// number.
func (r *Repository[T, K]) CreateMany(ctx context.Context, vs []T) error {
	return r.core.Fail(ctx, r.db, "create", r.core.InsertMany(ctx, r.db, rowsOf(vs), nil, nil))
}

// Outcome is what an upsert did with a row.
type Outcome uint8

// The outcomes of an upsert.
const (
	Unchanged Outcome = iota // the row existed and was left alone
	Inserted
	Updated
)

// String returns the outcome's name.
func (o Outcome) String() string { return [...]string{"unchanged", "inserted", "updated"}[o] }

func outcomeOf(inserted bool) Outcome {
	if inserted {
		return Inserted
	}
	return Updated
}

// Upsert inserts the entity's row, or updates the row that it conflicts with.
// The row as it then is, is read back into the entity, unless it was left
// [Unchanged].
func (r *Repository[T, K]) Upsert(ctx context.Context, v *T, c query.Conflict[T]) (Outcome, error) {
	n, inserted, err := r.core.Upsert(ctx, r.db, unsafe.Pointer(v), conflict(c))
	if err != nil || n == 0 {
		return Unchanged, r.core.Fail(ctx, r.db, "upsert", err)
	}
	return outcomeOf(inserted), nil
}

// UpsertMany is Upsert for many entities in one statement. It tells the outcome
// of each. Two entities with the same conflict target are refused with
// smrt.ErrDuplicateInBatch.
func (r *Repository[T, K]) UpsertMany(ctx context.Context, vs []T, c query.Conflict[T]) ([]Outcome, error) {
	outcomes := make([]Outcome, len(vs))
	err := r.core.InsertMany(ctx, r.db, rowsOf(vs), conflict(c), func(i int, inserted bool) {
		outcomes[i] = outcomeOf(inserted)
	})
	if err != nil {
		return nil, r.core.Fail(ctx, r.db, "upsert", err)
	}
	return outcomes, nil
}

func conflict[T any](c query.Conflict[T]) *crud.Conflict {
	target, where, update, nothing := c.Meta()
	return &crud.Conflict{Target: target, Where: where, Update: update, Nothing: nothing}
}

// Update writes the entity's whole row: every column but the key and the time
// of creation. It answers smrt.ErrNotFound if there is no such row, and, where
// the table has a version column, smrt.ErrStale if the row was changed since
// the entity was read.
func (r *Repository[T, K]) Update(ctx context.Context, v *T) error {
	return r.core.Fail(ctx, r.db, "update", r.core.Update(ctx, r.db, unsafe.Pointer(v)))
}

// UpdateMany writes the whole rows of all entities, each with its own values,
// in one statement, and returns how many were written. If some were not,
// because they do not exist or are stale, the error is a *smrt.IncompleteError
// that names them, and the others are written all the same.
func (r *Repository[T, K]) UpdateMany(ctx context.Context, vs []T) (int64, error) {
	n, err := r.core.UpdateMany(ctx, r.db, rowsOf(vs))
	return n, r.core.Fail(ctx, r.db, "update", err)
}

// Patch assigns columns of the row with the key, and no others:
//
//	products.Patch(ctx, id, shop.Price.Set(0), shop.Stock.Add(-1))
//
// Zero values are written like any other. It answers smrt.ErrNotFound if there
// is no such row.
func (r *Repository[T, K]) Patch(ctx context.Context, key K, sets ...query.Assignment[T]) error {
	return r.core.Fail(ctx, r.db, "patch", r.core.Patch(ctx, r.db, unsafe.Pointer(&key), query.Sets(sets)))
}

// UpdateWhere assigns columns of all rows that match and returns how many there
// were. A query that matches every row is refused with smrt.ErrUnboundedWrite
// unless it is marked Unbounded.
func (r *Repository[T, K]) UpdateWhere(ctx context.Context, q query.Query[T], sets ...query.Assignment[T]) (int64, error) {
	n, err := r.core.UpdateWhere(ctx, r.db, q.Spec(), query.Sets(sets))
	return n, r.core.Fail(ctx, r.db, "update", err)
}

// Delete deletes the row with the key: softly, if the table was declared with
// SoftDelete. It answers smrt.ErrNotFound if there is no such row.
func (r *Repository[T, K]) Delete(ctx context.Context, key K) error {
	return r.core.Fail(ctx, r.db, "delete", r.core.Delete(ctx, r.db, unsafe.Pointer(&key), false))
}

// HardDelete deletes the row with the key for good, deleted softly before or
// not.
func (r *Repository[T, K]) HardDelete(ctx context.Context, key K) error {
	return r.core.Fail(ctx, r.db, "delete", r.core.Delete(ctx, r.db, unsafe.Pointer(&key), true))
}

// Restore takes the soft delete of a row back. If another row has taken its
// place in a unique index since, it answers smrt.ErrConflict.
func (r *Repository[T, K]) Restore(ctx context.Context, key K) error {
	return r.core.Fail(ctx, r.db, "restore", r.core.Restore(ctx, r.db, unsafe.Pointer(&key)))
}

// DeleteMany deletes the rows with the keys in one statement, softly where that
// is declared, and returns how many there were. Keys without a row are no
// error.
func (r *Repository[T, K]) DeleteMany(ctx context.Context, keys []K) (int64, error) {
	n, err := r.core.DeleteMany(ctx, r.db, rowsOf(keys), false)
	return n, r.core.Fail(ctx, r.db, "delete", err)
}

// DeleteWhere deletes all rows that match, softly where that is declared, and
// returns how many there were. A query that matches every row is refused with
// smrt.ErrUnboundedWrite unless it is marked Unbounded.
func (r *Repository[T, K]) DeleteWhere(ctx context.Context, q query.Query[T]) (int64, error) {
	n, err := r.core.DeleteWhere(ctx, r.db, q.Spec(), false)
	return n, r.core.Fail(ctx, r.db, "delete", err)
}

// HardDeleteWhere is DeleteWhere for good. To purge what was deleted softly,
// add OnlyDeleted to the query.
func (r *Repository[T, K]) HardDeleteWhere(ctx context.Context, q query.Query[T]) (int64, error) {
	n, err := r.core.DeleteWhere(ctx, r.db, q.Spec(), true)
	return n, r.core.Fail(ctx, r.db, "delete", err)
}
