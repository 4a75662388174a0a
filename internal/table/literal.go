package table

import (
	"context"
	"slices"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
)

// AsLiteral returns an argument as its literal if pgx could encode it only
// where it knows the column's type, which in exec mode and for domains it does
// not.
func AsLiteral(t ColumnType, col *meta.Column, arg any) any {
	switch {
	case t.isJSON && col.IsDocument():
		s, null, err := meta.JSON(arg)
		return literal(s, null, err, arg)
	case isOther(col) && meta.NeedsType(arg):
		s, null, err := meta.Text(arg)
		return literal(s, null, err, arg)
	}
	return arg
}

func literal(s string, null bool, err error, arg any) any {
	switch {
	case err != nil:
		return arg // pgx says what is wrong with it
	case null:
		return nil
	}
	return s
}

// AsLiterals returns the arguments of a statement that pgx refused to encode,
// with those that it may not know how to as literals. It returns nil if there
// are none. Nothing was sent, so the statement may be run again.
func (t *Table) AsLiterals(ctx context.Context, db smrt.DB, err error, args []any, columns []*meta.Column) []any {
	if err == nil || !pgerr.IsEncode(err) || !slices.ContainsFunc(columns, isOther) {
		return nil
	}
	c, lookupErr := t.Catalog(ctx, db)
	if lookupErr != nil {
		return nil
	}
	out := slices.Clone(args)
	for i, col := range columns {
		if isOther(col) {
			out[i] = otherAsLiteral(c.Columns[col.Name], col, args[i])
		}
	}
	return out
}

func isOther(col *meta.Column) bool { return col.Encode == meta.KindOther }

func otherAsLiteral(t ColumnType, col *meta.Column, arg any) any {
	if t.isJSON {
		return AsLiteral(t, col, arg)
	}
	s, null, err := meta.Text(arg)
	return literal(s, null, err, arg)
}

// BuildLiterals returns the statement of a request that pgx refused to encode,
// with the operands that it may not know how to as literals. It returns nil if
// pgx did not refuse it. Nothing was sent, so the statement may be run again.
func (t *Table) BuildLiterals(ctx context.Context, db smrt.DB, err error, r *plan.Request) *plan.Statement {
	if err == nil || !pgerr.IsEncode(err) {
		return nil
	}
	st, err := t.BuildAs(ctx, r, func(of *plan.Table, col *meta.Column, arg any) any {
		c, lookupErr := Of(of).Catalog(ctx, db)
		if lookupErr != nil {
			return arg
		}
		return operandAsLiteral(c.Columns[col.Name], col, arg)
	})
	if err != nil {
		return nil
	}
	return &st
}

// operandAsLiteral returns the literal of an operand that may be a value of the
// column, an element of it or a list of such.
func operandAsLiteral(t ColumnType, col *meta.Column, arg any) any {
	array, isList := arg.(*meta.Array)
	switch {
	case isList && t.isJSON && array.IsDocument():
		if documents, err := meta.NewAsJSON(array); err == nil {
			return documents
		}
	case isList, !isOther(col):
	case t.isJSON && meta.IsDocument(arg):
		s, null, err := meta.JSON(arg)
		return literal(s, null, err, arg)
	default:
		s, null, err := meta.Text(arg)
		return literal(s, null, err, arg)
	}
	return arg
}
