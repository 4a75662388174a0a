package query

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Column is a column of the entity T whose values compare as V. It is an [Expr]
// that can be assigned. Columns are immutable and belong in package variables.
type Column[T, V any] struct{ Expr[T, V] }

// Col declares a column by a function that returns the address of its field.
// The field may belong to an embedded struct. V is the type of the field; for a
// field that is a pointer, see [NullCol].
//
// It panics if the result is not the address of a column of its argument.
func Col[T, V any](field func(*T) *V) Column[T, V] {
	return Column[T, V]{Expr[T, V]{plan.Expression{Column: meta.ColumnOf(field), Elem: element[V]()}}}
}

// NullCol declares a column that can be NULL, whose field is a pointer. Its
// operands are plain values; IsNull asks for NULL.
func NullCol[T, V any](field func(*T) **V) Column[T, V] {
	return Column[T, V]{Expr[T, V]{plan.Expression{Column: meta.ColumnOf(field), Elem: element[V]()}}}
}

func element[V any]() *meta.Column { return meta.ColumnFor[V]("value") }

// Name returns the column's name in the database.
func (c Column[T, V]) Name() string { return c.Plan().Name }

// Set assigns v to the column, also if v is a zero value. A nil assigns NULL.
func (c Column[T, V]) Set(v V) Assignment[T] { return Assignment[T]{c.x.Assign(v)} }

// SetTo assigns what x is in the row before the assignment: a column, or an
// expression.
func (c Column[T, V]) SetTo(x Operand[T, V]) Assignment[T] {
	return Assignment[T]{c.x.AssignSQL("$1", []any{valueOf(x)}, nil)}
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
	as, err := arguments[T](sql, args)
	return Assignment[T]{c.x.AssignSQL(string(sql), as, err)}
}

// Assignment assigns a value to a column of the entity T. Patch and UpdateWhere
// of a repository take assignments.
type Assignment[T any] struct{ set plan.Set }

// Plan returns what a holds, for the packages of this module.
func (a Assignment[T]) Plan() plan.Set { return a.set }
