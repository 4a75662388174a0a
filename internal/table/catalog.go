package table

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// ColumnType is the type of a column in the database.
type ColumnType struct {
	Base   uint32 // OID; of a domain, the type below it
	Name   string // qualified and quoted
	isText bool   // of the family that text casts to by itself
	isJSON bool   // json or jsonb

	Copyable bool // COPY does to the column's table what INSERT does
}

// columnTypesSQL follows domains down to the type that they constrain. The last
// column reports whether COPY does the same as INSERT: it refuses tables with
// policies and views, which have rules, ignores other rules, and writes
// identity columns that are always generated.
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

// ColumnTypes looks the types of the columns up, once.
func (t *Table) ColumnTypes(ctx context.Context, db smrt.DB) (map[string]ColumnType, error) {
	if m := t.types.Load(); m != nil {
		return *m, nil
	}
	rows, err := db.Query(ctx, columnTypesSQL, t.Quoted)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	m := map[string]ColumnType{}
	for rows.Next() {
		var name string
		var typ ColumnType
		var partitioned bool
		if err := rows.Scan(&name, &typ.Base, &typ.Name, &partitioned, &typ.Copyable); err != nil {
			return nil, err
		}
		t.partitioned.Store(partitioned)
		switch typ.Base {
		case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID:
			typ.isText = true
		case pgtype.JSONOID, pgtype.JSONBOID:
			typ.isJSON = true
		}
		m[name] = typ
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, col := range t.Struct.Columns {
		if _, ok := m[col.Name]; !ok {
			return nil, &smrt.QueryError{Reason: fmt.Sprintf("table %s has no column %q, or does not exist", t.Quoted, col.Name)}
		}
	}
	t.types.Store(&m)
	return m, nil
}

// KnownTypes returns the types of the columns if they were looked up, else nil.
func (t *Table) KnownTypes() *map[string]ColumnType { return t.types.Load() }

// FreshTypes looks the types of the columns up again.
func (t *Table) FreshTypes(ctx context.Context, db smrt.DB) (map[string]ColumnType, error) {
	t.types.Store(nil)
	return t.ColumnTypes(ctx, db)
}

// ForgetTypes drops what was learnt of the columns, when an error says that
// the table may have changed since.
func (t *Table) ForgetTypes(err error) {
	if pgerr.IsMisfit(err) {
		t.types.Store(nil)
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
// aborted, beside it. Where that cannot be, the error names the constraint only.
func (t *Table) withColumns(ctx context.Context, db smrt.DB, err error) error {
	pg, ok := pgerr.NeedsColumns(err)
	if !ok || ctx.Err() != nil {
		return err
	}
	key := pg.SchemaName + "." + pg.TableName + "." + pg.ConstraintName
	names, ok := t.constraints.Load(key)
	if !ok {
		var columns []string
		look := func(ctx context.Context, db smrt.DB) {
			if db.QueryRow(ctx, constraintColumnsSQL, pg.SchemaName, pg.TableName, pg.ConstraintName).Scan(&columns) != nil {
				columns = nil
			}
		}
		if look(ctx, db); columns == nil {
			handle.Beside(ctx, look)
		}
		if columns == nil {
			return err
		}
		names, _ = t.constraints.LoadOrStore(key, columns)
	}
	return &pgerr.Columns{Names: names.([]string), Err: err}
}
