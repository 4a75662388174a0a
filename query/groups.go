package query

import (
	"reflect"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Groups stands for groups of rows of T. An Expr[Groups[T], V] is a value of a
// group: an aggregate, or a key, see [By]. Such expressions can be compared, ordered by
// and computed with, as those of rows can, but only where groups are meant:
//
//	month := query.SQL[time.Time]("date_trunc('month', $1, 'UTC')", PlacedAt)
//	revenue := query.Sum[int64](Total)
//	rich := query.Where(revenue.Gt(1000_00)).OrderBy(revenue.Desc()) // a Query[Groups[Order]]
//
// Window functions are left to SQL in queries/.
type Groups[T any] struct{ _ [0]T }

// By groups rows by x, where it is among the outputs: it is what x is in all rows
// of a group. NULL is a value of its own. Conditions, orders and expressions of
// groups may repeat the key, if x is kept in a variable.
func By[T, V any](x Operand[T, V]) Expr[Groups[T], V] {
	c := x.Plan()
	return Expr[Groups[T], V]{plan.Computed(element[V](), c.Name, c.Nullable, plan.KeyOf(c))}
}

// Count returns how many rows of a group match all of filter.
func Count[T any](filter ...Predicate[T]) Expr[Groups[T], int64] {
	return Expr[Groups[T], int64]{plan.Computed(element[int64](), "count", false, plan.Aggregate("count(*)", nil, plan.All(filter), nil))}
}

// CountDistinct returns how many different values x has in the rows of a group
// that match all of filter, without NULL.
func CountDistinct[T any](x AnyOperand[T], filter ...Predicate[T]) Expr[Groups[T], int64] {
	n := plan.Aggregate("count(DISTINCT $1)", x.Plan(), plan.All(filter), nil)
	return Expr[Groups[T], int64]{plan.Computed(element[int64](), "count", false, n)}
}

// total are the types of sums and means.
type total interface {
	~int | ~int16 | ~int32 | ~int64 | ~float32 | ~float64 | pgtype.Numeric
}

// Sum returns the sum of x over the rows of a group that match all of filter, as
// an R: Sum[int64](Quantity), Sum[pgtype.Numeric](Price). It is NULL if none has
// a value. A sum that an R cannot hold is the error smrt.ErrOutOfRange.
func Sum[R total, V Number, T any](x Operand[T, V], filter ...Predicate[T]) Expr[Groups[T], R] {
	return aggregate[R]("sum($1)", x, filter, reflect.TypeFor[R]())
}

// Avg returns the arithmetic mean of x over the rows of a group that match all of
// filter, as an R. It is NULL if none has a value.
func Avg[R total, V Number, T any](x Operand[T, V], filter ...Predicate[T]) Expr[Groups[T], R] {
	return aggregate[R]("avg($1)", x, filter, reflect.TypeFor[R]())
}

// Min returns the least value of x among the rows of a group that match all of
// filter, in the order that the server has for the type. It is NULL if none has
// a value.
func Min[T, V any](x Operand[T, V], filter ...Predicate[T]) Expr[Groups[T], V] {
	return aggregate[V]("min($1)", x, filter, nil)
}

// Max returns the greatest value of x among the rows of a group that match all of
// filter, in the order that the server has for the type. It is NULL if none has
// a value.
func Max[T, V any](x Operand[T, V], filter ...Predicate[T]) Expr[Groups[T], V] {
	return aggregate[V]("max($1)", x, filter, nil)
}

// Aggregate returns a call of any aggregate function, over the rows of a group
// that match all of filter. The text is a fragment like that of [SQL], with $1
// for x; with a filter it is one call and nothing else:
//
//	median := query.Aggregate[float64]("percentile_cont(0.5) WITHIN GROUP (ORDER BY $1)", Total)
func Aggregate[V, T any](sql constant, x AnyOperand[T], filter ...Predicate[T]) Expr[Groups[T], V] {
	return aggregate[V](string(sql), x, filter, nil)
}

func aggregate[V, T any](sql string, x AnyOperand[T], filter []Predicate[T], result reflect.Type) Expr[Groups[T], V] {
	return expression[Groups[T], V](sql, plan.Aggregate(sql, x.Plan(), plan.All(filter), result))
}

// Output is a value that is read into a field of R: of a row, or of a group if E
// is a [Groups].
type Output[E, R any] struct{ output plan.Output }

// Plan returns what o holds, for the packages of this module.
func (o Output[E, R]) Plan() plan.Output { return o.output }

// Into reads x into the field of R whose address field returns. A NULL that
// V cannot hold is an error; see [IntoNull].
func Into[E, R, V any](x Operand[E, V], field func(*R) *V) Output[E, R] {
	return Output[E, R]{plan.OutputOf(x.Plan(), reflect.TypeFor[R](), reflect.TypeFor[V](), meta.AccessorOf(field))}
}

// IntoNull is Into for a field that is a pointer, which is nil for NULL.
func IntoNull[E, R, V any](x Operand[E, V], field func(*R) **V) Output[E, R] {
	return Output[E, R]{plan.OutputOf(x.Plan(), reflect.TypeFor[R](), reflect.TypeFor[*V](), meta.AccessorOf(field))}
}
