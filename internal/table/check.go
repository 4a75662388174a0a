package table

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
)

// CheckRows refuses values that cannot be sent to columns of the given types.
func (t *Table) CheckRows(c *Catalog, rows Rows) error {
	err := t.eachNotFinite(rows, func(col *meta.Column) error { return t.CheckFiniteType(c, col) })
	if err != nil {
		return err
	}
	return t.checkFit(c, rows)
}

// eachNotFinite calls check for each column in which a row has a NaN or an
// infinity.
func (t *Table) eachNotFinite(rows Rows, check func(*meta.Column) error) error {
	for _, col := range t.Writable {
		if col.Encode != meta.KindFloat32 && col.Encode != meta.KindFloat64 {
			continue
		}
		for i := range rows.N {
			if col.NotFinite(rows.At(i)) {
				if err := check(col); err != nil {
					return meta.AtRow(err, i)
				}
				break // the column takes them
			}
		}
	}
	return nil
}

// CheckFinite refuses a NaN or an infinity for a column that is no floating
// point number: numeric would take it silently.
func (t *Table) CheckFinite(ctx context.Context, db smrt.DB, col *meta.Column) error {
	c, err := t.Catalog(ctx, db)
	if err != nil {
		return err
	}
	return t.CheckFiniteType(c, col)
}

// CheckFiniteType is CheckFinite where the catalog is known.
func (t *Table) CheckFiniteType(c *Catalog, col *meta.Column) error {
	switch c.Columns[col.Name].Name {
	case "pg_catalog.float4", "pg_catalog.float8":
		return nil
	}
	return &smrt.ValueError{
		Table: t.Name, Column: col.Name, Row: -1, Offset: -1, Err: smrt.ErrOutOfRange,
		Reason: "the column takes finite numbers only",
	}
}

// CheckFiniteSets is CheckFinite for the values that an update assigns. Before
// that it makes sure that the update may be run at all.
func (t *Table) CheckFiniteSets(ctx context.Context, db smrt.DB, r *plan.Request) error {
	for i := range r.Sets {
		if s := &r.Sets[i]; meta.NotFinite(s.A) {
			if err := t.NeedWritable(ctx, db); err != nil {
				return err
			}
			if _, err := t.Build(ctx, r); err != nil {
				return t.Named(err)
			}
			return t.CheckFinite(ctx, db, s.Column)
		}
	}
	return nil
}

// checkFit refuses integers that their column cannot hold. pgx would refuse
// them too, but in a batch at the price of the connection.
func (t *Table) checkFit(c *Catalog, rows Rows) error {
	for _, col := range t.Writable {
		bounds, ok := Ranges[c.Columns[col.Name].Base]
		if !ok || !col.WiderThan(bounds[1]) {
			continue
		}
		for i := range rows.N {
			if n := col.Int(rows.At(i)); n < bounds[0] || n > bounds[1] {
				return &smrt.ValueError{
					Table: t.Name, Column: col.Name, Row: i, Offset: -1, Err: smrt.ErrOutOfRange,
					Min: fmt.Sprint(bounds[0]), Max: fmt.Sprint(bounds[1]),
				}
			}
		}
	}
	return nil
}

// Ranges of the numeric types whose bounds pgx or the server enforces.
var Ranges = map[uint32][2]int64{
	pgtype.Int2OID: {math.MinInt16, math.MaxInt16},
	pgtype.Int4OID: {math.MinInt32, math.MaxInt32},
	pgtype.Int8OID: {math.MinInt64, math.MaxInt64},
}

// CheckSets refuses assignments that can never be made.
func (t *Table) CheckSets(sets []plan.Set) error {
	if len(sets) == 0 {
		return &smrt.QueryError{Reason: "at least one assignment is needed"}
	}
	for i := range sets {
		if sets[i].Err != nil {
			return sets[i].Err
		}
		if err := t.CheckColumn(sets[i].Column); err != nil {
			return err
		}
		if sets[i].Column == t.Tenant {
			return &smrt.TenantError{Table: t.Name, Column: t.Tenant.Name, Row: -1, What: "assignment", Err: smrt.ErrTenantMismatch}
		}
		if slices.Contains(t.own(), sets[i].Column) {
			return &smrt.QueryError{Reason: "column " + sets[i].Column.Name + " is set by every write, and not by the program"}
		}
	}
	return plan.AssignedOnce(sets)
}

