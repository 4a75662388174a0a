package crud

import (
	"context"
	"strings"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// UpdateMany writes the whole rows of all entities in one statement. It
// returns the number written and the indexes of the others.
func (c *Core) UpdateMany(ctx context.Context, db smrt.DB, rows Rows) (int64, error) {
	if err := c.needWritableKey(ctx, db); err != nil || rows.N == 0 {
		return 0, err
	}
	for i := range rows.N {
		if err := c.needKeyValue(rows.at(i), i); err != nil {
			return 0, err
		}
	}
	if err := c.Distinct(rows, c.keyColumns()); err != nil {
		return 0, err
	}
	if err := c.checkAllFinite(ctx, db, rows); err != nil {
		return 0, err
	}
	types, err := c.columnTypes(ctx, db)
	if err != nil {
		return 0, err
	}
	if err := c.checkAllFit(types, rows); err != nil {
		return 0, err
	}
	written := make([]bool, rows.N)
	if err := c.updateAll(ctx, db, types, rows, written); err != nil {
		c.forgetTypes(err)
		return 0, c.explainRows(c.named(err), types, rows)
	}
	return c.count(ctx, db, rows, written)
}

// needWritableKey refuses writes by key to what is read-only or has no key.
func (c *Core) needWritableKey(ctx context.Context, db smrt.DB) error {
	if err := c.writableTable(ctx, db); err != nil {
		return err
	}
	return c.NeedKey(ctx, db)
}

func (c *Core) keyColumns() []*meta.Column {
	cols := make([]*meta.Column, len(c.Key))
	for i, k := range c.Key {
		cols[i] = k.Column
	}
	return cols
}

// updateAll sends the statements, and marks the rows that they wrote.
func (c *Core) updateAll(ctx context.Context, db smrt.DB, types map[string]columnType, rows Rows, written []bool) error {
	columns := c.updateColumns()
	ks, ok := c.carriers(types, columns)
	if !ok {
		return c.updateSingly(ctx, db, types, rows, written)
	}
	shape := []byte{'m'}
	for _, k := range ks {
		shape = append(append(shape, k.param...), k.cast...)
	}
	st := c.shapes.get(shape, func() *statement { return c.bulkUpdateSQL(columns, ks) })
	var parts []part
	for _, chosen := range chunks(rows.N, nil) {
		args, err := arrays(columns, ks, rows, chosen)
		if err != nil {
			return err
		}
		parts = append(parts, part{st: st, args: args, rows: chosen})
	}
	return c.sendEach(ctx, db, parts, func(p int, r *result, _ int64) error {
		var ordinal int64
		r.ordinal = &ordinal
		_, err := r.read(func(i int) unsafe.Pointer {
			i = parts[p].row(i)
			written[i] = true
			return rows.at(i)
		})
		return err
	})
}

// updateColumns are the arguments of a bulk update: the key, the version, and
// what is written.
func (c *Core) updateColumns() []*meta.Column {
	cols := c.keyColumns()
	if c.Version != nil {
		cols = append(cols, c.Version)
	}
	for _, col := range c.mutable {
		if col != c.Version && col != c.UpdatedAt {
			cols = append(cols, col)
		}
	}
	return cols
}

func (c *Core) bulkUpdateSQL(columns []*meta.Column, ks []carrier) *statement {
	from, exprs := unnest(ks, true)
	value := map[*meta.Column]string{}
	for i, col := range columns {
		value[col] = exprs[i]
	}
	var sets, where []string
	for _, col := range c.mutable {
		sets = append(sets, col.Quoted+" = "+c.updated(col, "t.", func() string { return value[col] }))
	}
	for _, k := range c.Key {
		where = append(where, "t."+k.Column.Quoted+" = "+value[k.Column])
	}
	if c.Version != nil {
		where = append(where, "t."+c.Version.Quoted+" = "+value[c.Version])
	}
	if c.SoftDelete != nil {
		where = append(where, "t."+c.SoftDelete.Quoted+" IS NULL")
	}
	if len(sets) == 0 {
		key := c.Key[0].Column
		sets = append(sets, key.Quoted+" = t."+key.Quoted)
	}
	returning := []string{"u.ord"}
	for _, col := range c.returned {
		returning = append(returning, "t."+col.Quoted)
	}
	return &statement{
		sql: "UPDATE " + c.Quoted + " AS t SET " + strings.Join(sets, ", ") + " FROM " + from +
			" WHERE " + strings.Join(where, " AND ") + " RETURNING " + strings.Join(returning, ", "),
		columns:  columns,
		ordinal:  true,
		returned: meta.TargetsOf(c.returned, 0),
	}
}

// updateSingly is for tables with a column whose type no array can carry. The
// statements travel in one batch.
func (c *Core) updateSingly(ctx context.Context, db smrt.DB, types map[string]columnType, rows Rows, written []bool) error {
	st := c.shapes.get([]byte{'u'}, c.updateSQL)
	parts := make([]part, rows.N)
	for i := range rows.N {
		args, err := c.arguments(ctx, db, st.columns, rows.at(i))
		if err != nil {
			return meta.AtRow(err, i)
		}
		for k, col := range st.columns {
			args[k] = spell(types[col.Name], col, args[k])
		}
		parts[i] = part{st: st, args: args}
	}
	return c.sendEach(ctx, db, parts, func(i int, r *result, affected int64) error {
		if r == nil {
			written[i] = affected > 0
			return nil
		}
		n, err := r.read(func(int) unsafe.Pointer { return rows.at(i) })
		written[i] = n > 0
		return err
	})
}

// count reports how many rows were written, and which were not.
func (c *Core) count(ctx context.Context, db smrt.DB, rows Rows, written []bool) (int64, error) {
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
	e := &smrt.IncompleteError{Table: c.Name, Rows: missed, Err: c.missingOrStale(ctx, db, rows.at(missed[0]))}
	return n, e
}

func (c *Core) notDeleted() string {
	if c.SoftDelete == nil {
		return ""
	}
	return " AND " + c.SoftDelete.Quoted + " IS NULL"
}

// softDelete is the SET clause that deletes a row softly, or that restores it.
func (c *Core) softDelete(to string) string {
	sets := c.SoftDelete.Quoted + " = " + to
	for _, col := range []*meta.Column{c.UpdatedAt, c.Version} {
		if col != nil {
			sets += ", " + col.Quoted + " = " + c.updated(col, "", nil)
		}
	}
	return sets
}

// DeleteMany deletes the rows with the given keys and returns how many there
// were.
func (c *Core) DeleteMany(ctx context.Context, db smrt.DB, keys Rows, hard bool) (int64, error) {
	if err := c.needWritableKey(ctx, db); err != nil || keys.N == 0 {
		return 0, err
	}
	where, args, err := c.keyList(ctx, db, keys)
	if err != nil {
		return 0, err
	}
	sql := "DELETE FROM " + c.Quoted + " WHERE " + where
	if c.SoftDelete != nil && !hard {
		sql = "UPDATE " + c.Quoted + " SET " + c.softDelete("now()") + " WHERE " + where + c.notDeleted()
	}
	tag, err := db.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}

// Delete deletes one row.
func (c *Core) Delete(ctx context.Context, db smrt.DB, key unsafe.Pointer, hard bool) error {
	shape := [2]byte{'k'}
	if hard || c.SoftDelete == nil {
		shape[1] = 'h'
	}
	st := c.shapes.get(shape[:], func() *statement { return c.deleteSQL(shape[1] == 'h') })
	return c.execByKey(ctx, db, key, st.sql)
}

func (c *Core) deleteSQL(hard bool) *statement {
	condition := c.keysOnly()
	if hard {
		return &statement{sql: "DELETE FROM " + c.Quoted + " WHERE " + condition}
	}
	return &statement{sql: "UPDATE " + c.Quoted + " SET " + c.softDelete("now()") + " WHERE " + condition + c.notDeleted()}
}

// Restore takes a soft delete back.
func (c *Core) Restore(ctx context.Context, db smrt.DB, key unsafe.Pointer) error {
	if err := c.needWritableKey(ctx, db); err != nil {
		return err
	}
	if c.SoftDelete == nil {
		return &smrt.QueryError{Reason: "Restore needs a table declared with SoftDelete"}
	}
	return c.execByKey(ctx, db, key,
		"UPDATE "+c.Quoted+" SET "+c.softDelete("NULL")+" WHERE "+c.keysOnly()+" AND "+c.SoftDelete.Quoted+" IS NOT NULL")
}

func (c *Core) execByKey(ctx context.Context, db smrt.DB, key unsafe.Pointer, sql string) error {
	if err := c.needWritableKey(ctx, db); err != nil {
		return err
	}
	args, err := c.keyArgs(key)
	if err != nil {
		return err
	}
	tag, err := db.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() == 0 {
		return smrt.ErrNotFound
	}
	return err
}

// Patch assigns columns of the row with the key at key.
func (c *Core) Patch(ctx context.Context, db smrt.DB, key unsafe.Pointer, sets []plan.Set) error {
	if err := c.needWritableKey(ctx, db); err != nil {
		return err
	}
	if len(sets) == 0 {
		return &smrt.QueryError{Reason: "a patch needs at least one assignment"}
	}
	args, err := c.keyArgs(key)
	if err != nil {
		return err
	}
	n, err := c.UpdateWhere(ctx, db, c.withKey(args), sets)
	if err == nil && n == 0 {
		return smrt.ErrNotFound
	}
	return err
}

// UpdateWhere assigns columns of the rows that match.
func (c *Core) UpdateWhere(ctx context.Context, db smrt.DB, s *plan.Spec, sets []plan.Set) (int64, error) {
	if len(sets) == 0 {
		return 0, &smrt.QueryError{Reason: "an update needs at least one assignment"}
	}
	for i := range sets {
		for _, computed := range c.Computed {
			if sets[i].Column == computed {
				return 0, &smrt.QueryError{Reason: "column " + computed.Name + " is computed and cannot be assigned"}
			}
		}
	}
	r := &plan.Request{Verb: plan.Update, Spec: s, Sets: c.withOwn(sets)}
	if err := c.checkSets(ctx, db, r); err != nil {
		return 0, err
	}
	return c.write(ctx, db, r)
}

// checkSets is checkFinite for the values that an update assigns. Before that
// it makes sure that the update may be run at all.
func (c *Core) checkSets(ctx context.Context, db smrt.DB, r *plan.Request) error {
	for i := range r.Sets {
		if s := &r.Sets[i]; meta.NotFinite(s.A) {
			if err := c.writableTable(ctx, db); err != nil {
				return err
			}
			if _, err := c.Build(r); err != nil {
				return c.named(err)
			}
			return c.checkFinite(ctx, db, s.Column)
		}
	}
	return nil
}

// withOwn adds the assignments that the table makes by itself.
func (c *Core) withOwn(sets []plan.Set) []plan.Set {
	own := sets[:len(sets):len(sets)]
	add := func(col *meta.Column, s plan.Set) {
		if col == nil {
			return
		}
		for i := range sets {
			if sets[i].Column == col {
				return
			}
		}
		s.Column = col
		own = append(own, s)
	}
	add(c.UpdatedAt, plan.Set{Op: plan.SetNow})
	add(c.Version, plan.Set{Op: plan.SetAdd, A: int64(1)})
	return own
}

// DeleteWhere deletes the rows that match.
func (c *Core) DeleteWhere(ctx context.Context, db smrt.DB, s *plan.Spec, hard bool) (int64, error) {
	if c.SoftDelete == nil || hard {
		return c.write(ctx, db, &plan.Request{Verb: plan.Delete, Spec: s})
	}
	sets := c.withOwn([]plan.Set{{Op: plan.SetNow, Column: c.SoftDelete}})
	return c.write(ctx, db, &plan.Request{Verb: plan.Update, Spec: s, Sets: sets})
}

func (c *Core) write(ctx context.Context, db smrt.DB, r *plan.Request) (int64, error) {
	if err := c.writableTable(ctx, db); err != nil {
		return 0, err
	}
	st, err := c.Build(r)
	if err != nil {
		return 0, c.named(err)
	}
	if r.Spec.Empty() {
		return 0, nil
	}
	tag, err := db.Exec(ctx, st.SQL, withMode(r.Spec, st.Args)...)
	if spelled := c.spelledSets(ctx, db, err, r); spelled != nil {
		if st, err = c.Build(spelled); err == nil {
			tag, err = db.Exec(ctx, st.SQL, withMode(r.Spec, st.Args)...)
		}
	}
	if err != nil {
		return 0, c.explainSets(ctx, db, err, r)
	}
	return tag.RowsAffected(), nil
}

func (c *Core) explainSets(ctx context.Context, db smrt.DB, err error, r *plan.Request) error {
	var args []any
	var columns []*meta.Column
	for i := range r.Sets {
		if r.Sets[i].Op == plan.SetValue {
			args, columns = append(args, r.Sets[i].A), append(columns, r.Sets[i].Column)
		}
	}
	if e := c.explain(ctx, db, err, args, columns); e != err { //nolint:errorlint // the same value means: nothing found
		return e
	}
	return c.explainSpec(ctx, db, err, r.Spec)
}
