package query

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Expr is what SQL computes of a row of the entity T, with values that compare
// as V: a [Column], or an expression made by [SQL]. It can be compared and
// ordered by, and be an operand of another expression. Expressions are immutable;
// one that is kept in a variable costs no more than a column.
type Expr[T, V any] struct{ x plan.Expression }

// Operand is a column or an expression of the entity T with values of type V.
type Operand[T, V any] interface {
	AnyOperand[T]
	value(V)
}

// AnyOperand is an [Operand] with values of any type.
type AnyOperand[T any] interface {
	Plan() *meta.Column
	operand(*T)
}

func (x Expr[T, V]) operand(*T) {}
func (x Expr[T, V]) value(V)    {}

// Plan returns what x holds, for the packages of this module.
func (x Expr[T, V]) Plan() *meta.Column { return x.x.Declared() }

// SQL returns an expression in SQL. V must hold the values that the server
// computes. $1 stands for the first operand, a column or another expression of
// the entity; $2, $3, ... stand for the rest, which may be values too:
//
//	total := query.SQL[int64]("$1 * $2", Price, Quantity)
//	query.Where(total.Gt(100_00)).OrderBy(total.Desc())
//
// The text is a constant of the program, like that of [Raw], and has the same
// rules. The server decides the type of a value by what stands beside it, so a
// float needs a cast: $2::float8, or $2::numeric. What an index on an expression or a GROUP BY has as a constant, such as
// a unit, a time zone or a path, belongs into the text. The expression may be
// NULL.
func SQL[V, T any](sql constant, first AnyOperand[T], rest ...any) Expr[T, V] {
	args, err := arguments[T](sql, append([]any{first}, rest...))
	return expression[T, V](string(sql), &plan.Node{Op: plan.Raw, SQL: string(sql), Args: args, Err: err})
}

// expression returns what n computes. It may be NULL.
func expression[T, V any](name string, n *plan.Node) Expr[T, V] {
	return Expr[T, V]{plan.Computed(element[V](), name, true, n)}
}

// valueOf returns the operand x as an argument of a fragment.
func valueOf[T any](x AnyOperand[T]) any {
	return plan.ValueOf(x.Plan())
}

// arguments returns the arguments of a fragment on rows of T, among which may be
// columns and expressions.
func arguments[T any](sql constant, args []any) ([]any, error) {
	args = slices.Clone(args)
	for i, v := range args {
		if x, ok := v.(AnyOperand[T]); ok {
			args[i] = valueOf(x)
		}
	}
	return plan.Arguments(string(sql), reflect.TypeFor[T](), args)
}

// Compare matches rows in which a and b compare as op says: "=", "<>", "<", "<=",
// ">" or ">=". Like Eq and Ne, "=" holds if both are NULL, and "<>" if one is;
// the others hold for no NULL.
func Compare[T, V any](a Operand[T, V], op constant, b Operand[T, V]) Predicate[T] {
	return Predicate[T]{plan.Compare(a.Plan(), string(op), b.Plan())}
}

// InSelect matches rows in which x equals what y is in one of the rows of another
// table that q selects, of which deleted ones are none:
//
//	local := query.InSelect(BookAuthor, Authors, AuthorID, query.Where(AuthorCountry.Eq("SE")))
//
// It is a join for the server, and so is its opposite, [Not]. As in a list, NULL
// is among the values if one of them is NULL. The query may have an order and a
// limit, and conditions that have such queries in turn; a lock, a comment or a
// hint belongs to the query around it, and is smrt.ErrBadQuery. For tables with a
// declared relation, see its Has.
func InSelect[T, V, U any, K comparable](x Operand[T, V], of *Table[U, K], y Operand[U, V], q Query[U]) Predicate[T] {
	return Predicate[T]{plan.InRows(x.Plan(), of.Plan(), y.Plan(), q.Plan())}
}

// Eq matches rows whose value equals v. If v is a nil pointer, or a null
// value of database/sql or pgtype, it matches rows where the value is NULL.
func (x Expr[T, V]) Eq(v V) Predicate[T] { return Predicate[T]{x.x.Equal(v)} }

// Ne matches exactly the rows that Eq does not match. So it matches rows where
// the column is NULL too, as != does in Go, and unlike <> in SQL.
func (x Expr[T, V]) Ne(v V) Predicate[T] { return Predicate[T]{x.x.NotEqual(v)} }

// Lt matches rows whose column is less than v. NULL is not less than anything.
func (x Expr[T, V]) Lt(v V) Predicate[T] { return Predicate[T]{x.x.Node(plan.Lt, v)} }

// Le matches rows whose column is less than or equal to v, never NULL.
func (x Expr[T, V]) Le(v V) Predicate[T] { return Predicate[T]{x.x.Node(plan.Le, v)} }

// Gt matches rows whose column is greater than v, never NULL.
func (x Expr[T, V]) Gt(v V) Predicate[T] { return Predicate[T]{x.x.Node(plan.Gt, v)} }

