package crud

import (
	"context"
	"slices"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// bulk is a write of many rows. Its statements are parts: one for rows that
// travel as arrays, more if these are many or not alike, or one for each row if
// no array can carry the type of a column. All parts are one batch, which is
// one implicit transaction.
type bulk struct {
	*Bound
	rows    table.Rows
	types   map[string]table.ColumnType
	written *table.Written
}

// part is one statement of a bulk write.
type part struct {
	st   *table.Statement
	args []any
	rows []int // that it writes; nil: all of them
}

// row is the entity that row i of the statement belongs to.
func (p *part) row(i int) int {
	if p.rows != nil {
		return p.rows[i]
	}
	return i
}

// size is how many rows the statement writes.
func (w *bulk) size(p *part) int {
	if p.rows == nil {
		return w.rows.N
	}
	return len(p.rows)
}

// asArrays makes the statements for the chosen rows, all if chosen is nil.
func (w *bulk) asArrays(st *table.Statement, types []table.ArrayType, chosen []int) ([]part, error) {
	var parts []part
	for _, chunk := range w.chunks(chosen) {
		args, err := table.Arrays(st.Columns, types, w.rows, chunk)
		if err != nil {
			return nil, w.Table.Named(err)
		}
		parts = append(parts, part{st: st, args: args, rows: chunk})
	}
	return parts, nil
}

// chunks splits the chosen rows by how many a statement may write.
func (w *bulk) chunks(chosen []int) [][]int {
	if chosen == nil && w.rows.N <= table.MaxChunk {
		return [][]int{nil}
	}
	if chosen == nil {
		chosen = upTo(w.rows.N)
	}
	return slices.Collect(slices.Chunk(chosen, table.MaxChunk))
}

// oneByOne makes a statement for each of the chosen rows, all if chosen is nil.
func (w *bulk) oneByOne(st *table.Statement, chosen []int) ([]part, error) {
	if chosen == nil {
		chosen = upTo(w.rows.N)
	}
	parts := make([]part, len(chosen))
	for j, i := range chosen {
		args := make([]any, len(st.Columns))
		for k, col := range st.Columns {
			v, err := col.Arg(w.rows.At(i))
			if err != nil {
				return nil, meta.AtRow(w.Table.Named(err), i)
			}
			args[k] = table.AsLiteral(w.types[col.Name], col, v)
		}
		parts[j] = part{st: st, args: args, rows: chosen[j : j+1]}
	}
	return parts, nil
}

func upTo(n int) []int {
	is := make([]int, n)
	for i := range is {
		is[i] = i
	}
	return is
}

// send runs statements, one by itself, several in one batch, and calls receive
// for each in turn: with its result, or with nil and the rows affected if it
// returns nothing.
func (w *bulk) send(ctx context.Context, parts []part, receive func(int, *table.Result, int64) error) (err error) {
	defer func() {
		w.keepWritten(ctx, w.written, err)
		w.written = nil
	}()
	if len(parts) == 1 {
		return w.receiveOne(parts, 0, receive,
			func() (pgconn.CommandTag, error) { return w.DB.Exec(ctx, parts[0].st.SQL, parts[0].args...) },
			func() (pgx.Rows, error) { return w.DB.Query(ctx, parts[0].st.SQL, parts[0].args...) })
	}
	var batch pgx.Batch
	for _, p := range parts {
		batch.Queue(p.st.SQL, p.args...)
	}
	results := w.DB.SendBatch(ctx, &batch)
	for i := range parts {
		if err := w.receiveOne(parts, i, receive, results.Exec, results.Query); err != nil {
			_ = results.Close() // the first error is the one that counts
			return err
		}
	}
	return results.Close()
}

func (w *bulk) receiveOne(parts []part, i int, receive func(int, *table.Result, int64) error,
	exec func() (pgconn.CommandTag, error), query func() (pgx.Rows, error),
) error {
	st := parts[i].st
	if !st.HasResult() {
		tag, err := exec()
		if err != nil {
			return err
		}
		return receive(i, nil, tag.RowsAffected())
	}
	rs, err := query()
	if err != nil {
		return err
	}
	r := table.Result{Table: w.Table, Rows: rs, Targets: st.Returned, Written: st.Written(w.size(&parts[i]))}
	if r.Written != nil {
		r.Written.Earlier, w.written = w.written, r.Written
	}
	return receive(i, &r, 0)
}

// explain forgets what an error says may have changed, and returns the error
// with the row and column that it is about, as far as that can be found out.
func (w *bulk) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	w.Table.ForgetTypes(err)
	err = w.Table.Violators(ctx, w.DB, err, w.rows)
	return w.Table.ExplainRows(ctx, w.DB, err, w.types, w.rows)
}

