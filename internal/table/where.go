package table

import (
	"cmp"
	"context"
	"reflect"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Writes of all rows that match a query, for repositories and for units. Package
// plan writes their text; here is what the table adds to them, and what is wrong
// with their values.

// UpdateWhere makes an update of the rows that match, which also sets what the
// table sets by itself.
func (t *Table) UpdateWhere(s *plan.Spec, sets []plan.Set) *plan.Request {
	return &plan.Request{Verb: plan.Update, Spec: s, Sets: t.WithOwn(sets)}
}

// DeleteWhere makes a delete of the rows that match, softly where that is declared
// unless hard is set.
func (t *Table) DeleteWhere(s *plan.Spec, hard bool) *plan.Request {
	if t.SoftDelete == nil || hard {
		return &plan.Request{Verb: plan.Delete, Spec: s}
	}
	r := t.UpdateWhere(s, []plan.Set{{Op: plan.SetNow, Column: t.SoftDelete}})
	r.AndThen = &plan.Node{Op: plan.IsNull, Column: t.SoftDelete} // what is deleted already keeps its time
	return r
}

// BuildBatched is Build for a statement of a batch, over which pgx would close the
// connection if it could not encode an argument. So what pgx may not know how to
// encode is sent as a literal, and numbers that their columns do not take are
// refused. The catalog is that of t; those of other tables are looked up if they
// are needed.
func (t *Table) BuildBatched(ctx context.Context, db smrt.DB, c *Catalog, r *plan.Request) (plan.Statement, error) {
	st, err := t.BuildAs(ctx, r, func(of *plan.Table, col *meta.Column, arg any) any {
		array, isList := arg.(*meta.Array)
		if isList && !array.IsDocument() || !isList && (!isOther(col) || !meta.NeedsType(arg) && !meta.IsDocument(arg)) {
			return arg
		}
		known := c
		if of != t.Table {
			if known, _ = Of(of).Catalog(ctx, db); known == nil {
				return arg
			}
		}
		if typ := known.Columns[col.Name]; typ.isJSON || meta.NeedsType(arg) {
			return operandAsLiteral(typ, col, arg)
		}
		return arg
	})
	if err != nil {
		return st, t.Named(err)
	}
	return st, t.checkNumbers(c, r)
}

// checkNumbers refuses numbers that columns of the given types do not take.
func (t *Table) checkNumbers(c *Catalog, r *plan.Request) (err error) {
	for i := range r.Sets {
		s := &r.Sets[i]
		if meta.NotFinite(s.A) {
			if err := t.CheckFiniteType(c, s.Column); err != nil {
				return err
			}
		}
		if s.Op == plan.SetValue || s.Op == plan.SetAdd {
			err = cmp.Or(err, t.checkNumber(c, s.Column, s.A))
		}
	}
	for i := range r.Spec.Where {
		operands(&r.Spec.Where[i], func(col *meta.Column, v any) { err = cmp.Or(err, t.checkNumber(c, col, v)) })
	}
	return err
}

// checkNumber refuses an integer that a column of the given type cannot hold.
func (t *Table) checkNumber(c *Catalog, col *meta.Column, v any) error {
	typ := c.Columns[col.Name]
	bounds, ok := Ranges[typ.Base]
	if n := reflect.Indirect(reflect.ValueOf(v)); ok && n.CanInt() && (n.Int() < bounds[0] || n.Int() > bounds[1]) {
		return t.misfit(col, typ, v, nil)
	}
	return nil
}

// ExplainRequest is Explain for the assignments of a write, and then for its
// query.
func (t *Table) ExplainRequest(ctx context.Context, db smrt.DB, err error, r *plan.Request) error {
	var args []any
	var columns []*meta.Column
	for i := range r.Sets {
		if r.Sets[i].Op == plan.SetValue {
			args, columns = append(args, r.Sets[i].A), append(columns, r.Sets[i].Column)
		}
	}
	if e := t.Explain(ctx, db, err, args, columns); e != err { //nolint:errorlint // the same value means: nothing found
		return e
	}
	return t.ExplainSpec(ctx, db, err, r.Spec)
}
