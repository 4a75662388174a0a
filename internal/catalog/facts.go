package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/traced"
)

// Facts returns what the database has of the tables of these names, one fact a line:
//
//	column products.price_cents bigint
//	default products.id
//	foreign key products (category_id) references categories (id)
//	generated products.search
//	label orders.status 'paid'
//	insert products
//	not null products.name
//	null products.deleted_at
//	unique products (id)
//	unique products (sku) where (deleted_at IS NULL)
//	write products.name
//
// Of a column that is a domain the type is the one below it, without length and
// precision, and with its schema unless that is pg_catalog. Labels are those of its enum,
// or of the enum of its elements. Unique are indexes whose
// uniqueness is not deferred, on columns only. A foreign key is a fact if both tables
// are among those asked for. "insert" is a fact if an INSERT that names these columns
// gives all columns a value, and "write" if the column takes one. But for predicates
// the lines are the same in every version of PostgreSQL. It is one round trip.
func Facts(ctx context.Context, db Querier, tables, columns []string) ([]string, error) {
	return texts(ctx, db, factsSQL+allSQL, tables, columns)
}

// Needs are lines of the form of facts, and what they are about. No list is nil.
type Needs struct {
	Lines   []string
	Tables  []string // those of the lines, and those that foreign keys reference
	Columns []string // those that the program inserts
	Written []string // the tables with a line "insert"
}

// Unmet returns the lines that are not facts, sorted. It is one round trip.
func Unmet(ctx context.Context, db Querier, n Needs) ([]string, error) {
	return texts(ctx, db, factsSQL+unmetSQL, n.Tables, n.Lines, n.Columns, n.Written)
}

func texts(ctx context.Context, db Querier, sql string, args ...any) ([]string, error) {
	rows, err := db.Query(ctx, traced.Pass(sql, "", "catalog"), append([]any{pgx.QueryExecModeExec}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// nameSQL is the name of a column, quoted where it has other characters than lower-case
// letters, digits and _. Keywords are not quoted: which words are keywords depends on the
// version of PostgreSQL.
const nameSQL = `CASE WHEN a.attname ~ '^[a-z_][a-z0-9_]*$' THEN a.attname::text ELSE '"' || pg_catalog.replace(a.attname, '"', '""') || '"' END`

// factsSQL has all lines of the tables that the first argument names.
const factsSQL = `WITH RECURSIVE t AS MATERIALIZED (SELECT asked.name, ` + RelationSQL + ` AS oid FROM pg_catalog.unnest($1::text[]) AS asked(name)),
columns AS MATERIALIZED (
	SELECT c.*, c.table_name || '.' || c.name AS subject FROM (
		SELECT t.name AS table_name, a.attnum, ` + nameSQL + ` AS name, a.atttypid AS type, a.attnotnull,
			a.attidentity <> '' OR a.atthasdef AND a.attgenerated = '' AS has_default, a.attgenerated, a.attidentity
		FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped OFFSET 0) c),
types AS (
	SELECT y.oid AS declared, y.oid, y.typtype, y.typbasetype, y.typnotnull AS not_null, y.typdefault IS NOT NULL AS has_default
	FROM pg_catalog.pg_type y WHERE y.oid IN (SELECT type FROM columns)
	UNION ALL
	SELECT d.declared, y.oid, y.typtype, y.typbasetype, d.not_null OR y.typnotnull, d.has_default OR y.typdefault IS NOT NULL FROM types d JOIN pg_catalog.pg_type y ON y.oid = d.typbasetype WHERE d.typtype = 'd'),
based AS MATERIALIZED (
	SELECT c.table_name, c.subject, c.attgenerated, c.attidentity, y.name AS base, y.not_null OR c.attnotnull AS not_null, c.has_default OR y.has_default AS has_default, y.element
	FROM columns c JOIN (
		SELECT e.oid AS element, d.declared, d.not_null, d.has_default, ` + typeNameSQL + ` AS name
		FROM types d JOIN pg_catalog.pg_type y ON y.oid = d.oid` + elementSQL + ` WHERE d.typtype <> 'd' OFFSET 0) y ON y.declared = c.type),
lines AS (
	SELECT 'column ' || subject || ' ' || base AS line FROM based
	UNION ALL SELECT 'not null ' || subject FROM based WHERE not_null
	UNION ALL SELECT 'null ' || subject FROM based WHERE NOT not_null AND attgenerated = ''
	UNION ALL SELECT 'label ' || b.subject || ' ''' || pg_catalog.replace(l.enumlabel, '''', '''''') || '''' FROM based b JOIN pg_catalog.pg_enum l ON l.enumtypid = b.element
	UNION ALL SELECT 'default ' || subject FROM based WHERE has_default
	UNION ALL SELECT 'generated ' || subject FROM based WHERE attgenerated <> ''
	UNION ALL SELECT 'write ' || subject FROM based WHERE attgenerated = '' AND attidentity <> 'a'
	UNION ALL SELECT 'unique ' || t.name || ' (' || (SELECT pg_catalog.string_agg(` + nameSQL + `, ', ' ORDER BY ` + nameSQL + ` COLLATE "C")
			FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(att, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.att WHERE k.n <= i.indnkeyatts) || ')' || coalesce(' where ' || pg_catalog.pg_get_expr(i.indpred, i.indrelid), '')
		FROM t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
		WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indexprs IS NULL
	UNION ALL SELECT 'foreign key ' || t.name || ' (' || (SELECT pg_catalog.string_agg(` + nameSQL + `, ', ' ORDER BY k.n)
			FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k(att, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.att)
			|| ') references ' || r.name || ' (' || (SELECT pg_catalog.string_agg(` + nameSQL + `, ', ' ORDER BY k.n)
			FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k(att, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.att) || ')'
		FROM t JOIN pg_catalog.pg_constraint f ON f.conrelid = t.oid AND f.contype = 'f' JOIN t r ON r.oid = f.confrelid)
`

// allSQL returns the facts, with a line for each table that rows can be inserted into
// by naming the columns of the second argument.
const allSQL = `SELECT line FROM lines UNION SELECT 'insert ' || t.name FROM t WHERE t.oid IS NOT NULL AND NOT EXISTS (
	SELECT 1 FROM based b WHERE b.table_name = t.name AND b.not_null AND NOT b.has_default AND b.attgenerated = '' AND b.subject <> ALL ($2::text[]))`

// unmetSQL returns those of the second argument's lines that are no facts. The third
// has the columns that the program names, the fourth the tables that it inserts into.
// NOT IN would need "line IS NOT NULL", with which the planner has each line made twice: 1.15
// of the time for 200 tables.
const unmetSQL = `, unmet AS (
	SELECT needed.line FROM pg_catalog.unnest($2::text[]) AS needed(line) WHERE needed.line NOT LIKE 'insert %' AND NOT EXISTS (SELECT FROM lines l WHERE l.line = needed.line)
	UNION ALL SELECT 'insert ' || t.name FROM t WHERE t.name = ANY ($4::text[]) AND (t.oid IS NULL OR EXISTS (
		SELECT 1 FROM based b LEFT JOIN pg_catalog.unnest($3::text[]) AS named(subject) USING (subject)
		WHERE b.table_name = t.name AND b.not_null AND NOT b.has_default AND b.attgenerated = '' AND named.subject IS NULL)))
SELECT line FROM unmet ORDER BY line COLLATE "C"`
