package crud

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// insertion is a bulk write that creates rows.
type insertion struct {
	bulk
	conflict  *table.Conflict              // of an upsert, else nil
	outcome   func(row int, inserted bool) // is told of each row of an upsert
	unordered bool                         // rows come back in any order
	missing   []int                        // rows that were left out where that may be
}

// InsertMany creates the rows of the n entities at base and reads back what the
// server decided.
func (b *Bound) InsertMany(ctx context.Context, base unsafe.Pointer, n int) (err error) {
	defer b.wrap(ctx, "create", &err)
	defer b.Table.WroteEntities(ctx, b.DB, cached.Create, b.Table.Entities(base, n), &err)
	defer b.Begin(&ctx, "create", table.Work{Does: table.WritesRows, N: n}).End(&err)
	w := insertion{bulk: bulk{rows: b.Table.Entities(base, n)}}
	if err := w.insertOn(ctx, b); err != nil || len(w.missing) == 0 {
		return err
	}
	slices.Sort(w.missing)
	return &smrt.IncompleteError{Table: b.Table.Name, Rows: w.missing, Err: smrt.ErrLeftOut}
}

// UpsertMany creates or updates the rows of the n entities at base.
func (b *Bound) UpsertMany(ctx context.Context, base unsafe.Pointer, n int, x *plan.Conflict) (outcomes []Outcome, err error) {
	defer b.wrap(ctx, "upsert", &err)
	defer b.Table.WroteConflict(ctx, b.DB, b.Table.Entities(base, n), x, &err)
	defer b.Begin(&ctx, "upsert", table.Work{Does: table.WritesRows, N: n}).End(&err)
	outcomes = make([]Outcome, n)
	w := insertion{bulk: bulk{rows: b.Table.Entities(base, n)}, conflict: (*table.Conflict)(x.OrEmpty())}
	w.outcome = func(row int, inserted bool) { outcomes[row] = outcomeOf(inserted) }
	if err := w.insertOn(ctx, b); err != nil {
		return nil, err
	}
	for _, row := range w.missing {
		outcomes[row] = LeftOut
	}
	return outcomes, nil
}

// insertOn creates the rows on the handle of b, or on one that uses nothing
// prepared.
func (w *insertion) insertOn(ctx context.Context, b *Bound) error {
	return b.again(func(on *Bound) error {
		w.Bound, w.missing = on, nil
		return w.run(ctx)
	})
}

