package crud

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// UpdateMany writes the whole rows of the n entities at base in one statement.
// It returns the number written and the indexes of the others.
func (b *Bound) UpdateMany(ctx context.Context, base unsafe.Pointer, n int) (count int64, err error) {
	defer b.wrap(ctx, "update", &err)
	rows := b.Table.Entities(base, n)
	if err := b.needWritableKey(ctx); err != nil || rows.N == 0 {
		return 0, err
	}
	for i := range rows.N {
		if err := b.Table.NeedKeyValue(rows.At(i), i); err != nil {
			return 0, err
		}
	}
	if err := b.Table.Distinct(rows, b.Table.KeyColumns()); err != nil {
		return 0, err
	}
	if err := b.Table.CheckAllFinite(ctx, b.DB, rows); err != nil {
		return 0, err
	}
	types, err := b.Table.ColumnTypes(ctx, b.DB)
	if err != nil {
		return 0, err
	}
	if err := b.Table.CheckAllFit(types, rows); err != nil {
		return 0, err
	}
	written := make([]bool, rows.N)
	if err := b.updateAll(ctx, types, rows, written); err != nil {
		b.Table.ForgetTypes(err)
		return 0, b.Table.ExplainRows(b.Table.Named(err), types, rows)
	}
	return b.tally(ctx, rows, written)
}

// needWritableKey refuses writes by key to what is read-only or has no key.
func (b *Bound) needWritableKey(ctx context.Context) error {
	if err := b.Table.NeedWritable(ctx, b.DB); err != nil {
		return err
	}
	return b.Table.NeedKey(ctx, b.DB)
}

// updateAll sends the statements, and marks the rows that they wrote.
func (b *Bound) updateAll(ctx context.Context, types map[string]table.ColumnType, rows table.Rows, written []bool) error {
	columns := b.Table.UpdateColumns()
	ks, ok := b.Table.ArrayTypes(types, columns)
	if !ok {
		return b.updateSingly(ctx, types, rows, written)
	}
	shape := []byte{'m'}
	for _, k := range ks {
		shape = append(append(shape, k.Param...), k.Cast...)
	}
	st := b.Table.Statement(shape, func() *table.Statement { return b.Table.UpdateManyStatement(columns, ks) })
	var parts []part
	for _, chosen := range chunks(rows.N, nil) {
		args, err := table.Arrays(columns, ks, rows, chosen)
		if err != nil {
			return err
		}
		parts = append(parts, part{st: st, args: args, rows: chosen})
	}
	return b.sendEach(ctx, parts, func(p int, r *table.Result, _ int64) error {
		var ordinal int64
		r.Ordinal = &ordinal
		_, err := r.Read(func(i int) unsafe.Pointer {
			i = parts[p].row(i)
			written[i] = true
			return rows.At(i)
		})
		return err
	})
}

// updateSingly is for tables with a column whose type no array can carry. The
// statements travel in one batch.
func (b *Bound) updateSingly(ctx context.Context, types map[string]table.ColumnType, rows table.Rows, written []bool) error {
	st := b.Table.Statement([]byte{'u'}, b.Table.UpdateStatement)
	parts := make([]part, rows.N)
	for i := range rows.N {
		args, err := b.arguments(ctx, st.Columns, rows.At(i))
		if err != nil {
			return meta.AtRow(err, i)
		}
		for k, col := range st.Columns {
			args[k] = table.AsLiteral(types[col.Name], col, args[k])
		}
		parts[i] = part{st: st, args: args}
	}
	return b.sendEach(ctx, parts, func(i int, r *table.Result, affected int64) error {
		if r == nil {
			written[i] = affected > 0
			return nil
		}
		n, err := r.Read(func(int) unsafe.Pointer { return rows.At(i) })
		written[i] = n > 0
		return err
	})
}

// tally reports how many rows were written, and which were not.
func (b *Bound) tally(ctx context.Context, rows table.Rows, written []bool) (int64, error) {
	var n int64
	var missed []int
	for i, ok := range written {
		if ok {
			n++
		} else {
			missed = append(missed, i)
		}
	}
	if len(missed) == 0 {
		return n, nil
	}
	e := &smrt.IncompleteError{Table: b.Table.Name, Rows: missed, Err: b.missingOrStale(ctx, rows.At(missed[0]))}
	return n, e
}