// insertion is a bulk write that creates rows.
type insertion struct {
	bulk
	conflict *table.Conflict              // of an upsert, else nil
	outcome  func(row int, inserted bool) // is told of each row of an upsert
}

// InsertMany creates the rows of the n entities at base and reads back what the
// server decided.
func (b *Bound) InsertMany(ctx context.Context, base unsafe.Pointer, n int) (err error) {
	defer b.wrap(ctx, "create", &err)
	w := insertion{bulk: bulk{Bound: b, rows: b.Table.Entities(base, n)}}
	return w.run(ctx)
}

// UpsertMany creates or updates the rows of the n entities at base.
func (b *Bound) UpsertMany(ctx context.Context, base unsafe.Pointer, n int, x *plan.Conflict) (outcomes []Outcome, err error) {
	defer b.wrap(ctx, "upsert", &err)
	outcomes = make([]Outcome, n)
	w := insertion{bulk: bulk{Bound: b, rows: b.Table.Entities(base, n)}, conflict: (*table.Conflict)(x.OrEmpty())}
	w.outcome = func(row int, inserted bool) { outcomes[row] = outcomeOf(inserted) }
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	return outcomes, nil
}

// run creates the rows. It copies them if that is faster and possible. If the
// server could not read what was copied, because the table was altered, they
// are inserted after all; inside a transaction, which is aborted then, the
// first error is the one that is returned.
func (w *insertion) run(ctx context.Context) error {
	if err := w.Table.NeedWritable(ctx, w.DB); err != nil || w.rows.N == 0 {
		return err
	}
	if err := w.checkTargets(); err != nil {
		return err
	}
	groups, err := w.groups()
	if err != nil {
		return err
	}
	copied, err := w.copies(ctx, groups)
	if err != nil {
		return err
	}
	if w.types, err = w.Table.ColumnTypes(ctx, w.DB); err != nil {
		return err
	}
	if err := w.Table.CheckRows(w.types, w.rows); err != nil {
		return err
	}
	if copied {
		err = w.copyIn(ctx)
	}
	if !copied || mistyped(err) {
		if again := w.insert(ctx, groups); !pgerr.IsTxAborted(again) || !copied {
			err = again
		}
	}
	return w.explain(ctx, err)
}

// checkTargets refuses two rows with the same conflict target, which PostgreSQL
// would refuse after work was done. NULLs are never equal.
func (w *insertion) checkTargets() error {
	if w.conflict == nil {
		return nil
	}
	if err := w.conflict.Check(w.Table); err != nil || w.rows.N == 1 || w.conflict.Nothing {
		return err
	}
	return w.Table.Distinct(w.rows, w.conflict.Target)
}

// group is rows of one shape.
type group struct {
	shape []byte
	rows  []int // nil: all rows
}

// groups splits the rows by the shape of their insert. Mostly there is one.
func (w *insertion) groups() ([]group, error) {
	var first, buffer [64]byte
	shape, err := w.Table.InsertShape(first[:0], w.rows.At(0))
	if err != nil {
		return nil, meta.AtRow(err, 0)
	}
	groups := []group{{shape: slices.Clone(shape)}}
	for i := 1; i < w.rows.N; i++ {
		shape, err := w.Table.InsertShape(buffer[:0], w.rows.At(i))
		if err != nil {
			return nil, meta.AtRow(err, i)
		}
		if len(groups) == 1 && groups[0].rows == nil {
			if string(shape) == string(groups[0].shape) {
				continue
			}
			groups[0].rows = upTo(i)
		}
		g := slices.IndexFunc(groups, func(g group) bool { return string(g.shape) == string(shape) })
		if g < 0 {
			groups = append(groups, group{shape: slices.Clone(shape)})
			g = len(groups) - 1
		}
		groups[g].rows = append(groups[g].rows, i)
	}
	return groups, nil
}

