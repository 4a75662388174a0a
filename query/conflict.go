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

// Set assigns to columns of an existing row what is computed of that row and of
// the one that the upsert could not insert, which is [Excluded]. If Update names
// no columns, no others are updated but the version and the time of change:
//
//	query.OnConflict(PageURL).Set(PageHits.SetTo(query.SQL[int64]("$1 + $2", PageHits, query.Excluded(PageHits))))
//
// Assignments of values are smrt.ErrBadQuery here: put the value into the entity,
// and use Excluded. SetNull and SetDefault may be used. Two rows have a column of
// each name, so a fragment takes columns as operands, as this one does.
func (c Conflict[T]) Set(sets ...Assignment[T]) Conflict[T] {
	return Conflict[T]{c.conflict.WithSets(plan.All(sets))}
}

// UpdateIf updates an existing row only if the predicate holds. Columns in it are
// those of the existing row; [Excluded] is for the other one. The outcome of the
// others is Unchanged, and their entities stay as they are. To take what is newer:
//
//	query.OnConflict(PageURL).UpdateIf(query.Compare(PageSeen, "<", query.Excluded(PageSeen)))
//
// A predicate with values is smrt.ErrBadQuery. A row that a trigger leaves out is
// Unchanged too.
func (c Conflict[T]) UpdateIf(p Predicate[T]) Conflict[T] {
	return Conflict[T]{c.conflict.WithIf(p.Plan())}
}

// Excluded is what a column is in the row that an upsert could not insert, because
// another one exists: for [Conflict.Set] and [Conflict.UpdateIf]. If the entity has
// a zero value in a column with a default, Excluded is that zero, NULL for nil, and
// not the default; an empty string that the column cannot hold, such as that of an
// enum, is the value of the existing row.
func Excluded[T, V any](c Operand[T, V]) Expr[T, V] {
	return Expr[T, V]{plan.OfferedValue(element[V](), c.Plan())}
}

// DoNothing leaves existing rows alone. It contradicts Set and UpdateIf.
func (c Conflict[T]) DoNothing() Conflict[T] {
	return Conflict[T]{c.conflict.WithNothing()}
}

// Plan returns what c holds, for the packages of this module. It is nil for the
// zero Conflict.
func (c Conflict[T]) Plan() *plan.Conflict { return c.conflict }
