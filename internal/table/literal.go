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

// SetsAsLiterals is AsLiterals for the assignments of an update.
func (t *Table) SetsAsLiterals(ctx context.Context, db smrt.DB, err error, r *plan.Request) *plan.Request {
	if err == nil || !pgerr.IsEncode(err) {
		return nil
	}
	c, lookupErr := t.Catalog(ctx, db)
	if lookupErr != nil {
		return nil
	}
	out := *r
	out.Sets = slices.Clone(r.Sets)
	for i, s := range out.Sets {
		if s.Op == plan.SetValue && isOther(s.Column) {
			out.Sets[i].A = otherAsLiteral(c.Columns[s.Column.Name], s.Column, s.A)
		}
	}
	return &out
}
