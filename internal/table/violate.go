package table

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Violators adds to a violated constraint the rows of the call that violate it, as
// far as the call itself shows them.
func (t *Table) Violators(ctx context.Context, db smrt.DB, err error, rows Rows) error {
	pg, ok := pgerr.Violated(err)
	if !ok {
		return err
	}
	err = t.withColumns(ctx, db, err)
	own := &refused{table: t, ctx: ctx, db: db}
	if !own.isOf(pg) {
		return err
	}
	if pgerr.IsNotNull(err) {
		return t.nullRow(err, pg.ColumnName, rows)
	}
	names := pgerr.ColumnsOf(err) // of a foreign key those that refer
	columns := make([]*meta.Column, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(t.Struct.Columns, func(col *meta.Column) bool { return col.Name == name })
		if i < 0 {
			return err
		}
		columns = append(columns, t.Struct.Columns[i])
	}
	var found []int
	r := t.refusedRows(ctx, db, err, rows, columns)
	switch {
	case len(columns) == 0:
	case pgerr.IsMissingParent(err):
		found = r.orphan(pg)
	case pgerr.IsUnique(err):
		if found = t.twice(rows, columns); found == nil {
			found = r.existing(pg)
		}
	}
	if found == nil {
		return err
	}
	return &pgerr.Columns{Names: names, Rows: found, Err: err}
}

// nullRow adds to a violated NOT NULL the first row that has none.
func (t *Table) nullRow(err error, column string, rows Rows) error {
	i := slices.IndexFunc(t.Writable, func(col *meta.Column) bool { return col.Name == column })
	if i < 0 {
		return err
	}
	for row := range rows.N {
		if v, failed := t.Writable[i].Arg(rows.At(row)); failed == nil && isNull(v) {
			return &pgerr.Columns{Names: []string{column}, Rows: []int{row}, Err: err}
		}
	}
	return err
}

func isNull(v any) bool {
	_, null, err := meta.Text(v)
	return err == nil && null
}

// ownSQL reports whether a table is the one that was written to, or a partition of
// it. Otherwise a trigger has written elsewhere.
const ownSQL = `SELECT t.oid = pg_catalog.to_regclass($3::text) OR coalesce(pg_catalog.pg_partition_root(t.oid) = pg_catalog.to_regclass($3::text), false)
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace WHERE s.nspname = $1::text AND t.relname = $2::text`

// isOf reports whether the constraint that was violated is one of the table.
func (r *refused) isOf(pg *pgconn.PgError) bool {
	var own bool
	err := r.ask(ownSQL, []any{pg.SchemaName, pg.TableName, r.table.Quoted}, func(scan func(...any) error) error { return scan(&own) })
	return err == nil && own
}

// predicateSQL is the condition of a partial index.
const predicateSQL = `SELECT coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), 'true')
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
WHERE s.nspname = $1::text AND t.relname = $2::text AND x.relname = $3::text`

// existing returns the first of the rows whose values a row of the table has, nil
// for none.
func (r *refused) existing(pg *pgconn.PgError) []int {
	predicate := ""
	err := r.ask(predicateSQL, []any{pg.SchemaName, pg.TableName, pg.ConstraintName}, func(scan func(...any) error) error { return scan(&predicate) })
	if err != nil || predicate == "" {
		return nil
	}
	names := make([]string, len(r.columns))
	for i, col := range r.columns {
		names[i] = col.Quoted
	}
	return r.first("", r.table.Quoted, names, " AND ("+predicate+")")
}

// parentSQL is what a foreign key refers to.
const parentSQL = `SELECT f.confrelid::regclass::text, (SELECT array_agg(pg_catalog.quote_ident(a.attname) ORDER BY k.n)
	FROM unnest(f.confkey) WITH ORDINALITY AS k(att, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.att)
FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class t ON t.oid = f.conrelid JOIN pg_catalog.pg_namespace s ON s.oid = t.relnamespace
WHERE s.nspname = $1::text AND t.relname = $2::text AND f.conname = $3::text AND f.contype = 'f'`

// orphan returns the first of the rows that refers to no row, nil for none.
func (r *refused) orphan(pg *pgconn.PgError) []int {
	var parent string
	var names []string
	err := r.ask(parentSQL, []any{pg.SchemaName, pg.TableName, pg.ConstraintName}, func(scan func(...any) error) error { return scan(&parent, &names) })
	if err != nil || len(names) != len(r.columns) {
		return nil
	}
	return r.first("NOT ", parent, names, "")
}

// first returns the first of the rows for which a row exists, or with NOT does not
// exist, in a table that has the values of the row in columns of the given names.
func (r *refused) first(not, table string, columns []string, and string) []int {
	types := r.declared()
	var params, names, same, given []string
	var args []any
	for i, col := range r.columns {
		t, ok := types[col.Name]
		texts := r.texts(i)
		if !ok || texts == nil {
			return nil
		}
		n := strconv.Itoa(i + 1)
		params, names = append(params, "$"+n+"::text[]"), append(names, "smrt_"+n)
		same = append(same, "t."+columns[i]+" = u.smrt_"+n+"::"+t.name)
		given = append(given, "u.smrt_"+n+" IS NOT NULL")
		args = append(args, texts)
	}
	sql := "SELECT u.smrt_row FROM unnest(" + strings.Join(params, ", ") + ") WITH ORDINALITY AS u(" + strings.Join(names, ", ") +
		", smrt_row) WHERE " + strings.Join(given, " AND ") + " AND " + not + "EXISTS (SELECT 1 FROM " + table + " AS t WHERE " +
		strings.Join(same, " AND ") + and + ") ORDER BY 1 LIMIT 1"
	row := 0
	if r.ask(sql, args, func(scan func(...any) error) error { return scan(&row) }) != nil || row == 0 {
		return nil
	}
	return []int{row - 1}
}