// DeleteMany deletes the rows with the n keys at base, softly where that is
// declared, and returns how many there were.
func (b *Bound) DeleteMany(ctx context.Context, base unsafe.Pointer, n int) (count int64, err error) {
	defer b.wrap(ctx, "delete", &err)
	keys := b.Table.Keys(base, n)
	if err := b.needWritableKey(ctx); err != nil || keys.N == 0 {
		return 0, err
	}
	where, args, err := b.keyList(ctx, keys)
	if err != nil {
		return 0, err
	}
	sql := "DELETE FROM " + b.Table.Quoted + " WHERE " + where
	if b.Table.SoftDelete != nil {
		sql = "UPDATE " + b.Table.Quoted + " SET " + b.Table.SoftDeleteSet("now()") + " WHERE " + where + b.Table.NotDeleted()
	}
	tag, err := b.DB.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// Delete deletes the row with the key at key.
func (b *Bound) Delete(ctx context.Context, key unsafe.Pointer, hard bool) (err error) {
	defer b.wrap(ctx, "delete", &err)
	shape := [2]byte{'k'}
	if hard || b.Table.SoftDelete == nil {
		shape[1] = 'h'
	}
	st := b.Table.Statement(shape[:], func() *table.Statement { return b.Table.DeleteStatement(shape[1] == 'h') })
	return b.execByKey(ctx, key, st.SQL)
}

// Restore takes a soft delete back.
func (b *Bound) Restore(ctx context.Context, key unsafe.Pointer) (err error) {
	defer b.wrap(ctx, "restore", &err)
	if err := b.needWritableKey(ctx); err != nil {
		return err
	}
	if b.Table.SoftDelete == nil {
		return &smrt.QueryError{Reason: "Restore needs a table declared with SoftDelete"}
	}
	return b.execByKey(ctx, key,
		"UPDATE "+b.Table.Quoted+" SET "+b.Table.SoftDeleteSet("NULL")+" WHERE "+b.Table.KeyCondition()+" AND "+b.Table.SoftDelete.Quoted+" IS NOT NULL")
}

func (b *Bound) execByKey(ctx context.Context, key unsafe.Pointer, sql string) error {
	if err := b.needWritableKey(ctx); err != nil {
		return err
	}
	args, err := b.Table.KeyArgs(key)
	if err != nil {
		return err
	}
	tag, err := b.DB.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() == 0 {
		return smrt.ErrNotFound
	}
	return err
}

// Patch assigns columns of the row with the key at key.
func (b *Bound) Patch(ctx context.Context, key unsafe.Pointer, sets []plan.Set) (err error) {
	defer b.wrap(ctx, "patch", &err)
	if err := b.needWritableKey(ctx); err != nil {
		return err
	}
	if len(sets) == 0 {
		return &smrt.QueryError{Reason: "a patch needs at least one assignment"}
	}
	args, err := b.Table.KeyArgs(key)
	if err != nil {
		return err
	}
	n, err := b.assign(ctx, b.Table.KeySpec(args), sets)
	if err == nil && n == 0 {
		return smrt.ErrNotFound
	}
	return err
}

// UpdateWhere assigns columns of the rows that match.
func (b *Bound) UpdateWhere(ctx context.Context, s *plan.Spec, sets []plan.Set) (n int64, err error) {
	defer b.wrap(ctx, "update", &err)
	return b.assign(ctx, s, sets)
}

func (b *Bound) assign(ctx context.Context, s *plan.Spec, sets []plan.Set) (int64, error) {
	if len(sets) == 0 {
		return 0, &smrt.QueryError{Reason: "an update needs at least one assignment"}
	}
	for i := range sets {
		for _, computed := range b.Table.Computed {
			if sets[i].Column == computed {
				return 0, &smrt.QueryError{Reason: "column " + computed.Name + " is computed and cannot be assigned"}
			}
		}
	}
	r := &plan.Request{Verb: plan.Update, Spec: s, Sets: b.Table.WithOwn(sets)}
	if err := b.Table.CheckFiniteSets(ctx, b.DB, r); err != nil {
		return 0, err
	}
	return b.write(ctx, r)
}

// DeleteWhere deletes the rows that match, softly where that is declared unless
// hard is set.
func (b *Bound) DeleteWhere(ctx context.Context, s *plan.Spec, hard bool) (n int64, err error) {
	defer b.wrap(ctx, "delete", &err)
	if b.Table.SoftDelete == nil || hard {
		return b.write(ctx, &plan.Request{Verb: plan.Delete, Spec: s})
	}
	sets := b.Table.WithOwn([]plan.Set{{Op: plan.SetNow, Column: b.Table.SoftDelete}})
	return b.write(ctx, &plan.Request{Verb: plan.Update, Spec: s, Sets: sets})
}

func (b *Bound) write(ctx context.Context, r *plan.Request) (int64, error) {
	if err := b.Table.NeedWritable(ctx, b.DB); err != nil {
		return 0, err
	}
	st, err := b.Table.Build(r)
	if err != nil {
		return 0, b.Table.Named(err)
	}
	if r.Spec.Empty() {
		return 0, nil
	}
	tag, err := b.DB.Exec(ctx, st.SQL, withMode(r.Spec, st.Args)...)
	if spelled := b.Table.SetsAsLiterals(ctx, b.DB, err, r); spelled != nil {
		if st, err = b.Table.Build(spelled); err == nil {
			tag, err = b.DB.Exec(ctx, st.SQL, withMode(r.Spec, st.Args)...)
		}
	}
	if err != nil {
		return 0, b.explainSets(ctx, err, r)
	}
	return tag.RowsAffected(), nil
}

func (b *Bound) explainSets(ctx context.Context, err error, r *plan.Request) error {
	var args []any
	var columns []*meta.Column
	for i := range r.Sets {
		if r.Sets[i].Op == plan.SetValue {
			args, columns = append(args, r.Sets[i].A), append(columns, r.Sets[i].Column)
		}
	}
	if e := b.Table.Explain(ctx, b.DB, err, args, columns); e != err { //nolint:errorlint // the same value means: nothing found
		return e
	}
	return b.Table.ExplainSpec(ctx, b.DB, err, r.Spec)
}