// run creates the rows. It copies them if that is faster and possible. If the
// server could not read what was copied, because the table was altered, they
// are inserted after all; inside a transaction, which is aborted then, the
// first error is the one that is returned.
func (w *insertion) run(ctx context.Context) (err error) {
	if err := w.Table.NeedWritable(ctx, w.DB); err != nil || w.rows.N == 0 {
		return err
	}
	if err := limit.Of(ctx).Affected(int64(w.rows.N)); err != nil {
		return err
	}
	if w.conflict != nil {
		if err := w.conflict.Check(w.Table); err != nil {
			return err
		}
	}
	filled, err := w.Table.Fill(ctx, w.rows, false)
	if err != nil {
		return err
	}
	defer filled.Undo(&err)
	if err := w.checkRules(); err != nil {
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
	if w.catalog, err = w.Table.Catalog(ctx, w.DB); err != nil {
		return err
	}
	if err := w.Table.CheckRows(w.catalog, w.rows); err != nil {
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
	if w.Table.Guards(w.conflict, w.catalog) {
		err = w.Table.GuardError(err, w.rows.N)
	}
	return w.explain(ctx, err)
}

// checkRules refuses rows that break rules of the table. They depend on the
// conflict, which was checked before.
func (w *insertion) checkRules() error {
	if w.conflict == nil {
		return w.rules.Create(w.rows)
	}
	return w.rules.Upsert(w.rows, w.conflict)
}

// checkTargets refuses two rows with the same conflict target, which PostgreSQL
// would refuse after work was done. NULLs are never equal.
func (w *insertion) checkTargets() error {
	if w.conflict == nil || w.rows.N == 1 || w.conflict.Nothing {
		return nil
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
			groups[0].rows = table.UpTo(i)
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
	w.unordered = !handle.KeepsOrder(w.DB)
	var parts []part
	for _, g := range groups {
		more, err := w.statements(g)
		if err != nil {
			return err
		}
		parts = append(parts, more...)
	}
	return w.send(ctx, parts, func(i int, r *table.Result, affected int64) error { return w.receive(&parts[i], r, affected) })
}

// statements makes the statements for the rows of one shape.
func (w *insertion) statements(g group) ([]part, error) {
	t, x, c := w.Table, w.conflict, w.catalog
	if x != nil {
		x.LeaveKey(t, c, g.shape)
	}
	columns := t.InsertArgs(g.shape)
	types, ok := t.ArrayTypes(c, columns)
	if ok && len(columns) > 0 {
		key := t.AppendCatalog(x.AppendKey(table.AppendArrayTypes(append([]byte{'b'}, g.shape...), types)), x, c)
		st := t.Statement(key, func() *table.Statement { return t.InsertManyStatement(g.shape, types, x, c) })
		if st.Err != nil {
			return nil, st.Err
		}
		if !w.apart(st) {
			return w.asArrays(st, types, w.ordered(g.rows))
		}
	}
	key := t.AppendCatalog(x.AppendKey(append([]byte{'i'}, g.shape...)), x, c)
	st := t.Statement(key, func() *table.Statement { return t.InsertStatement(g.shape, x, c) })
	if st.Err != nil {
		return nil, st.Err
	}
	return w.oneByOne(st, g.rows)
}

// apart reports whether each row needs a statement of its own, because it could
// not be told which entity a row of the result belongs to.
func (w *insertion) apart(st *table.Statement) bool {
	switch {
	case w.Table.MayLeaveOut:
		return true
	case w.conflict != nil && w.conflict.MayLeave():
		return w.catalog.Guardable || !w.Table.Exact(st.Match, w.catalog, w.rows) || !w.conflict.Recognised(w.catalog)
	case w.unordered && len(st.Returned) > 0 && !w.ranked(st):
		return !w.Table.Exact(st.Match, w.catalog, w.rows)
	}
	return false
}

// ranked reports whether a sequence makes the keys of the rows that st creates,
// in their order.
func (w *insertion) ranked(st *table.Statement) bool {
	return w.conflict == nil && len(st.Returned) > 0 && w.Table.Ranked(w.catalog, st.Columns)
}

// ordered returns the chosen rows of an upsert in the order of their targets: two
// upserts of the same rows then lock them in the same order, and do not wait for
// each other in turn. Other rows stay in the order of the call.
func (w *insertion) ordered(chosen []int) []int {
	if w.conflict == nil {
		return chosen
	}
	return w.rows.Sorted(w.conflict.Target, chosen)
}

// receive reads the result of one statement back into its entities.
func (w *insertion) receive(p *part, r *table.Result, affected int64) error {
	of := w.entities(p)
	if r == nil {
		if p.st.Guard || affected == int64(of.Len()) {
			return nil
		}
		return w.leftOut(p, &smrt.LeftOutError{Table: w.Table.Name, Sent: of.Len(), Written: int(affected)})
	}
	r.Unordered = w.unordered
	if w.conflict == nil {
		_, err := r.Read(of, nil)
		if err == nil && w.ranked(p.st) {
			w.Table.ByRank(of, p.st.Returned)
		}
		return w.leftOut(p, err)
	}
	var inserted bool
	r.Head, r.Some = &inserted, w.conflict.MayLeave()
	_, err := r.Read(of, func(i int) { w.outcome(p.row(i), inserted) })
	return w.leftOut(p, err)
}

// leftOut returns err, unless it says that a row was left out of a table that may
// leave out rows: then the row is remembered.
func (w *insertion) leftOut(p *part, err error) error {
	if w.Table.MayLeaveOut && errors.Is(err, smrt.ErrLeftOut) {
		w.missing = append(w.missing, p.row(0))
		return nil
	}
	return err
}

// leastCopied is the number of rows from which they are sent by COPY, if none
// of their columns comes back. It is never slower then, and up to three times
// as fast; ARCHITECTURE.md has the figures. Below, the statements around the
// COPY make it slower for narrow tables.
const leastCopied = 10_000

// copied are the types of columns to which a COPY can carry values of a kind.
// They are those for which pgx refuses no value that was checked here: it would
// do so amid the COPY, and the server's answer to that says nothing of a value.
var copied = map[meta.Kind][]uint32{
	meta.KindBool:    {pgtype.BoolOID},
	meta.KindInt16:   {pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID},
	meta.KindInt32:   {pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID},
	meta.KindInt64:   {pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID},
	meta.KindFloat32: {pgtype.Float4OID, pgtype.Float8OID},
	meta.KindFloat64: {pgtype.Float8OID},
	meta.KindString:  {pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID},
	meta.KindBytes:   {pgtype.ByteaOID},
	meta.KindTime:    {pgtype.TimestamptzOID},
	meta.KindUUID:    {pgtype.UUIDOID},
	meta.KindJSON:    {pgtype.JSONOID, pgtype.JSONBOID},
	meta.KindStrings: {pgtype.TextArrayOID, pgtype.VarcharArrayOID},
}

// copies reports whether rows of one shape can be inserted by COPY: there are
// enough of them, the server decides nothing that must come back, and the table
// takes from a COPY exactly what it takes from an INSERT.
//
// The catalog is asked each time: a table could have got a policy or a rule,
// and a declaration serves several databases. Compared with the rows it costs
// nothing.
func (w *insertion) copies(ctx context.Context, groups []group) (bool, error) {
	if w.conflict != nil || w.rows.N < leastCopied || len(groups) > 1 || len(w.Table.InsertParts(groups[0].shape).Back) > 0 {
		return false, nil
	}
	c, err := w.Table.FreshCatalog(ctx, w.DB)
	return err == nil && c.Copyable && !slices.ContainsFunc(w.Table.Writable, func(col *meta.Column) bool {
		return !slices.Contains(copied[col.Encode], c.Columns[col.Name].Base)
	}), err
}

// copyIn creates the rows of all entities by COPY.
func (w *insertion) copyIn(ctx context.Context) error {
	in := incoming{n: w.rows.N, next: -1, values: make([]any, len(w.Table.Writable))}
	names := make([]string, len(w.Table.Writable))
	for i, col := range w.Table.Writable {
		array, err := meta.NewArray(col, w.rows.Base, w.rows.Size, w.rows.N, nil)
		if err != nil {
			return w.Table.Named(err)
		}
		names[i] = col.Name
		in.columns = append(in.columns, array)
		if col.Encode == meta.KindJSON {
			in.columns[i] = meta.AsText{Array: array}
		}
	}
	n, err := w.DB.CopyFrom(ctx, strings.Split(w.Table.Name, "."), names, &in)
	if err == nil && n != int64(in.n) {
		err = &smrt.LeftOutError{Table: w.Table.Name, Sent: in.n, Written: int(n)}
	}
	return err
}

// mistyped reports whether the server could not read what was copied. pgx
// encodes rows for the types that the connection saw when it first copied to
// the table, and does not notice that they were altered since. None of the
// types that are copied can be read as another by mistake. Nothing was
// inserted, so it can be done the other way, unless in a transaction, which is
// aborted.
func mistyped(err error) bool { return pgerr.IsUnreadableCopy(err) }

// incoming is entities as the source of a COPY.
type incoming struct {
	columns []interface{ Index(i int) any }
	n, next int
	values  []any
}

// Next implements pgx.CopyFromSource, as do the others.
func (in *incoming) Next() bool {
	in.next++
	return in.next < in.n
}

// Values are those of the next row. pgx encodes them before it asks again.
func (in *incoming) Values() ([]any, error) {
	for i, column := range in.columns {
		in.values[i] = column.Index(in.next)
	}
	return in.values, nil
}

// Err is nil: all values were checked before.
func (in *incoming) Err() error { return nil }
