package repo

import (
	"context"
	"database/sql"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/query"
)

// Source is a repository or a reader of T.
type Source[T any] interface {
	source() *crud.Bound
	entityType(*T)
}

func (r *Reader[T, R]) source() *crud.Bound { return &r.bound }
func (r *Reader[T, R]) entityType(*T)       {}

// Sum adds an integer column up over the rows that match. It is not valid if no
// row has a value, which is not the same as a sum of 0. A sum outside the range
// of an int64 answers smrt.ErrOutOfRange.
func Sum[T any, V int16 | int32 | int64 | int](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[int64], error) {
	return aggregate[int64](ctx, from, "sum", column.Plan(), "::bigint", q)
}

// SumFloat adds a column of floating point numbers up. It is not valid if no
// row has a value.
func SumFloat[T any, V float32 | float64](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[float64], error) {
	return aggregate[float64](ctx, from, "sum", column.Plan(), "::float8", q)
}

// Avg is the mean of a column over the rows that match. It is not valid if no
// row has a value.
func Avg[T any, V int16 | int32 | int64 | int | float32 | float64](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[float64], error) {
	return aggregate[float64](ctx, from, "avg", column.Plan(), "::float8", q)
}

// Min is the least value of a column over the rows that match. It is not valid
// if no row has a value.
func Min[T, V any](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[V], error) {
	return aggregate[V](ctx, from, "min", column.Plan(), "", q)
}

// Max is the greatest value of a column over the rows that match. It is not
// valid if no row has a value.
func Max[T, V any](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) (sql.Null[V], error) {
	return aggregate[V](ctx, from, "max", column.Plan(), "", q)
}

// aggregate selects one value. A limit is refused: the server would apply it to
// the single row of the result.
func aggregate[A, T any](ctx context.Context, from Source[T], function string, c *meta.Column, cast string, q query.Query[T]) (sql.Null[A], error) {
	var p *A
	err := from.source().Aggregate(ctx, table.Op(function), function+"("+c.Quoted+")"+cast, q.Plan(), &p)
	if err != nil || p == nil {
		return sql.Null[A]{}, err
	}
	return sql.Null[A]{V: *p, Valid: true}, nil
}

// Group is the number of rows that have a value.
type Group[V any] struct {
	Value sql.Null[V] // not valid: the rows where the column is NULL
	Count int64
}

// CountBy counts the rows that match by their value in a column, in the order
// of the values, NULL last.
func CountBy[T, V any](ctx context.Context, from Source[T], column query.Column[T, V], q query.Query[T]) ([]Group[V], error) {
	type row struct {
		value *V
		count int64
	}
	targets := []meta.Target{
		{Column: meta.NewColumn(column.Name(), reflect.TypeFor[*V](), unsafe.Offsetof(row{}.value))},
		{Column: meta.NewColumn("count", reflect.TypeFor[int64](), unsafe.Offsetof(row{}.count))},
	}
	vs, err := from.source().GroupBy(ctx, "count", column.Plan().Quoted+", count(*)", reflect.TypeFor[row](), targets, q.Plan())
	if err != nil {
		return nil, err
	}
	rows := *(*[]row)(unsafe.Pointer(&vs))
	groups := make([]Group[V], len(rows))
	for i, r := range rows {
		groups[i].Count = r.count
		if r.value != nil {
			groups[i].Value = sql.Null[V]{V: *r.value, Valid: true}
		}
	}
	return groups, nil
}
