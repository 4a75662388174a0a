package query

import (
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Column is a column of the entity T whose values compare as V. Columns are
// immutable and belong in package variables.
type Column[T, V any] struct {
	column *meta.Column
	elem   *meta.Column // a V by itself, for lists
}

// Col declares a column by a function that returns the address of its field.
// The field may belong to an embedded struct. V is the type of the field; for a
// field that is a pointer, see [NullCol].
//
// It panics if the result is not the address of a column of its argument.
func Col[T, V any](field func(*T) *V) Column[T, V] {
	return Column[T, V]{column: meta.ColumnOf(field), elem: element[V]()}
}

// NullCol declares a column that can be NULL, whose field is a pointer. Its
// operands are plain values; IsNull asks for NULL.
func NullCol[T, V any](field func(*T) **V) Column[T, V] {
	return Column[T, V]{column: meta.ColumnOf(field), elem: element[V]()}
}

func element[V any]() *meta.Column { return meta.ColumnFor[V]("value") }

// Name returns the column's name in the database.
func (c Column[T, V]) Name() string { return c.Plan().Name }

// Plan returns what c holds, for the packages of this module.
func (c Column[T, V]) Plan() *meta.Column { return declared(c.column) }

// declared returns c, or what stands for the column of a zero Column.
func declared(c *meta.Column) *meta.Column {
	if c == nil {
		return plan.Undeclared
	}
	return c
}

func (c Column[T, V]) node(op plan.Op, v any) Predicate[T] {
	return Predicate[T]{plan.Node{Op: op, Column: c.Plan(), A: plan.Copy(v)}}
}

// null reports whether v stands for NULL: a nil pointer, or a type of its own
// with a Valid field that is false, such as sql.NullString or pgtype.Int4.
func (c Column[T, V]) null(v V) bool {
	return c.elem != nil && c.elem.Nullable && plan.IsNullValue(v)
}

// Eq matches rows whose column equals v. If v is a nil pointer, or a null
// value of database/sql or pgtype, it matches rows where the column is NULL.
func (c Column[T, V]) Eq(v V) Predicate[T] {
	if c.null(v) {
		return c.IsNull()
	}
	return c.node(plan.Eq, v)
}

// Ne matches exactly the rows that Eq does not match. So it matches rows where
// the column is NULL too, as != does in Go, and unlike <> in SQL.
func (c Column[T, V]) Ne(v V) Predicate[T] {
	switch {
	case c.null(v):
		return c.IsNotNull()
	case c.Plan().Nullable:
		return c.node(plan.Distinct, v)
	}
	return c.node(plan.Ne, v)
}

// Lt matches rows whose column is less than v. NULL is not less than anything.
func (c Column[T, V]) Lt(v V) Predicate[T] { return c.node(plan.Lt, v) }

// Le matches rows whose column is less than or equal to v, never NULL.
func (c Column[T, V]) Le(v V) Predicate[T] { return c.node(plan.Le, v) }

// Gt matches rows whose column is greater than v, never NULL.
func (c Column[T, V]) Gt(v V) Predicate[T] { return c.node(plan.Gt, v) }

// Ge matches rows whose column is greater than or equal to v, never NULL.
func (c Column[T, V]) Ge(v V) Predicate[T] { return c.node(plan.Ge, v) }

// Between matches rows whose column is at least low and at most high, both
// included, never NULL. If low is greater than high, nothing matches.
func (c Column[T, V]) Between(low, high V) Predicate[T] {
	return Predicate[T]{plan.Node{Op: plan.Between, Column: c.Plan(), A: plan.Copy(low), B: plan.Copy(high)}}
}

// IsNull matches rows where the column is NULL.
func (c Column[T, V]) IsNull() Predicate[T] { return c.node(plan.IsNull, nil) }

// IsNotNull matches rows where the column is not NULL.
func (c Column[T, V]) IsNotNull() Predicate[T] { return c.node(plan.NotNull, nil) }

// In matches rows whose column equals one of vs, which are sent as one array
// however many they are. With no vs nothing matches, and no statement is sent.
// A nil in vs matches NULL.
func (c Column[T, V]) In(vs ...V) Predicate[T] {
	values := c.withoutNulls(vs)
	if c.elem == nil || c.elem.IsArray() {
		return c.each(vs)
	}
	list := c.list(plan.In, values)
	switch {
	case len(values) == len(vs):
		return list
	case len(values) == 0:
		return c.IsNull()
	}
	return Or(list, c.IsNull())
}

// NotIn matches exactly the rows that In does not match; with no vs, all rows.
// It matches rows where the column is NULL, unless vs has a nil.
func (c Column[T, V]) NotIn(vs ...V) Predicate[T] {
	values := c.withoutNulls(vs)
	if c.elem == nil || c.elem.IsArray() {
		return Not(c.each(vs))
	}
	list := c.list(plan.NotIn, values)
	switch {
	case len(values) < len(vs):
		return And(list, c.IsNotNull())
	case len(vs) > 0 && c.Plan().Nullable:
		return Or(list, c.IsNull())
	}
	return list
}

// each returns the predicate of In for columns that are arrays. PostgreSQL has
// no arrays of arrays, so each value is compared by itself.
func (c Column[T, V]) each(vs []V) Predicate[T] {
	equal := make([]Predicate[T], len(vs))
	for i, v := range vs {
		equal[i] = c.Eq(v)
	}
	return Or(equal...)
}

func (c Column[T, V]) withoutNulls(vs []V) []V {
	if c.elem == nil || !c.elem.Nullable || !slices.ContainsFunc(vs, c.null) {
		return vs
	}
	return slices.DeleteFunc(slices.Clone(vs), c.null)
}

// list returns a predicate on an array of values. It copies the values, so that
// a query does not change when its caller's slice does.
func (c Column[T, V]) list(op plan.Op, vs []V) Predicate[T] {
	if len(vs) == 0 {
		return Predicate[T]{plan.Node{Op: map[plan.Op]plan.Op{plan.In: plan.False, plan.NotIn: plan.True}[op]}}
	}
	vs = slices.Clone(vs)
	plan.CopyAll(vs)
	array, err := meta.NewArray(c.elem, unsafe.Pointer(&vs[0]), unsafe.Sizeof(vs[0]), len(vs), nil)
	if err != nil {
		err = meta.InColumn(err, c.Name())
	}
	return Predicate[T]{plan.Node{Op: op, Column: c.Plan(), A: array, Err: err}}
}

// Asc orders by the column, smallest first, NULLs last.
func (c Column[T, V]) Asc() Order[T] { return Order[T]{meta.Order{Column: c.Plan()}} }

// Desc orders by the column, greatest first, NULLs first.
func (c Column[T, V]) Desc() Order[T] { return Order[T]{meta.Order{Column: c.Plan(), Desc: true}} }

// Set assigns v to the column, also if v is a zero value. A nil assigns NULL.
func (c Column[T, V]) Set(v V) Assignment[T] {
	if c.null(v) {
		return c.SetNull()
	}
	return Assignment[T]{plan.Set{Op: plan.SetValue, Column: c.Plan(), A: plan.Copy(v)}}
}

// SetNull assigns NULL to the column.
func (c Column[T, V]) SetNull() Assignment[T] {
	return Assignment[T]{plan.Set{Op: plan.SetNull, Column: c.Plan()}}
}

// SetDefault assigns the column's default, as declared in the database.
func (c Column[T, V]) SetDefault() Assignment[T] {
	return Assignment[T]{plan.Set{Op: plan.SetDefault, Column: c.Plan()}}
}

// Number are the types that [Add] can add.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64 | pgtype.Numeric
}

// Add adds v to a column: Add(Stock, -1) assigns stock - 1 to stock. It is a
// function and not a method of [Column], so that it compiles for numbers only.
// For dates use [Column.SetExpr]: DueAt.SetExpr("due_at + $1", 24*time.Hour).
func Add[T any, V Number](c Column[T, V], v V) Assignment[T] {
	return Assignment[T]{plan.Set{Op: plan.SetAdd, Column: c.Plan(), A: plan.Copy(v)}}
}

// SetExpr assigns the value of an SQL expression. Like [Raw], it takes a
// constant only, with arguments for $1, $2, ...
func (c Column[T, V]) SetExpr(sql constant, args ...any) Assignment[T] {
	return Assignment[T]{plan.Set{Op: plan.SetRaw, Column: c.Plan(), SQL: string(sql), Args: plan.CopyArgs(args)}}
}

// Assignment assigns a value to a column of the entity T. Patch and UpdateWhere
// of a repository take assignments.
type Assignment[T any] struct{ set plan.Set }

// Plan returns what a holds, for the packages of this module.
func (a Assignment[T]) Plan() plan.Set { return a.set }

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
