package repo

import (
	"context"
	"database/sql"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/query"
)

// Source is a [Repository] or a [Reader] of T: what aggregates are computed
// from.
type Source[T any] interface {
	source() *crud.Bound
	entityType(*T)
}

func (r *Reader[T, R]) source() *crud.Bound { return &r.bound }
func (r *Reader[T, R]) entityType(*T)       {}

// Sum returns the sum of an integer column over the rows that match. The result
// is not valid if no row has a value, which is not the same as a sum of 0. If
// the sum is outside the range of an int64, the error is smrt.ErrOutOfRange.
func Sum[T any, V int16 | int32 | int64 | int](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[int64], error) {
	return aggregate[int64](ctx, from, call{"sum", column.Plan(), "::bigint"}, q)
}

// SumFloat returns the sum of a column of floating point numbers over the rows
// that match. The result is not valid if no row has a value.
func SumFloat[T any, V float32 | float64](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[float64], error) {
	return aggregate[float64](ctx, from, call{"sum", column.Plan(), "::float8"}, q)
}

// Avg returns the arithmetic mean of a column over the rows that match. The
// result is not valid if no row has a value.
func Avg[T any, V int16 | int32 | int64 | int | float32 | float64](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[float64], error) {
	return aggregate[float64](ctx, from, call{"avg", column.Plan(), "::float8"}, q)
}

// Min returns the least value of a column among the rows that match, in the
// order that the server has for the type. The result is not valid if no row has
// a value.
func Min[T, V any](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[V], error) {
	return aggregate[V](ctx, from, call{"min", column.Plan(), ""}, q)
}

// Max returns the greatest value of a column among the rows that match, in the
// order that the server has for the type. The result is not valid if no row has
// a value.
func Max[T, V any](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[V], error) {
	return aggregate[V](ctx, from, call{"max", column.Plan(), ""}, q)
}

// call is a call of an SQL function of a column, with a cast of the result to
// the type that the Go value has.
type call struct {
	function string
	column   *meta.Column
	cast     string
}

func (c call) sql() string { return c.function + "(" + c.column.Quoted + ")" + c.cast }

// aggregate selects one value. A limit is refused: the server would apply it to
// the single row of the result.
func aggregate[A, T any](ctx context.Context, from Source[T], c call, q query.Query[T]) (sql.Null[A], error) {
	if c.column == plan.Undeclared {
		return sql.Null[A]{}, plan.ErrUndeclared
	}
	var p *A
	err := from.source().Aggregate(ctx, table.Op(c.function), c.sql(), q.Plan(), &p)
	if err != nil || p == nil {
		return sql.Null[A]{}, err
	}
	return sql.Null[A]{V: *p, Valid: true}, nil
}

// Group is a value of a column, and how many rows have it.
type Group[V any] struct {
	Value sql.Null[V] // not valid: the rows where the column is NULL
	Count int64
}

// groupRow is a Group as it is read: nil is NULL.
type groupRow[V any] struct {
	Value *V
	Count int64
}

func (r *groupRow[V]) group() Group[V] {
	if r.Value == nil {
		return Group[V]{Count: r.Count}
	}
	return Group[V]{Value: sql.Null[V]{V: *r.Value, Valid: true}, Count: r.Count}
}

// CountBy counts the rows that match by their value in a column, in the order
// of the values, NULL last.
func CountBy[T, V any](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) ([]Group[V], error) {
	vs, err := from.source().CountBy(ctx, column.Plan(), reflect.TypeFor[groupRow[V]](), q.Plan())
	if err != nil {
		return nil, err
	}
	rows := *(*[]groupRow[V])(unsafe.Pointer(&vs))
	groups := make([]Group[V], len(rows))
	for i := range rows {
		groups[i] = rows[i].group()
	}
	return groups, nil
}
