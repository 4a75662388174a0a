package crud

import (
	"context"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// Bulk writes refuse what they can before anything is sent, in this order: a
// table that cannot be written, a zero key, two entities with one key, and
// values that do not fit their columns. PostgreSQL would find the last two only
// after work was done, and pgx would close the connection over a value that it
// cannot encode in a batch.

// UpdateMany writes the whole rows of the n entities at base in one statement.
// It returns how many were written. If some were not, the error names them.
func (b *Bound) UpdateMany(ctx context.Context, base unsafe.Pointer, n int) (count int64, err error) {
	defer b.wrap(ctx, "update", &err)
	defer b.Table.WroteEntities(ctx, b.DB, cached.Update, b.Table.Entities(base, n), &err)
	defer b.Begin(&ctx, "update", table.Work{Does: table.WritesRows, N: n}).End(&err)
	err = b.again(func(on *Bound) (err error) {
		count, err = on.updateMany(ctx, base, n)
		return err
	})
	return count, err
}

func (b *Bound) updateMany(ctx context.Context, base unsafe.Pointer, n int) (count int64, err error) {
	w := bulk{Bound: b, rows: b.Table.Entities(base, n)}
	if err := b.Table.NeedWritableKey(ctx, b.DB); err != nil || n == 0 {
		return 0, err
	}
	if err := limit.Of(ctx).Affected(int64(n)); err != nil {
		return 0, err
	}
	for i := range n {
		if err := b.Table.NeedKeyValue(w.rows.At(i), i); err != nil {
			return 0, err
		}
	}
	filled, err := b.Table.Fill(ctx, w.rows, false)
	if err != nil {
		return 0, err
	}
	defer filled.Undo(&err)
	if err := b.rules.Update(w.rows); err != nil {
		return 0, err
	}
	if err := b.Table.Distinct(w.rows, b.Table.KeyColumns()); err != nil {
		return 0, err
	}
	if w.catalog, err = b.Table.Catalog(ctx, b.DB); err != nil {
		return 0, err
	}
	if err := b.Table.CheckRows(w.catalog, w.rows); err != nil {
		return 0, err
	}
	if err := b.Table.DistinctOnServer(ctx, b.DB, w.catalog, w.rows); err != nil {
		return 0, err
	}
	written := make([]bool, n)
	if err := w.update(ctx, written); err != nil {
		return 0, w.explain(ctx, err)
	}
	return b.tally(ctx, w.rows, written)
}

// update sends the statements, and marks the rows that they wrote. A statement
// for many rows returns the number of each; one for a single row returns the
// row, or only how many there were.
func (w *bulk) update(ctx context.Context, written []bool) error {
	parts, err := w.updates()
	if err != nil {
		return err
	}
	return w.send(ctx, parts, func(i int, r *table.Result, affected int64) error {
		p := &parts[i]
		if r == nil {
			written[p.row(0)] = affected > 0
			return nil
		}
		var ordinal int64
		if p.st.Ordinal {
			r.Ordinal = &ordinal
		}
		r.Some = true
		_, err := r.Read(w.entities(p), func(i int) { written[p.row(i)] = true })
		return err
	})
}

// updates makes the statements. Their rows are in the order of the keys, so that
// two updates of the same rows do not wait for each other in turn.
func (w *bulk) updates() ([]part, error) {
	types, ok := w.Table.ArrayTypes(w.catalog, w.Table.UpdateColumns())
	if !ok {
		return w.oneByOne(w.Table.Statement([]byte{'u'}, w.Table.UpdateStatement), nil)
	}
	st := w.Table.Statement(table.AppendArrayTypes([]byte{'m'}, types), func() *table.Statement { return w.Table.UpdateManyStatement(types) })
	return w.asArrays(st, types, w.rows.Sorted(w.Table.KeyColumns(), nil))
}

// DeleteMany deletes the rows with the n keys at base, softly where that is
// declared, and returns how many there were.
func (b *Bound) DeleteMany(ctx context.Context, base unsafe.Pointer, n int) (count int64, err error) {
	defer b.wrap(ctx, "delete", &err)
	defer b.Table.WroteKeys(ctx, b.DB, b.Table.Deletes(false), b.Table.Keys(base, n), &err)
	defer b.Begin(&ctx, "delete", table.Work{Does: table.WritesRows, N: n}).End(&err)
	err = b.again(func(on *Bound) (err error) {
		count, err = on.deleteMany(ctx, base, n)
		return err
	})
	return count, err
}

func (b *Bound) deleteMany(ctx context.Context, base unsafe.Pointer, n int) (int64, error) {
	keys := b.Table.Keys(base, n)
	if err := b.Table.NeedWritableKey(ctx, b.DB); err != nil || keys.N == 0 {
		return 0, err
	}
	if err := limit.Of(ctx).WrittenKeys(keys.N); err != nil {
		return 0, err
	}
	of, err := b.Table.OwnKeys(ctx, keys, false)
	if err != nil {
		return 0, err
	}
	where, args, err := b.keyList(ctx, keys)
	if err != nil {
		return 0, err
	}
	where += b.Table.AndSeen(b.Table.OfOwner(table.Inputs{}, of, len(args)))
	tag, err := b.DB.Exec(ctx, traced.Pass(b.Table.DeleteSQL(table.Inputs{}, where, false), b.Table.Name, "delete"), of.AppendArg(args)...)
	return tag.RowsAffected(), err
}

// Patch assigns columns of the row with the key at key.
func (b *Bound) Patch(ctx context.Context, key unsafe.Pointer, sets []plan.Set) (err error) {
	defer b.wrap(ctx, "patch", &err)
	defer b.Table.WroteKeys(ctx, b.DB, cached.Update, b.Table.Keys(key, 1), &err)
	defer b.Begin(&ctx, "patch", table.Work{Does: table.WritesRows, N: 1}).End(&err)
	if err := b.Table.NeedWritableKey(ctx, b.DB); err != nil {
		return err
	}
	if err := b.Table.KeepsKey(sets); err != nil {
		return err
	}
	if _, err := b.Table.OwnKeys(ctx, b.Table.Keys(key, 1), true); err != nil {
		return err
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
	w := writtenWhere{Bound: b, does: cached.Update}
	defer w.tell(ctx, &n, &err)
	defer b.Begin(&ctx, "update", table.Work{Does: table.WritesWhere, N: len(sets), Spec: s}).End(&err)
	r, err := b.assigning(ctx, s, sets)
	if err != nil {
		return 0, err
	}
	return b.write(ctx, r, w.returns(ctx, r))
}

// assign runs an update by query, which also sets what the table sets by
// itself. It returns how many rows there were.
func (b *Bound) assign(ctx context.Context, s *plan.Spec, sets []plan.Set) (int64, error) {
	r, err := b.assigning(ctx, s, sets)
	if err != nil {
		return 0, err
	}
	return b.write(ctx, r, nil)
}

// assigning makes an update by query.
func (b *Bound) assigning(ctx context.Context, s *plan.Spec, sets []plan.Set) (*plan.Request, error) {
	if err := b.Table.CheckSets(sets); err != nil {
		return nil, err
	}
	if err := b.rules.Assign(sets); err != nil {
		return nil, err
	}
	r := b.Table.UpdateWhere(s, sets)
	return r, b.Table.CheckFiniteSets(ctx, b.DB, r)
}

// DeleteWhere deletes the rows that match, softly where that is declared unless
// hard is set.
func (b *Bound) DeleteWhere(ctx context.Context, s *plan.Spec, hard bool) (n int64, err error) {
	defer b.wrap(ctx, "delete", &err)
	w := writtenWhere{Bound: b, does: b.Table.Deletes(hard)}
	defer w.tell(ctx, &n, &err)
	defer b.Begin(&ctx, "delete", table.Work{Does: table.WritesWhere, N: 1, Spec: s}).End(&err)
	r := b.Table.DeleteWhere(s, hard)
	return b.write(ctx, r, w.returns(ctx, r))
}

// write runs an update or a delete by query. What comes back goes to read.
func (b *Bound) write(ctx context.Context, r *plan.Request, read func(pgx.Rows) (int, error)) (n int64, err error) {
	err = b.again(func(on *Bound) (err error) {
		n, err = on.writeOnce(ctx, r, read)
		return err
	})
	return n, err
}

// writeOnce runs an update or a delete by query, or a query where writes go. What
// comes back goes to read, which is nil if nothing does. Arguments that pgx cannot
// encode without the types of their columns are sent as literals the second time:
// nothing was sent the first time.
func (b *Bound) writeOnce(ctx context.Context, r *plan.Request, read func(pgx.Rows) (int, error)) (int64, error) {
	if err := b.Table.NeedWritable(ctx, b.DB); err != nil {
		return 0, err
	}
	st, err := b.Table.Build(ctx, r)
	if err != nil {
		return 0, b.Table.Named(err)
	}
	if r.Spec.Empty() {
		return 0, nil
	}
	call := limit.Of(ctx)
	if err := b.Table.Limit(call, r, &st); err != nil {
		return 0, err
	}
	if r.Verb != plan.Select {
		if err := call.Planned(b.DB, st.SQL); err != nil {
			return 0, err
		}
	}
	n, err := b.sendWrite(ctx, st.SQL, withMode(r.Spec, st.Args), read)
	if literals := b.Table.BuildLiterals(ctx, b.DB, err, r); literals != nil {
		_ = b.Table.Limit(call, r, literals)
		n, err = b.sendWrite(ctx, literals.SQL, withMode(r.Spec, literals.Args), read)
	}
	if err != nil {
		return 0, b.Table.ExplainRequest(ctx, b.DB, table.LimitError(call, err), r)
	}
	if r.Verb != plan.Select {
		call.Came(n, int64(max(len(r.Sets), 1)))
		err = call.Undone(n)
	}
	return n, err
}

// UpdateReturning assigns columns of the rows that match, and returns the rows as
// they are then.
func (b *Bound) UpdateReturning(ctx context.Context, s *plan.Spec, sets []plan.Set) (vs table.Slice, err error) {
	defer b.wrap(ctx, "update", &err)
	defer func() { b.wroteReturned(ctx, cached.Update, sets, vs, &err) }()
	defer b.Begin(&ctx, "update", table.Work{Does: table.WritesWhere, N: len(b.Rows.Targets), Spec: s}).End(&err)
	r, err := b.assigning(ctx, s, sets)
	if err != nil {
		return table.Slice{}, err
	}
	return b.returning(ctx, r)
}

// DeleteReturning deletes the rows that match, softly where that is declared, and
// returns them.
func (b *Bound) DeleteReturning(ctx context.Context, s *plan.Spec) (vs table.Slice, err error) {
	defer b.wrap(ctx, "delete", &err)
	defer func() { b.wroteReturned(ctx, b.Table.Deletes(false), nil, vs, &err) }()
	defer b.Begin(&ctx, "delete", table.Work{Does: table.WritesWhere, N: len(b.Rows.Targets), Spec: s}).End(&err)
	return b.returning(ctx, b.Table.DeleteWhere(s, false))
}

// returning runs an update or a delete by query and collects its rows. A run that
// failed has written none, so the next one begins with an empty slice.
func (b *Bound) returning(ctx context.Context, r *plan.Request) (table.Slice, error) {
	var found table.List
	r.List = b.Table.Self.List
	err := b.again(func(on *Bound) error {
		found = table.List{Of: &b.Table.Self.Structs}
		found.Start(0)
		_, err := on.writeOnce(ctx, r, func(rows pgx.Rows) (int, error) {
			return on.each(rows, b.Table.Self.Targets, found.Next)
		})
		return err
	})
	if err != nil {
		return table.Slice{}, err
	}
	return found.Slice, nil
}

// PatchEntity assigns columns of the row of the entity at p, if it still has the
// entity's version, and reads the row back.
func (b *Bound) PatchEntity(ctx context.Context, p unsafe.Pointer, sets []plan.Set) (err error) {
	defer b.wrap(ctx, "patch", &err)
	defer b.Table.WroteEntities(ctx, b.DB, cached.Update, b.Table.Entities(p, 1), &err)
	defer b.Begin(&ctx, "patch", table.Work{Does: table.WritesRows, N: 1}).End(&err)
	if err := b.writableEntity(ctx, p); err != nil {
		return err
	}
	if err := b.Table.CheckWrite(true); err != nil {
		return err
	}
	if err := b.Table.NeedKeyValue(p, -1); err != nil {
		return err
	}
	if err := b.Table.KeepsKey(sets); err != nil {
		return err
	}
	filled, err := b.Table.Fill(ctx, b.Table.Entities(p, 1), true)
	if err != nil {
		return err
	}
	defer filled.Undo(&err)
	s, err := b.Table.CurrentSpec(p)
	if err != nil {
		return err
	}
	r, err := b.assigning(ctx, s, sets)
	if err != nil {
		return err
	}
	r.List = b.Table.Self.List
	return b.again(func(on *Bound) error {
		n, err := on.writeOnce(ctx, r, func(rows pgx.Rows) (int, error) { return on.readInto(ctx, p, rows, false) })
		if err != nil || n > 0 {
			return err
		}
		return on.missingOrStale(ctx, p)
	})
}

// maxObtains is how often a row is looked for and created in turn. It is not there
// and cannot be created if another transaction creates it in between; the next
// look finds it, unless it was deleted again.
const maxObtains = 3

// GetOrCreate reads the row that conflicts with that of the entity at p into the
// entity. If there is none, it creates the entity's. It reports whether it did.
func (b *Bound) GetOrCreate(ctx context.Context, p unsafe.Pointer, conflict *plan.Conflict) (created bool, err error) {
	defer b.wrap(ctx, "get or create", &err)
	defer b.Table.WroteEntities(ctx, b.DB, cached.Create, b.Table.Entities(p, 1), &err)
	defer b.Begin(&ctx, "get or create", table.Work{Does: table.WritesRows, N: 1}).End(&err)
	if conflict != nil && conflict.Shape != "" {
		return false, &smrt.QueryError{Reason: "a row that exists is read and not changed: leave out Set and UpdateIf, or use Upsert"}
	}
	x := conflict.WithNothing()
	if err := b.writableEntity(ctx, p); err != nil {
		return false, err
	}
	if err := (*table.Conflict)(x).Check(b.Table); err != nil {
		return false, err
	}
	if len(x.Update) > 0 {
		return false, &smrt.QueryError{Reason: "a row that exists is read and not changed: leave out Update, or use Upsert"}
	}
	filled, err := b.Table.Fill(ctx, b.Table.Entities(p, 1), true)
	if err != nil {
		return false, err
	}
	defer filled.Undo(&err)
	if err := b.rules.Upsert(b.Table.Entities(p, 1), (*table.Conflict)(x)); err != nil {
		return false, err
	}
	s, err := b.Table.ConflictSpec(p, x)
	if err != nil {
		return false, err
	}
	// As a write, because a standby may not have the row yet.
	r := &plan.Request{Verb: plan.Select, List: b.Table.Self.List, Spec: s}
	for range maxObtains {
		n, o := int64(0), Unchanged
		err := b.again(func(on *Bound) (err error) {
			if n, err = on.writeOnce(ctx, r, func(rows pgx.Rows) (int, error) { return on.readInto(ctx, p, rows, true) }); err == nil && n == 0 {
				o, err = on.upsert(ctx, p, x)
			}
			return err
		})
		if err != nil || n > 0 || o == Inserted {
			return o == Inserted, err
		}
	}
	return false, &smrt.LeftOutError{Table: b.Table.Name, Sent: 1}
}
