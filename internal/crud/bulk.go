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

// group is rows of one shape.
type group struct {
	shape []byte
	rows  []int // nil: all rows
}

// groupRows splits rows by the shape of their insert. Mostly there is one.
func (b *Bound) groupRows(rows table.Rows) ([]group, error) {
	var first, buffer [64]byte
	shape, err := b.Table.InsertShape(first[:0], rows.At(0))
	if err != nil {
		return nil, meta.AtRow(err, 0)
	}
	groups := []group{{shape: slices.Clone(shape)}}
	for i := 1; i < rows.N; i++ {
		shape, err := b.Table.InsertShape(buffer[:0], rows.At(i))
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

func upTo(n int) []int {
	is := make([]int, n)
	for i := range is {
		is[i] = i
	}
	return is
}

// part is one statement of a bulk write: which rows it carries.
type part struct {
	st   *table.Statement
	args []any
	rows []int // nil: all of them
}

// row is the entity that row i of the statement belongs to.
func (p *part) row(i int) int {
	if p.rows != nil {
		return p.rows[i]
	}
	return i
}

// InsertMany creates the rows of the n entities at base and reads back what the
// server decided.
func (b *Bound) InsertMany(ctx context.Context, base unsafe.Pointer, n int) (err error) {
	defer b.wrap(ctx, "create", &err)
	return b.insertMany(ctx, b.Table.Entities(base, n), nil, nil)
}

// UpsertMany creates or updates the rows of the n entities at base.
func (b *Bound) UpsertMany(ctx context.Context, base unsafe.Pointer, n int, x *plan.Conflict) (outcomes []Outcome, err error) {
	defer b.wrap(ctx, "upsert", &err)
	told := make([]Outcome, n)
	err = b.insertMany(ctx, b.Table.Entities(base, n), (*table.Conflict)(x.OrEmpty()), func(i int, inserted bool) { told[i] = outcomeOf(inserted) })
	if err != nil {
		return nil, err
	}
	return told, nil
}

// insertMany creates the rows of all entities and reads back what the server
// decided. With x it is an upsert, and outcome is told of each row.
func (b *Bound) insertMany(ctx context.Context, rows table.Rows, x *table.Conflict, outcome func(i int, inserted bool)) error {
	if err := b.Table.NeedWritable(ctx, b.DB); err != nil || rows.N == 0 {
		return err
	}
	if x != nil {
		if err := b.checkUpsert(rows, x); err != nil {
			return err
		}
	}
	groups, err := b.groupRows(rows)
	if err != nil {
		return err
	}
	if err := b.Table.CheckAllFinite(ctx, b.DB, rows); err != nil {
		return err
	}
	copied := false
	if x == nil {
		if copied, err = b.copies(ctx, groups, rows.N); err != nil {
			return err
		}
	}
	types, err := b.Table.ColumnTypes(ctx, b.DB)
	if err != nil {
		return err
	}
	if err := b.Table.CheckAllFit(types, rows); err != nil {
		return err
	}
	if copied {
		err = b.copyIn(ctx, rows)
	}
	if !copied || mistyped(err) {
		if again := b.insertGroups(ctx, types, rows, groups, x, outcome); !pgerr.IsTxAborted(again) || !copied {
			err = again
		}
	}
	if err != nil {
		b.Table.ForgetTypes(err)
		return b.Table.ExplainRows(err, types, rows)
	}
	return nil
}

// insertGroups sends the statements for the rows of all shapes.
func (b *Bound) insertGroups(ctx context.Context, types map[string]table.ColumnType, rows table.Rows, groups []group,
	x *table.Conflict, outcome func(int, bool),
) error {
	var parts []part
	for _, g := range groups {
		more, err := b.insertGroup(types, rows, g, x)
		if err != nil {
			return b.Table.Named(err)
		}
		parts = append(parts, more...)
	}
	return b.send(ctx, rows, parts, x, outcome)
}

// insertGroup makes the statements for the rows of one shape.
func (b *Bound) insertGroup(types map[string]table.ColumnType, rows table.Rows, g group, x *table.Conflict) ([]part, error) {
	ip := b.Table.InsertParts(g.shape)
	ks, ok := b.Table.ArrayTypes(types, ip.Args)
	if !ok || len(ip.Args) == 0 {
		return b.insertSingly(types, rows, g, x)
	}
	// The carriers depend on the types, so they are part of the shape.
	shape := append([]byte{'b'}, g.shape...)
	for _, k := range ks {
		shape = append(append(shape, k.Param...), k.Cast...)
	}
	if x != nil {
		shape = x.Shape(append(shape, 'x'))
	}
	st := b.Table.Statement(shape, func() *table.Statement { return b.Table.InsertManyStatement(ip, ks, x) })
	var parts []part
	for _, chosen := range chunks(rows.N, g.rows) {
		args, err := table.Arrays(st.Columns, ks, rows, chosen)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{st: st, args: args, rows: chosen})
	}
	return parts, nil
}

// insertSingly is for tables with a column whose type no array can carry.
func (b *Bound) insertSingly(types map[string]table.ColumnType, rows table.Rows, g group, x *table.Conflict) ([]part, error) {
	shape := append([]byte{'i'}, g.shape...)
	if x != nil {
		shape = x.Shape(append(shape, 'x'))
	}
	st := b.Table.Statement(shape, func() *table.Statement { return b.Table.InsertStatement(g.shape, x) })
	chosen := g.rows
	if chosen == nil {
		chosen = upTo(rows.N)
	}
	parts := make([]part, len(chosen))
	for j, i := range chosen {
		args := make([]any, len(st.Columns))
		for k, col := range st.Columns {
			v, err := col.Arg(rows.At(i))
			if err != nil {
				return nil, meta.AtRow(err, i)
			}
			args[k] = table.AsLiteral(types[col.Name], col, v)
		}
		parts[j] = part{st: st, args: args, rows: chosen[j : j+1]}
	}
	return parts, nil
}

// chunks splits the chosen rows, all n if nil.
func chunks(n int, chosen []int) [][]int {
	if chosen == nil && n <= table.MaxChunk {
		return [][]int{nil}
	}
	if chosen == nil {
		chosen = upTo(n)
	}
	return slices.Collect(slices.Chunk(chosen, table.MaxChunk))
}

// send runs the statements of an insert.
func (b *Bound) send(ctx context.Context, rows table.Rows, parts []part, x *table.Conflict, outcome func(int, bool)) error {
	return b.sendEach(ctx, parts, func(i int, r *table.Result, _ int64) error {
		if r == nil {
			return nil
		}
		return b.receive(r.Rows, rows, parts[i], x, outcome)
	})
}

// sendEach runs statements, one by itself, several in one batch, and calls
// receive for each in turn: with its result, or with nil and the rows affected
// if it returns nothing.
func (b *Bound) sendEach(ctx context.Context, parts []part, receive func(int, *table.Result, int64) error) error {
	if len(parts) == 1 {
		return b.receiveOne(parts, 0, receive,
			func() (pgconn.CommandTag, error) { return b.DB.Exec(ctx, parts[0].st.SQL, parts[0].args...) },
			func() (pgx.Rows, error) { return b.DB.Query(ctx, parts[0].st.SQL, parts[0].args...) })
	}
	var batch pgx.Batch
	for _, p := range parts {
		batch.Queue(p.st.SQL, p.args...)
	}
	results := b.DB.SendBatch(ctx, &batch)
	for i := range parts {
		if err := b.receiveOne(parts, i, receive, results.Exec, results.Query); err != nil {
			_ = results.Close() // the first error is the one that counts
			return err
		}
	}
	return results.Close()
}

func (b *Bound) receiveOne(parts []part, i int, receive func(int, *table.Result, int64) error,
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
	return receive(i, &table.Result{Table: b.Table, Rows: rs, Targets: st.Returned}, 0)
}

// receive reads the rows of one statement back into the entities. An insert
// returns them in the order of the arrays; those that an upsert left alone are
// missing among them.
func (b *Bound) receive(rs pgx.Rows, rows table.Rows, p part, x *table.Conflict, outcome func(int, bool)) error {
	if x == nil {
		r := table.Result{Table: b.Table, Rows: rs, Targets: p.st.Returned}
		_, err := r.Read(func(i int) unsafe.Pointer { return rows.At(p.row(i)) })
		return err
	}
	if x.Nothing {
		return b.receiveSome(rs, rows, p, x, outcome)
	}
	var inserted bool
	r := table.Result{Table: b.Table, Rows: rs, Targets: p.st.Returned, Head: &inserted}
	_, err := r.Read(func(i int) unsafe.Pointer {
		outcome(p.row(i), inserted)
		return rows.At(p.row(i))
	})
	return err
}

// receiveSome matches the rows that were inserted to their entities by the
// columns of the conflict target. Both are in the same order.
func (b *Bound) receiveSome(rs pgx.Rows, rows table.Rows, p part, x *table.Conflict, outcome func(int, bool)) error {
	byTarget := map[string]int{}
	count := len(p.rows)
	if p.rows == nil {
		count = rows.N
	}
	for j := count - 1; j >= 0; j-- { // the first of several equal ones is the one inserted
		i := p.row(j)
		byTarget[table.TargetKey(x.Target, rows.At(i))] = i
	}
	var inserted bool
	var arrived []unsafe.Pointer
	r := table.Result{Table: b.Table, Rows: rs, Targets: p.st.Returned, Head: &inserted}
	_, err := r.Read(func(int) unsafe.Pointer {
		arrived = append(arrived, b.Table.NewEntity())
		return arrived[len(arrived)-1]
	})
	for _, entity := range arrived {
		if i, ok := byTarget[table.TargetKey(x.Target, entity)]; ok {
			b.Table.CopyEntity(rows.At(i), entity)
			outcome(i, true)
		}
	}
	return err
}

// checkUpsert refuses two rows with the same conflict target, which PostgreSQL
// would refuse after work was done. NULLs are never equal.
func (b *Bound) checkUpsert(rows table.Rows, x *table.Conflict) error {
	if err := x.Check(b.Table); err != nil || rows.N == 1 || x.Nothing {
		return err
	}
	return b.Table.Distinct(rows, x.Target)
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
	shape = x.Shape(append(shape, 'x'))
	st := b.Table.Statement(shape, func() *table.Statement { return b.Table.InsertStatement(shape[1:columns], x) })
	var inserted bool
	n, err := b.run(ctx, st, p, &inserted)
	if err != nil || n == 0 {
		return Unchanged, err
	}
	return outcomeOf(inserted), nil
}