// Ge matches rows whose column is greater than or equal to v, never NULL.
func (x Expr[T, V]) Ge(v V) Predicate[T] { return Predicate[T]{x.x.Node(plan.Ge, v)} }

// Between matches rows whose column is at least low and at most high, both
// included, never NULL. If low is greater than high, nothing matches.
func (x Expr[T, V]) Between(low, high V) Predicate[T] {
	return Predicate[T]{x.x.Between(low, high)}
}

// IsNull matches rows where the value is NULL.
func (x Expr[T, V]) IsNull() Predicate[T] { return Predicate[T]{x.x.Node(plan.IsNull, nil)} }

// IsNotNull matches rows where the column is not NULL.
func (x Expr[T, V]) IsNotNull() Predicate[T] { return Predicate[T]{x.x.Node(plan.NotNull, nil)} }

// In matches rows whose column equals one of vs, which are sent as one array
// however many they are. With no vs nothing matches, and no statement is sent.
// A nil in vs matches NULL.
func (x Expr[T, V]) In(vs ...V) Predicate[T] { return Predicate[T]{in(x.x, vs)} }

// NotIn matches exactly the rows that In does not match; with no vs, all rows.
// It matches rows where the value is NULL, unless vs has a nil.
func (x Expr[T, V]) NotIn(vs ...V) Predicate[T] { return Predicate[T]{notIn(x.x, vs)} }

// Asc orders by the column, smallest first, NULLs last.
func (x Expr[T, V]) Asc() Order[T] { return Order[T]{x.x.Order(false)} }

// Desc orders by the column, greatest first, NULLs first.
func (x Expr[T, V]) Desc() Order[T] { return Order[T]{x.x.Order(true)} }

func in[V any](x plan.Expression, vs []V) plan.Node {
	values := withoutNulls(x, vs)
	if x.Elem == nil || x.Elem.IsArray() {
		return each(x, vs)
	}
	list := listed(x, plan.In, values)
	switch {
	case len(values) == len(vs):
		return list
	case len(values) == 0:
		return x.Node(plan.IsNull, nil)
	}
	return plan.Node{Op: plan.Or, Kids: []plan.Node{list, x.Node(plan.IsNull, nil)}}
}

func notIn[V any](x plan.Expression, vs []V) plan.Node {
	values := withoutNulls(x, vs)
	if x.Elem == nil || x.Elem.IsArray() {
		return plan.Node{Op: plan.Not, Kids: []plan.Node{each(x, vs)}}
	}
	list := listed(x, plan.NotIn, values)
	switch {
	case len(values) < len(vs):
		return plan.Node{Op: plan.And, Kids: []plan.Node{list, x.Node(plan.NotNull, nil)}}
	case len(vs) > 0 && x.Declared().Nullable:
		return plan.Node{Op: plan.Or, Kids: []plan.Node{list, x.Node(plan.IsNull, nil)}}
	}
	return list
}

// each returns the condition of In for columns that are arrays. PostgreSQL has
// no arrays of arrays, so each value is compared by itself.
func each[V any](x plan.Expression, vs []V) plan.Node {
	equal := make([]plan.Node, len(vs))
	for i, v := range vs {
		equal[i] = x.Equal(v)
	}
	return plan.Node{Op: plan.Or, Kids: equal}
}

func withoutNulls[V any](x plan.Expression, vs []V) []V {
	null := func(v V) bool { return x.IsNull(v) }
	if x.Elem == nil || !x.Elem.Nullable || !slices.ContainsFunc(vs, null) {
		return vs
	}
	return slices.DeleteFunc(slices.Clone(vs), null)
}

// listed returns a condition on an array of values. It copies the values, so that
// a query does not change when its caller's slice does.
func listed[V any](x plan.Expression, op plan.Op, vs []V) plan.Node {
	if len(vs) == 0 {
		return plan.Node{Op: map[plan.Op]plan.Op{plan.In: plan.False, plan.NotIn: plan.True}[op]}
	}
	vs = slices.Clone(vs)
	plan.CopyAll(vs)
	array, err := meta.NewArray(x.Elem, unsafe.Pointer(&vs[0]), unsafe.Sizeof(vs[0]), len(vs), nil)
	if err != nil {
		err = meta.InColumn(err, x.Declared().Name)
	}
	return plan.Node{Op: op, Column: x.Declared(), A: array, Err: err}
}

// Order is one term of an ORDER BY.
type Order[T any] struct{ order meta.Order }

// Plan returns what o holds, for the packages of this module.
func (o Order[T]) Plan() meta.Order { return o.order }

// NullsFirst puts rows where the column is NULL first.
func (o Order[T]) NullsFirst() Order[T] {
	o.order.Nulls = meta.NullsFirst
	return o
}

// NullsLast puts rows where the column is NULL last.
func (o Order[T]) NullsLast() Order[T] {
	o.order.Nulls = meta.NullsLast
	return o
}
