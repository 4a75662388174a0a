package crud

import (
	"context"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// Insert creates the row of the entity at p and reads back what the server
// decided.
func (b *Bound) Insert(ctx context.Context, p unsafe.Pointer) (err error) {
	defer b.wrap(ctx, "create", &err)
	defer b.Table.WroteEntities(ctx, b.DB, cached.Create, b.Table.Entities(p, 1), &err)
	defer b.Begin(&ctx, "create", table.Work{Does: table.WritesRows, N: 1}).End(&err)
	return b.again(func(on *Bound) error { return on.insert(ctx, p) })
}

func (b *Bound) insert(ctx context.Context, p unsafe.Pointer) (err error) {
	if err := b.writableEntity(ctx, p); err != nil {
		return err
	}
	filled, err := b.Table.Fill(ctx, b.Table.Entities(p, 1), true)
	if err != nil {
		return err
	}
	defer filled.Undo(&err)
	if err := b.rules.Create(b.Table.Entities(p, 1)); err != nil {
		return err
	}
	var buffer [64]byte
	shape, err := b.Table.InsertShape(append(buffer[:0], 'i'), p)
	if err != nil {
		return err
	}
	st := b.Table.Statement(shape, func() *table.Statement { return b.Table.InsertStatement(shape[1:], nil, nil) })
	n, err := b.run(ctx, st, p, nil)
	if err == nil && n != 1 {
		err = &smrt.LeftOutError{Table: b.Table.Name, Sent: 1, Written: int(n)}
	}
	return err
}

func (b *Bound) writableEntity(ctx context.Context, p unsafe.Pointer) error {
	if err := b.Table.NeedWritable(ctx, b.DB); err != nil {
		return err
	}
	if p == nil {
		return smrt.ErrNilEntity
	}
	return nil
}

// run sends a write of the entity at p and reads back into it. It returns the
// rows affected. With head, the first column of the result goes there.
func (b *Bound) run(ctx context.Context, st *table.Statement, p unsafe.Pointer, head *bool) (int64, error) {
	args, err := b.arguments(ctx, st.Columns, p)
	if err != nil {
		return 0, err
	}
	if len(st.Returned) == 0 && head == nil {
		tag, err := b.DB.Exec(ctx, st.SQL, args...)
		if literals := b.Table.AsLiterals(ctx, b.DB, err, args, st.Columns); literals != nil {
			tag, err = b.DB.Exec(ctx, st.SQL, literals...)
		}
		if err != nil {
			return 0, b.Table.Explain(ctx, b.DB, err, args, st.Columns)
		}
		return tag.RowsAffected(), nil
	}
	rows, err := b.DB.Query(ctx, st.SQL, args...)
	if literals := b.Table.AsLiterals(ctx, b.DB, err, args, st.Columns); literals != nil {
		rows, err = b.DB.Query(ctx, st.SQL, literals...)
	}
	if err != nil {
		return 0, b.Table.Explain(ctx, b.DB, err, args, st.Columns)
	}
	r := table.Result{Table: b.Table, Rows: rows, Statement: st, Head: head, Some: true, Written: b.Table.Written(st)}
	n, err := r.Read(table.Entities{Rows: b.Table.Entities(p, 1)}, nil)
	b.keepWritten(ctx, r.Written, err)
	if err != nil {
		return 0, b.Table.Explain(ctx, b.DB, err, args, st.Columns)
	}
	return int64(n), nil
}

// arguments are the columns of the entity at p.
func (b *Bound) arguments(ctx context.Context, columns []*meta.Column, p unsafe.Pointer) ([]any, error) {
	args := make([]any, len(columns))
	for i, col := range columns {
		v, err := col.Arg(p)
		if err != nil {
			return nil, b.Table.Named(err)
		}
		if col.NotFinite(p) {
			if err := b.Table.CheckFinite(ctx, b.DB, col); err != nil {
				return nil, err
			}
		}
		args[i] = v
	}
	return args, nil
}

// Outcome is what an upsert did with a row.
type Outcome uint8

// The outcomes of an upsert.
const (
	Unchanged Outcome = iota
	Inserted
	Updated
	LeftOut
)

func outcomeOf(inserted bool) Outcome {
	if inserted {
		return Inserted
	}
	return Updated
}

// Upsert creates or updates the row of the entity at p.
func (b *Bound) Upsert(ctx context.Context, p unsafe.Pointer, conflict *plan.Conflict) (o Outcome, err error) {
	defer b.wrap(ctx, "upsert", &err)
	defer b.Table.WroteConflict(ctx, b.DB, b.Table.Entities(p, 1), conflict, &err)
	defer b.Begin(&ctx, "upsert", table.Work{Does: table.WritesRows, N: 1}).End(&err)
	err = b.again(func(on *Bound) (err error) {
		o, err = on.upsert(ctx, p, conflict)
		return err
	})
	return o, err
}

func (b *Bound) upsert(ctx context.Context, p unsafe.Pointer, conflict *plan.Conflict) (o Outcome, err error) {
	x := (*table.Conflict)(conflict.OrEmpty())
	if err := b.writableEntity(ctx, p); err != nil {
		return Unchanged, err
	}
	if err := x.Check(b.Table); err != nil {
		return Unchanged, err
	}
	filled, err := b.Table.Fill(ctx, b.Table.Entities(p, 1), true)
	if err != nil {
		return Unchanged, err
	}
	defer filled.Undo(&err)
	if err := b.rules.Upsert(b.Table.Entities(p, 1), x); err != nil {
		return Unchanged, err
	}
	c, err := b.Table.Catalog(ctx, b.DB)
	if err != nil {
		return Unchanged, err
	}
	var buffer [96]byte
	shape, err := b.Table.InsertShape(append(buffer[:0], 'i'), p)
	if err != nil {
		return Unchanged, err
	}
	columns := len(shape)
	x.LeaveKey(b.Table, c, shape[1:])
	st := b.Table.Statement(b.Table.AppendCatalog(x.AppendKey(shape), x, c), func() *table.Statement { return b.Table.InsertStatement(shape[1:columns], x, c) })
	if st.Err != nil {
		return Unchanged, st.Err
	}
	var inserted bool
	n, err := b.run(ctx, st, p, &inserted)
	if st.Guard {
		err = b.Table.GuardError(err, 1)
	}
	switch {
	case err != nil:
		return Unchanged, err
	case n == 1:
		return outcomeOf(inserted), nil
	case x.MayLeave():
		return Unchanged, nil
	case b.Table.MayLeaveOut:
		return LeftOut, nil
	}
	return Unchanged, &smrt.LeftOutError{Table: b.Table.Name, Sent: 1, Written: int(n)}
}

// Update writes the whole row of the entity at p.
func (b *Bound) Update(ctx context.Context, p unsafe.Pointer) (err error) {
	defer b.wrap(ctx, "update", &err)
	defer b.Table.WroteEntities(ctx, b.DB, cached.Update, b.Table.Entities(p, 1), &err)
	defer b.Begin(&ctx, "update", table.Work{Does: table.WritesRows, N: 1}).End(&err)
	return b.again(func(on *Bound) error { return on.update(ctx, p) })
}

func (b *Bound) update(ctx context.Context, p unsafe.Pointer) (err error) {
	if err := b.writableEntity(ctx, p); err != nil {
		return err
	}
	if err := b.Table.CheckWrite(true); err != nil {
		return err
	}
	if err := b.Table.NeedKeyValue(p, -1); err != nil {
		return err
	}
	filled, err := b.Table.Fill(ctx, b.Table.Entities(p, 1), true)
	if err != nil {
		return err
	}
	defer filled.Undo(&err)
	if err := b.rules.Update(b.Table.Entities(p, 1)); err != nil {
		return err
	}
	st := b.Table.Statement([]byte{'u'}, b.Table.UpdateStatement)
	n, err := b.run(ctx, st, p, nil)
	if err != nil || n > 0 {
		return err
	}
	return b.missingOrStale(ctx, p)
}

// missingOrStale returns why an update wrote no row.
func (b *Bound) missingOrStale(ctx context.Context, p unsafe.Pointer) error {
	if b.Table.Version == nil {
		return smrt.ErrNotFound
	}
	args := make([]any, len(b.Table.Key))
	for i, k := range b.Table.Key {
		args[i], _ = k.Column.Arg(p) // passed before
	}
	of, err := b.Table.Owner(ctx)
	if err != nil {
		return err
	}
	var exists bool
	sql := "SELECT EXISTS (SELECT 1 FROM " + b.Table.Quoted + " WHERE " + b.Table.WhereKey(b.Table.OneKey(of), true) + ")"
	err = b.DB.QueryRow(ctx, traced.Pass(sql, b.Table.Name, "exists"), of.AppendArg(args)...).Scan(&exists)
	switch {
	case err != nil:
		return err
	case exists:
		return &smrt.StaleError{Table: b.Table.Name, Have: b.Table.Version.Int(p)}
	}
	return smrt.ErrNotFound
}

// readInto reads the row that a statement returned into the entity at p. If it must
// be the only one, the error of several is smrt.ErrTooManyRows.
func (b *Bound) readInto(ctx context.Context, p unsafe.Pointer, rows pgx.Rows, only bool) (int, error) {
	st := b.Table.Statement([]byte{'p'}, func() *table.Statement { return &table.Statement{Returned: meta.TargetsOf(b.Table.Struct.Columns, 0)} })
	r := table.Result{Table: b.Table, Rows: rows, Statement: st, Some: true, Written: b.Table.Written(st)}
	n, err := r.Read(table.Entities{Rows: b.Table.Entities(p, 1)}, nil)
	if err == nil && n > 1 && only {
		err = smrt.ErrTooManyRows
	}
	b.keepWritten(ctx, r.Written, err)
	return n, err
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

// execByKey runs a statement whose arguments are the key at key, and the tenant if
// one is bound. It must write a row.
func (b *Bound) execByKey(ctx context.Context, key unsafe.Pointer, of plan.Owner, sql string) error {
	if err := b.Table.NeedWritableKey(ctx, b.DB); err != nil {
		return err
	}
	args, err := b.Table.KeyArgs(key)
	if err != nil {
		return err
	}
	tag, err := b.DB.Exec(ctx, sql, of.AppendArg(args)...)
	if err == nil && tag.RowsAffected() == 0 {
		return smrt.ErrNotFound
	}
	return err
}

// Delete deletes the row with the key at key.
func (b *Bound) Delete(ctx context.Context, key unsafe.Pointer, hard bool) (err error) {
	defer b.wrap(ctx, "delete", &err)
	defer b.Table.WroteKeys(ctx, b.DB, b.Table.Deletes(hard), b.Table.Keys(key, 1), &err)
	defer b.Begin(&ctx, "delete", table.Work{Does: table.WritesRows, N: 1}).End(&err)
	of, err := b.Table.OwnKeys(ctx, b.Table.Keys(key, 1), true)
	if err != nil {
		return err
	}
	shape := [3]byte{'k'}
	if hard || b.Table.SoftDelete == nil {
		shape[1] = 'h'
	}
	st := b.Table.Statement(of.AppendKey(shape[:2]), func() *table.Statement { return b.Table.DeleteStatement(of, shape[1] == 'h') })
	return b.again(func(on *Bound) error { return on.execByKey(ctx, key, of, st.SQL) })
}

// Restore undoes the soft delete of the row with the key at key.
func (b *Bound) Restore(ctx context.Context, key unsafe.Pointer) (err error) {
	defer b.wrap(ctx, "restore", &err)
	defer b.Table.WroteKeys(ctx, b.DB, cached.Update, b.Table.Keys(key, 1), &err)
	defer b.Begin(&ctx, "restore", table.Work{Does: table.WritesRows, N: 1}).End(&err)
	if err := b.Table.NeedWritableKey(ctx, b.DB); err != nil {
		return err
	}
	if b.Table.SoftDelete == nil {
		return &smrt.QueryError{Reason: "Restore needs a table declared with SoftDelete"}
	}
	of, err := b.Table.OwnKeys(ctx, b.Table.Keys(key, 1), true)
	if err != nil {
		return err
	}
	st := b.Table.Statement(of.AppendKey([]byte{'r'}), func() *table.Statement { return b.Table.RestoreStatement(of) })
	return b.again(func(on *Bound) error { return on.execByKey(ctx, key, of, st.SQL) })
}

// writtenWhere is an update or a delete by query, and the keys of its rows if a cache
// wants them. Its statement returns them then; that of a table that no cache keeps is
// the same as without caches.
type writtenWhere struct {
	*Bound
	does cached.Event
	keys []cached.Key // of all rows; nil if they are not known
}

// returns lets the statement return the keys, if a cache wants them, and returns what
// reads them, which is nil if none does.
func (w *writtenWhere) returns(ctx context.Context, r *plan.Request) func(pgx.Rows) (int, error) {
	if !w.Table.ReturnsKeys(ctx, w.DB, w.does, r.Sets) {
		return nil
	}
	r.List = meta.List(w.Table.KeyColumns())
	return w.read
}

// read reads as many keys as caches are told one by one. The statement has run, whatever
// comes of that: a key that does not fit its field is no error of the caller's.
func (w *writtenWhere) read(rows pgx.Rows) (int, error) {
	defer rows.Close()
	w.keys = nil
	columns, p := w.Table.KeyColumns(), w.Table.Self.One()
	var d meta.Decoder
	known := true
	for n := 0; known && rows.Next(); n++ {
		if n == 0 {
			d.Init(w.Table.Name, meta.TargetsOf(columns, 0), rows, false)
		}
		if known = n < cached.MaxKeys && d.Row(rows, p) == nil; known {
			w.keys = append(w.keys, table.CacheKey(columns, p))
		}
	}
	rows.Close() // of more rows than that nothing is read
	n := rows.CommandTag().RowsAffected()
	if n != int64(len(w.keys)) {
		w.keys = nil
	}
	return int(n), rows.Err()
}

// tell tells caches what was written.
func (w *writtenWhere) tell(ctx context.Context, n *int64, err *error) {
	if w.keys == nil || *err != nil {
		w.Table.WroteWhere(ctx, w.DB, w.does, n, err)
		return
	}
	cached.Tell(ctx, w.DB, nil, cached.Change{Table: w.Table.Name, Decl: w.Table.Table, Does: w.does, Keys: w.keys})
}

// wroteReturned tells caches of an update or a delete by query that returned its rows.
func (b *Bound) wroteReturned(ctx context.Context, does cached.Event, sets []plan.Set, vs table.Slice, err *error) {
	rows := b.Table.Self.Structs.Rows(vs)
	if n := int64(rows.N); *err != nil || n == 0 || b.Table.AssignsKey(sets) {
		b.Table.WroteWhere(ctx, b.DB, does, &n, err)
		return
	}
	b.Table.WroteEntities(ctx, b.DB, does, rows, err)
}
