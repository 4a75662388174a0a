package crud

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/plan"
)

const cancelTimeout = 2 * time.Second

// explain finds out which argument made a statement fail, if one did. It runs
// only after a failure: knowing the types of the columns beforehand would cost
// every program a query at its start.
func (c *Core) explain(ctx context.Context, db smrt.DB, err error, args []any, columns []*meta.Column) error {
	if !suspectsValue(err) {
		return err
	}
	types, lookupErr := c.columnTypes(ctx, db)
	if lookupErr != nil {
		return err // most likely the transaction is aborted
	}
	for i, arg := range args {
		if i < len(columns) && columns[i] != nil {
			if e := c.misfit(columns[i], types[columns[i].Name], arg, err); e != nil {
				return e
			}
		}
	}
	return err
}

// suspectsValue tells whether an error may be about the range of an argument.
func suspectsValue(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pgerr.IsOutOfRange(pg)
	}
	return pgerr.IsEncode(err)
}

func (c *Core) explainSpec(ctx context.Context, db smrt.DB, err error, s *plan.Spec) error {
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
	return c.explain(ctx, db, err, args, columns)
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

// ranges of the numeric types whose bounds pgx or the server enforces.
var ranges = map[uint32][2]int64{
	pgtype.Int2OID: {math.MinInt16, math.MaxInt16},
	pgtype.Int4OID: {math.MinInt32, math.MaxInt32},
	pgtype.Int8OID: {math.MinInt64, math.MaxInt64},
}

// misfit tests one argument against the type of its column.
func (c *Core) misfit(col *meta.Column, t columnType, arg any, cause error) error {
	fault := &smrt.ValueError{Table: c.Name, Column: col.Name, Row: -1, Offset: -1, Err: smrt.ErrOutOfRange, Cause: cause}
	if bounds, ok := ranges[t.base]; ok {
		fault.Min, fault.Max = fmt.Sprint(bounds[0]), fmt.Sprint(bounds[1])
	}
	if _, err := pgtype.NewMap().Encode(t.base, pgtype.BinaryFormatCode, arg, nil); err != nil && ranges[t.base] != [2]int64{} {
		return fault
	}
	return nil
}

// columnType is the type of a column in the database.
type columnType struct {
	base uint32 // OID; of a domain, the type below it
	name string // qualified and quoted
	text bool   // of the family that text casts to by itself
	json bool   // json or jsonb

	copyable bool // COPY does to the column's table what INSERT does
}

// columnTypesSQL follows domains down to the type that they constrain. The last
// column tells whether COPY does the same as INSERT: it refuses tables with
// policies and views, which have rules, ignores other rules, and writes identity
// columns that are always generated.
const columnTypesSQL = `WITH RECURSIVE t AS (
	SELECT a.attname::text AS attname, y.oid AS oid, y.typtype, y.typbasetype, y.typname, y.typnamespace, y.typcategory
	FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
	WHERE a.attrelid = pg_catalog.to_regclass($1::text) AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT t.attname, y.oid, y.typtype, y.typbasetype, y.typname, y.typnamespace, y.typcategory
	FROM t JOIN pg_catalog.pg_type y ON y.oid = t.typbasetype WHERE t.typtype = 'd')
SELECT attname, t.oid, pg_catalog.quote_ident(nspname) || '.' || pg_catalog.quote_ident(typname), c.relkind = 'p',
	NOT c.relrowsecurity AND NOT c.relhasrules AND NOT EXISTS (
		SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attidentity = 'a' AND NOT a.attisdropped)
FROM t JOIN pg_catalog.pg_namespace n ON n.oid = typnamespace
JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass($1::text) WHERE typtype <> 'd'`

// columnTypes looks the types of the columns up, once.
func (c *Core) columnTypes(ctx context.Context, db smrt.DB) (map[string]columnType, error) {
	if m := c.types.Load(); m != nil {
		return *m, nil
	}
	rows, err := db.Query(ctx, columnTypesSQL, c.Quoted)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	m := map[string]columnType{}
	for rows.Next() {
		var name string
		var t columnType
		var partitioned bool
		if err := rows.Scan(&name, &t.base, &t.name, &partitioned, &t.copyable); err != nil {
			return nil, err
		}
		c.partitioned.Store(partitioned)
		switch t.base {
		case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID:
			t.text = true
		case pgtype.JSONOID, pgtype.JSONBOID:
			t.json = true
		}
		m[name] = t
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, col := range c.Struct.Columns {
		if _, ok := m[col.Name]; !ok {
			return nil, &smrt.QueryError{Reason: fmt.Sprintf("table %s has no column %q, or does not exist", c.Quoted, col.Name)}
		}
	}
	c.types.Store(&m)
	return m, nil
}

// forgetTypes drops what was learnt of the columns, when an error says that
// the table may have changed since.
func (c *Core) forgetTypes(err error) {
	if pgerr.IsMisfit(err) {
		c.types.Store(nil)
	}
}

// constraintColumnsSQL finds the columns of a constraint, or of a unique index
// that is none, by its name.
const constraintColumnsSQL = `SELECT coalesce(array_agg(a.attname::text ORDER BY k.n), '{}')
FROM (SELECT rel, keys FROM (
		SELECT c.conrelid AS rel, c.conkey AS keys, 1 AS rank FROM pg_catalog.pg_constraint c
		WHERE c.conname = $3::text AND c.conkey IS NOT NULL
		UNION ALL
		SELECT i.indrelid, i.indkey::int2[], 2 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
		WHERE x.relname = $3::text) found
	JOIN pg_catalog.pg_class t ON t.oid = found.rel JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
	WHERE s.nspname = $1::text AND t.relname = $2::text ORDER BY rank LIMIT 1) f
CROSS JOIN LATERAL unnest(f.keys) WITH ORDINALITY AS k(att, n)
JOIN pg_catalog.pg_attribute a ON a.attrelid = f.rel AND a.attnum = k.att`

// withColumns adds to a violated constraint the columns it is on. They are
// looked up once for each constraint; in a transaction, which the violation has
// aborted, they cannot be, and the error names the constraint only.
func (c *Core) withColumns(ctx context.Context, db smrt.DB, err error) error {
	pg, ok := pgerr.NeedsColumns(err)
	if !ok || ctx.Err() != nil {
		return err
	}
	key := pg.SchemaName + "." + pg.TableName + "." + pg.ConstraintName
	names, ok := c.constraints.Load(key)
	if !ok {
		var columns []string
		if lookupErr := db.QueryRow(ctx, constraintColumnsSQL, pg.SchemaName, pg.TableName, pg.ConstraintName).Scan(&columns); lookupErr != nil {
			return err
		}
		names, _ = c.constraints.LoadOrStore(key, columns)
	}
	return &pgerr.Columns{Names: names.([]string), Err: err}
}