// KeepsKey refuses assignments to the key of the row that they are made to.
func (t *Table) KeepsKey(sets []plan.Set) error {
	for i := range sets {
		if sets[i].Column != nil && t.IsKey(sets[i].Column) {
			return &smrt.QueryError{Reason: "column " + sets[i].Column.Name + " is the key, which a patch does not change: use UpdateWhere"}
		}
	}
	return nil
}

// CheckColumn refuses to write a column that the server computes, or the time of
// creation, to a row that exists.
func (t *Table) CheckColumn(col *meta.Column) error {
	if col != nil && col == t.CreatedAt {
		return &smrt.QueryError{Reason: "column " + col.Name + " is the time of creation, which does not change"}
	}
	if slices.Contains(t.Computed, col) {
		return &smrt.QueryError{Reason: "column " + col.Name + " is computed and cannot be written"}
	}
	return nil
}

// Distinct refuses two rows with equal values in columns.
func (t *Table) Distinct(rows Rows, columns []*meta.Column) error {
	kind := meta.KindOther
	if len(columns) == 1 && !columns[0].Ptr && columns[0].Kind == columns[0].Encode {
		kind = columns[0].Kind
	}
	var twice []int
	switch kind {
	case meta.KindInt64:
		twice = twiceBy[int64](t, rows, columns[0])
	case meta.KindString:
		twice = twiceBy[string](t, rows, columns[0])
	default:
		twice = t.twice(rows, columns)
	}
	if twice != nil {
		return &smrt.DuplicateError{Table: t.Name, Rows: [2]int(twice)}
	}
	return nil
}

// twice returns the first two rows with equal values in columns, nil if there are
// none. A NULL is equal to nothing, nor is a key that the server has yet to make.
func (t *Table) twice(rows Rows, columns []*meta.Column) []int {
	seen := make(map[string]int, rows.N)
	for i := range rows.N {
		p := rows.At(i)
		if slices.ContainsFunc(columns, func(col *meta.Column) bool {
			return (col.Nullable || t.MadeByServer(col)) && col.Zero(p)
		}) {
			continue
		}
		key := TargetKey(columns, p)
		if first, ok := seen[key]; ok {
			return []int{first, i}
		}
		seen[key] = i
	}
	return nil
}

// twiceBy is twice for a single column whose field is a V. It needs no encoding:
// 3 allocations instead of 3 for each row.
func twiceBy[V comparable](t *Table, rows Rows, col *meta.Column) []int {
	var none V
	leaves := col.Nullable || t.MadeByServer(col)
	seen := make(map[V]int, rows.N)
	for i := range rows.N {
		v := *(*V)(unsafe.Add(rows.At(i), col.Offset))
		if first, ok := seen[v]; ok && !(leaves && v == none) {
			return []int{first, i}
		}
		seen[v] = i
	}
	return nil
}

// DistinctOnServer refuses two rows with keys that are equal for the server but
// not here: by a collation that ignores case, as 1.0 is 1.00. An update would
// write one of them. It asks the server only if the type of the key leaves that
// open.
func (t *Table) DistinctOnServer(ctx context.Context, db smrt.DB, c *Catalog, rows Rows) error {
	columns := t.KeyColumns()
	if !slices.ContainsFunc(columns, func(col *meta.Column) bool { return !c.Columns[col.Name].Exact }) {
		return nil
	}
	types, ok := t.ArrayTypes(c, columns)
	if !ok {
		return nil
	}
	args, err := Arrays(columns, types, rows, nil)
	if err != nil {
		return t.Named(err)
	}
	from, exprs := Unnest(types, true)
	// The first part has no rows. It gives the others the types and collations of the table.
	sql := "SELECT min(ord), max(ord) FROM (SELECT " + meta.List(columns) + ", 0::bigint AS ord FROM " + t.Quoted + " WHERE false UNION ALL SELECT " +
		strings.Join(exprs, ", ") + ", u.ord FROM " + from + ") AS k GROUP BY " + meta.List(columns) + " HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
	twice, err := db.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer twice.Close()
	if !twice.Next() {
		twice.Close()
		return twice.Err()
	}
	var first, last int64
	if err := twice.Scan(&first, &last); err != nil {
		return err
	}
	return &smrt.DuplicateError{Table: t.Name, Rows: [2]int{int(first - 1), int(last - 1)}}
}

// TargetKey encodes the values of columns, so that equal rows have equal keys.
func TargetKey(columns []*meta.Column, p unsafe.Pointer) string {
	var b []byte
	for _, col := range columns {
		b = AppendKey(b, col, p)
	}
	return string(b)
}

