package repo

import (
	"context"
	"database/sql"
	"encoding/json"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/crud"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// Source is a [Repository] or a [Reader] of T: what aggregates are computed
// from.
type Source[T any] interface {
	source() *crud.Bound
	entityType(*T)
}

func (r *Reader[T, K, R]) source() *crud.Bound { return &r.bound }
func (r *Reader[T, K, R]) entityType(*T)       {}

// Aggregate returns an aggregate of all rows that match q:
//
//	revenue, err := repo.Aggregate(ctx, orders, query.Sum[int64](Total), query.Where(Paid.Eq(true)))
//
// The result is not valid if it is NULL, as a sum of no values is, which is not
// the same as a sum of 0. What a V cannot hold is the error smrt.ErrOutOfRange.
// An expression that has several values, such as a key, is smrt.ErrTooManyRows;
// see [GroupBy]. The order of q does not matter.
func Aggregate[T, V any](ctx context.Context, from Source[T], x query.Operand[query.Groups[T], V], q query.Query[T]) (sql.Null[V], error) {
	rows, err := GroupBy(ctx, from, q, query.All[query.Groups[T]](), query.IntoNull(x, func(r *groupRow[V]) **V { return &r.Value }))
	switch {
	case err != nil || len(rows) == 0:
		return sql.Null[V]{}, err
	case len(rows) > 1:
		b := from.source()
		return sql.Null[V]{}, b.Table.Fail(ctx, b.DB, "aggregate", smrt.ErrTooManyRows)
	}
	return rows[0].group().Value, nil
}

// GroupBy reads values of groups of the rows that match q, each into an R. The
// rows of a group are equal in every key among the outputs, see [query.By]; if
// there is no key, all rows are one group. groups has conditions on groups, their
// order and a limit; what the order leaves open is decided by the keys.
func GroupBy[T, R any](ctx context.Context, from Source[T], q query.Query[T], groups query.Query[query.Groups[T]], outputs ...query.Output[query.Groups[T], R]) ([]R, error) {
	vs, err := from.source().Group(ctx, reflect.TypeFor[R](), plan.All(outputs), groups.Plan(), q.Plan())
	return *(*[]R)(unsafe.Pointer(&vs)), err
}

// Group is a value of a column, and how many rows have it.
type Group[V any] struct {
	Value sql.Null[V] // not valid: the rows where the column is NULL
	Count int64
}

// MarshalJSON writes {"value":3,"count":2}, and null for a value that is NULL.
func (g Group[V]) MarshalJSON() ([]byte, error) {
	row := groupRow[V]{Count: g.Count}
	if g.Value.Valid {
		row.Value = &g.Value.V
	}
	return json.Marshal(row)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (g *Group[V]) UnmarshalJSON(text []byte) error {
	var row groupRow[V]
	if err := json.Unmarshal(text, &row); err != nil {
		return err
	}
	*g = row.group()
	return nil
}

// groupRow is a Group as it is read and written: nil is NULL.
type groupRow[V any] struct {
	Value *V    `json:"value"`
	Count int64 `json:"count"`
}

func (r *groupRow[V]) group() Group[V] {
	if r.Value == nil {
		return Group[V]{Count: r.Count}
	}
	return Group[V]{Value: sql.Null[V]{V: *r.Value, Valid: true}, Count: r.Count}
}

// CountBy counts the rows that match by their value of x, in the order of the
// values, NULL last.
func CountBy[T, V any](ctx context.Context, from Source[T], x query.Operand[T, V], q query.Query[T]) ([]Group[V], error) {
	rows, err := GroupBy(ctx, from, q, query.All[query.Groups[T]](),
		query.IntoNull(query.By(x), func(r *groupRow[V]) **V { return &r.Value }),
		query.Into(query.Count[T](), func(r *groupRow[V]) *int64 { return &r.Count }))
	if err != nil {
		return nil, err
	}
	groups := make([]Group[V], len(rows))
	for i := range rows {
		groups[i] = rows[i].group()
	}
	return groups, nil
}
