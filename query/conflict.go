package query

import "github.com/smrt-go/smrt/internal/plan"

// Conflict says what an upsert does if a row exists already.
type Conflict[T any] struct{ conflict *plan.Conflict }

// OnConflict names the columns of the unique index or key that identifies an
// existing row. By default an upsert updates all other columns of that row,
// except the key and the time of creation.
func OnConflict[T any](columns ...AnyColumn[T]) Conflict[T] {
	return Conflict[T]{&plan.Conflict{Target: columnsOf(columns)}}
}

// Where names the predicate of a partial unique index: for an index WHERE
// deleted_at IS NULL it is Where("deleted_at IS NULL"). It is a fragment like
// that of [Raw], without arguments.
func (c Conflict[T]) Where(sql constant) Conflict[T] {
	return Conflict[T]{c.conflict.WithWhere(string(sql))}
}

// Update names the columns of an existing row that an upsert updates, instead of
// all.
func (c Conflict[T]) Update(columns ...AnyColumn[T]) Conflict[T] {
	return Conflict[T]{c.conflict.WithUpdate(columnsOf(columns))}
}

// DoNothing leaves existing rows alone.
func (c Conflict[T]) DoNothing() Conflict[T] {
	return Conflict[T]{c.conflict.WithNothing()}
}

// Plan returns what c holds, for the packages of this module. It is nil for the
// zero Conflict.
func (c Conflict[T]) Plan() *plan.Conflict { return c.conflict }