// AppendKey encodes the value of a column of the entity at p, so that equal
// values, and only those, are equal.
func AppendKey(b []byte, col *meta.Column, p unsafe.Pointer) []byte {
	v, _ := col.Arg(p) // checked before
	if col.Encode == meta.KindTime && v != nil {
		v = col.Moment(p) // whatever its location
	}
	s, null, err := meta.Text(v)
	if err != nil {
		s = fmt.Sprint(v)
	}
	if null {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(append(b, 1), uint64(len(s))), s...)
}

// AppendKeyOf encodes the key of the entity at p, so that equal keys, and only
// those, are equal.
func (t *Table) AppendKeyOf(b []byte, p unsafe.Pointer) []byte {
	for _, k := range t.Key {
		b = AppendKey(b, k.Column, p)
	}
	return b
}

// Explain finds out which argument made a statement fail, if one did. It runs
// only after a failure: knowing the types of the columns beforehand would cost
// every program a query at its start.
func (t *Table) Explain(ctx context.Context, db smrt.DB, err error, args []any, columns []*meta.Column) error {
	err = t.generated(ctx, db, err, columns)
	if !suspectsValue(err) {
		return t.blameArgs(ctx, db, err, args, columns)
	}
	c, lookupErr := t.Catalog(ctx, db)
	if lookupErr != nil {
		return err // most likely the transaction is aborted
	}
	for i, arg := range args {
		if i < len(columns) && columns[i] != nil {
			if e := t.misfit(columns[i], c.Columns[columns[i].Name], arg, err); e != nil {
				return e
			}
		}
	}
	return t.blameArgs(ctx, db, err, args, columns)
}

// suspectsValue reports whether an error may be about the range of an argument.
func suspectsValue(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pgerr.IsOutOfRange(pg)
	}
	return pgerr.IsEncode(err)
}

// ExplainSpec is Explain for the operands of a query.
func (t *Table) ExplainSpec(ctx context.Context, db smrt.DB, err error, s *plan.Spec) error {
	if !suspectsValue(err) {
		return err
	}
	var args []any
	var columns []*meta.Column
	s = s.OrEmpty()
	for i := range s.Where {
		operands(&s.Where[i], func(col *meta.Column, v any) {
			args, columns = append(args, v), append(columns, col)
		})
	}
	return t.Explain(ctx, db, err, args, columns)
}

func operands(n *plan.Node, visit func(*meta.Column, any)) {
	if n.Link != nil {
		return // the columns are another table's
	}
	for i := range n.Kids {
		operands(&n.Kids[i], visit)
	}
	switch n.Op {
	case plan.Eq, plan.Ne, plan.Distinct, plan.Lt, plan.Le, plan.Gt, plan.Ge:
		visit(n.Column, n.A)
	case plan.Between:
		visit(n.Column, n.A)
		visit(n.Column, n.B)
	case plan.In, plan.NotIn:
		list, _ := n.A.(*meta.Array)
		for i := range list.Len() {
			visit(n.Column, list.Index(i))
		}
	}
}

// misfit tests one argument against the type of its column.
func (t *Table) misfit(col *meta.Column, typ ColumnType, arg any, cause error) error {
	fault := &smrt.ValueError{Table: t.Name, Column: col.Name, Row: -1, Offset: -1, Err: smrt.ErrOutOfRange, Cause: cause}
	if bounds, ok := Ranges[typ.Base]; ok {
		fault.Min, fault.Max = fmt.Sprint(bounds[0]), fmt.Sprint(bounds[1])
	}
	if _, err := pgtype.NewMap().Encode(typ.Base, pgtype.BinaryFormatCode, arg, nil); err != nil && Ranges[typ.Base] != [2]int64{} {
		return fault
	}
	return nil
}

// ExplainRows finds the row and column whose value does not fit.
func (t *Table) ExplainRows(ctx context.Context, db smrt.DB, err error, c *Catalog, rows Rows) error {
	err = t.generated(ctx, db, err, t.Struct.Columns)
	if !suspectsValue(err) {
		return t.blameRows(ctx, db, err, rows)
	}
	for _, col := range t.Writable {
		for i := range rows.N {
			v, argErr := col.Arg(rows.At(i))
			if argErr != nil || v == nil {
				continue
			}
			if e := t.misfit(col, c.Columns[col.Name], v, err); e != nil {
				return meta.AtRow(e, i)
			}
		}
	}
	return t.blameRows(ctx, db, err, rows)
}
