package crud

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
)

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
	types, err := w.Table.FreshTypes(ctx, w.DB)
	return err == nil && !slices.ContainsFunc(w.Table.Writable, func(col *meta.Column) bool {
		t := types[col.Name]
		return !t.Copyable || !slices.Contains(copied[col.Encode], t.Base)
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
	_, err := w.DB.CopyFrom(ctx, strings.Split(w.Table.Name, "."), names, &in)
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