// insert sends the statements for the rows of all shapes.
func (w *insertion) insert(ctx context.Context, groups []group) error {
	var parts []part
	for _, g := range groups {
		more, err := w.statements(g)
		if err != nil {
			return err
		}
		parts = append(parts, more...)
	}
	return w.send(ctx, parts, func(i int, r *table.Result, _ int64) error {
		if r == nil {
			return nil
		}
		return w.receive(r, &parts[i])
	})
}

// statements makes the statements for the rows of one shape.
func (w *insertion) statements(g group) ([]part, error) {
	t, columns := w.Table, w.Table.InsertArgs(g.shape)
	types, ok := t.ArrayTypes(w.types, columns)
	if !ok || len(columns) == 0 {
		key := w.conflict.AppendKey(append([]byte{'i'}, g.shape...))
		return w.oneByOne(t.Statement(key, func() *table.Statement { return t.InsertStatement(g.shape, w.conflict) }), g.rows)
	}
	key := w.conflict.AppendKey(table.AppendArrayTypes(append([]byte{'b'}, g.shape...), types))
	return w.asArrays(t.Statement(key, func() *table.Statement { return t.InsertManyStatement(g.shape, types, w.conflict) }), types, g.rows)
}

// receive reads the rows of one statement back into the entities. An insert
// returns them in the order of the arrays; those that an upsert left alone are
// missing among them.
func (w *insertion) receive(r *table.Result, p *part) error {
	if w.conflict == nil {
		_, err := r.Read(func(i int) unsafe.Pointer { return w.rows.At(p.row(i)) })
		return err
	}
	var inserted bool
	r.Head = &inserted
	if w.conflict.Nothing {
		return w.receiveSome(r, p)
	}
	_, err := r.Read(func(i int) unsafe.Pointer {
		w.outcome(p.row(i), inserted)
		return w.rows.At(p.row(i))
	})
	return err
}

// receiveSome matches the rows that were inserted to their entities by the
// columns of the conflict target. Both are in the same order.
func (w *insertion) receiveSome(r *table.Result, p *part) error {
	target, byTarget := w.conflict.Target, map[string]int{}
	for j := w.size(p) - 1; j >= 0; j-- { // the first of several equal ones is the one inserted
		i := p.row(j)
		byTarget[table.TargetKey(target, w.rows.At(i))] = i
	}
	var arrived []unsafe.Pointer
	written := r.Written
	r.Written = nil // the rows go to entities of their own first
	_, err := r.Read(func(int) unsafe.Pointer {
		arrived = append(arrived, w.Table.NewEntity())
		return arrived[len(arrived)-1]
	})
	for _, entity := range arrived {
		if i, ok := byTarget[table.TargetKey(target, entity)]; ok {
			written.Before(w.rows.At(i))
			w.Table.CopyEntity(w.rows.At(i), entity)
			written.After()
			w.outcome(i, true)
		}
	}
	return err
}

// Outcome is what an upsert did with a row.
type Outcome uint8

// The outcomes of an upsert.
const (
	Unchanged Outcome = iota
	Inserted
	Updated
)

func outcomeOf(inserted bool) Outcome {
	if inserted {
		return Inserted
	}
	return Updated
}

// Upsert creates or updates the row of the entity at p.
func (b *Bound) Upsert(ctx context.Context, p unsafe.Pointer, conflict *plan.Conflict) (_ Outcome, err error) {
	defer b.wrap(ctx, "upsert", &err)
	x := (*table.Conflict)(conflict.OrEmpty())
	if err := b.writableEntity(ctx, p); err != nil {
		return Unchanged, err
	}
	if err := x.Check(b.Table); err != nil {
		return Unchanged, err
	}
	if _, err := b.Table.ColumnTypes(ctx, b.DB); err != nil { // the statement depends on whether the table is partitioned
		return Unchanged, err
	}
	var buffer [96]byte
	shape, err := b.Table.InsertShape(append(buffer[:0], 'i'), p)
	if err != nil {
		return Unchanged, err
	}
	columns := len(shape)
	st := b.Table.Statement(x.AppendKey(shape), func() *table.Statement { return b.Table.InsertStatement(shape[1:columns], x) })
	var inserted bool
	n, err := b.run(ctx, st, p, &inserted)
	if err != nil || n == 0 {
		return Unchanged, err
	}
	return outcomeOf(inserted), nil
}
