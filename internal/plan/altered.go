package plan

import (
	sq "github.com/Masterminds/squirrel"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
)

// A prepared statement keeps the types that its parameters had when it was
// prepared. If a column is altered to a type that the old one casts to by itself,
// the server goes on to take values of the old type: as a timestamptz a timestamp
// is hours off, as a timestamp a date has no time of day, and a text is not
// equal to a citext in another case. No error says so. So a value of such a column
// stands in a condition whose types must be the same, beside true:
//
//	true OR ARRAY[nullif(at, NULL)] && ARRAY[nullif($1, at)]
//
// The planner drops it. But the server refuses it when it looks at the statement
// anew, after the table was altered, and the call is run once more. nullif has
// the type of its first operand as the = of the second one takes it: of a domain
// the type below it, of a varchar text. It gives the parameter its type where
// nothing did before.

// MayDrift reports whether the server may take a value of the column, sent as of
// the type that the column had before it was altered, for another value.
func MayDrift(col *meta.Column) bool {
	switch col.Encode {
	case meta.KindTime, meta.KindFloat32, meta.KindFloat64:
		return true
	}
	return false
}

// Unaltered returns the condition for the values of an array, whose elements have
// the type that column, an expression, is believed to have.
func Unaltered(column, array string) string {
	return "true OR ARRAY[nullif(" + column + ", NULL)] && " + array
}

// UnalteredOne returns the condition for one value.
func UnalteredOne(column, value string) string {
	return Unaltered(column, "ARRAY[nullif("+value+", "+column+")]")
}

// Null returns an expression that is NULL and has the type of a column,
// wherever it stands: whoever may write to the column need not be allowed to
// read it. It is empty for a table whose name means a type of the server.
func (t *Table) Null(col *meta.Column) string {
	if _, ok := typeNames.TypeForName(t.Name); ok {
		return ""
	}
	return "(NULL::" + t.Quoted + ")." + col.Quoted
}

// typeNames is never changed.
var typeNames = pgtype.NewMap()

// assigned renders a value that is assigned to a column.
func assigned(t *Table, col *meta.Column, value any) sq.Sqlizer {
	null := escape(t.Null(col))
	if !MayDrift(col) || null == "" {
		return sq.Expr("?", value)
	}
	return sq.Expr("CASE WHEN "+UnalteredOne(null, "?")+" THEN ? END", value, repeated(value))
}

// unaltered renders a comparison, and adds the condition that its first operand has
// the type of its column.
func (w *renderer) unaltered(sql string, args []any, n *Node) sq.Sqlizer {
	if n.Op < Eq || n.Op > Between || !MayDrift(n.Column) || n.Column.Expr != nil {
		return sq.Expr(sql, args...)
	}
	column := escape(n.Column.Quoted)
	if w.qualified {
		column = escape(w.scope.column(n.Column))
	}
	condition := UnalteredOne(column, "?")
	if n.Op == In || n.Op == NotIn {
		condition = Unaltered(column, "?")
	}
	return sq.Expr("("+sql+" AND ("+condition+"))", append(args, repeated(args[1]))...)
}

// repeated stands for an argument that has been placed.
func repeated(arg any) any {
	if i, ok := arg.(index); ok {
		return again(i)
	}
	return arg
}
