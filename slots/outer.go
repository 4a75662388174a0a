package slots

import (
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
)

// Result describes the rows of a query of sqlc's, which are read into R: the struct that
// sqlc generates for them, or a model. Its fields, in their order, are the columns; those
// of a model that sqlc.embed put into it are columns each. It belongs in a package
// variable, and is safe for concurrent use.
type Result[R any] struct{ table *plan.Table }

// NewResult declares the rows of a query. Pages need a key: the columns by which no two
// rows of the result are equal, and which are never NULL. Columns are declared by [Col]
// and its like:
//
//	var (
//		ListedID     = slots.Col(func(r *shopdb.ListOrdersRow) *int64 { return &r.ID })
//		ListedPieces = slots.Col(func(r *shopdb.ListOrdersRow) *int64 { return &r.Pieces })
//		Listed       = slots.NewResult(ListedID)
//	)
//
// It panics if R has no columns, or if the key has what is none.
func NewResult[R any](key ...query.AnyOperand[R]) *Result[R] {
	columns := make([]*meta.Column, len(key))
	for i, k := range key {
		columns[i] = k.Plan()
	}
	return &Result[R]{mustResult(reflect.TypeFor[R](), columns)}
}

func mustResult(t reflect.Type, key []*meta.Column) *plan.Table {
	result, err := plan.NewResult(t, key)
	if err != nil {
		panic(fmt.Sprintf("smrt: %v", err))
	}
	return result
}

// Plan returns what r holds, for the packages of this module.
func (r *Result[R]) Plan() *plan.Table {
	if r == nil {
		return nil // which is refused where it is used
	}
	return r.table
}

// Outer returns a query on the rows that a statement returns: on what it computes, such
// as sums, ranks and columns of several tables. The statement needs no slot for it. It
// becomes a table of its own, whose columns are known by their places:
//
//	many := slots.Outer(Listed, query.Where(ListedPieces.Ge(100)).OrderBy(ListedPieces.Desc()).Limit(20))
//	rows, err := shopdb.New(slots.On(pool, many)).ListOrders(ctx)
//
// A condition of it does not reach the rows that the statement groups; one that a table's
// column decides belongs in a slot, where an index serves it. Without an order the rows
// come in that of the statement. A slot for a limit then is that of the outer query.
//
// What writes or locks rows, and what has a LIMIT that is no slot, an OFFSET or a FETCH,
// is refused with smrt.ErrBadQuery before it is sent. The statement must have as many
// columns as R, in the order of its fields. Nothing else ties R to the statement: with the
// rows of another query a condition is on whatever column stands in that place. [Check]
// tries each result with the query that it is named after.
func Outer[R any](r *Result[R], q query.Query[R]) Fill {
	return Fill{fill: plan.Fill{Table: r.Plan(), Spec: q.Plan().OrEmpty(), Outer: true}}
}

// Col declares a column of a result by a function that returns the address of its field.
// For a field that is a pointer, see [NullCol]. It panics if there is no such column.
func Col[R, V any](field func(*R) *V) query.Column[R, V] {
	return column[query.Column[R, V], V](field)
}

// NullCol declares a column of a result that can be NULL, whose field is a pointer. Its
// operands are plain values.
func NullCol[R, V any](field func(*R) **V) query.Column[R, V] {
	return column[query.Column[R, V], V](field)
}

// TextCol declares a column of text.
func TextCol[R any, V ~string | pgtype.Text](field func(*R) *V) query.TextColumn[R, V] {
	return column[query.TextColumn[R, V], V](field)
}

// NullTextCol declares a column of text that can be NULL, whose field is a pointer.
func NullTextCol[R any, V ~string](field func(*R) **V) query.TextColumn[R, V] {
	return column[query.TextColumn[R, V], V](field)
}

// ArrayCol declares a column that is an array.
func ArrayCol[R, E any](field func(*R) *[]E) query.ArrayColumn[R, E] {
	return column[query.ArrayColumn[R, E], []E](field)
}

// JSONCol declares a column of type jsonb.
func JSONCol[R, V any](field func(*R) *V) query.JSONColumn[R, V] {
	return column[query.JSONColumn[R, V], V](field)
}

// column returns the column of a field as one of package query, all of which hold nothing
// but an expression. Its operands are of type V.
func column[C plan.Face[*meta.Column], V, R, F any](field func(*R) *F) C {
	c := mustColumn(reflect.TypeFor[R](), reflect.TypeFor[F](), meta.AccessorOf(field))
	return plan.AsExpr[C](plan.Expression{Column: c, Elem: meta.ColumnFor[V]("value")})
}

func mustColumn(r, f reflect.Type, access meta.Accessor) *meta.Column {
	c, err := meta.ResolveResult(r, f, access)
	if err != nil {
		panic(fmt.Sprintf("smrt: %v", err))
	}
	return c
}
