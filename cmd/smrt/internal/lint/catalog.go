package lint

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/catalog"
)

// versions is goose's own table.
const versions = "goose_db_version"

// fact is something in the catalog that L9 is about.
type fact struct {
	table   string // or the enum
	detail  string // a column, a foreign key or a label
	current string // what it is now
}

// factsSQL has what is regretted, with a key that stays as names change, and the
// labels of enums. It is one text without parameters, for use inside of a migration.
const factsSQL = `
WITH tables AS (
	SELECT c.oid, CASE WHEN n.nspname = pg_catalog.current_schema() THEN '' ELSE n.nspname || '.' END || c.relname AS name
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND c.relname <> '` + versions + `'
		AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
), columns AS (
	SELECT t.oid, t.name, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
		CASE WHEN e.typtype = 'd' THEN e.typbasetype ELSE e.oid END AS base
	FROM tables t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
		JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
		JOIN pg_catalog.pg_type e ON e.oid = CASE WHEN y.typcategory = 'A' AND y.typelem <> 0 THEN y.typelem ELSE y.oid END
)
SELECT 'key ' || c.oid || ' ' || c.attnum, c.name, c.attname, c.type
FROM columns c JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' AND k.conkey = ARRAY[c.attnum]
WHERE c.base IN ('int2'::pg_catalog.regtype, 'int4'::pg_catalog.regtype)
UNION ALL
SELECT pg_catalog.format_type(c.base, NULL) || ' ' || c.oid || ' ' || c.attnum, c.name, c.attname, c.type FROM columns c
WHERE c.base IN ('json'::pg_catalog.regtype, 'bpchar'::pg_catalog.regtype, 'timestamp'::pg_catalog.regtype, 'timetz'::pg_catalog.regtype, 'money'::pg_catalog.regtype)
UNION ALL
SELECT 'foreign ' || k.oid, t.name, k.conname,
	(SELECT pg_catalog.string_agg(a.attname, ', ' ORDER BY x.n) FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY x(num, n)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.num)
FROM tables t JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' AND k.conparentid = 0
WHERE NOT ` + catalog.IndexedSQL + `
UNION ALL
SELECT 'label ' || l.oid, y.typname, l.enumlabel, l.enumlabel
FROM pg_catalog.pg_enum l JOIN pg_catalog.pg_type y ON y.oid = l.enumtypid`

// facts asks for the facts on a connection, by key.
func facts(ctx context.Context, conn *pgx.Conn) (map[string]fact, error) {
	results, err := conn.PgConn().Exec(ctx, factsSQL).ReadAll()
	if err != nil {
		return nil, err
	}
	all := make(map[string]fact)
	for _, row := range results[0].Rows {
		all[string(row[0])] = fact{table: string(row[1]), detail: string(row[2]), current: string(row[3])}
	}
	return all, nil
}

// history is who made the facts.
type history struct {
	seen map[string]fact
	by   map[string]*statement
	done []Finding // events, which nothing takes back
}

// note compares the facts with those before a statement.
func (h *history) note(s *statement, now map[string]fact) {
	for _, key := range slices.Sorted(maps.Keys(now)) {
		before, had := h.seen[key]
		switch {
		case !had:
			h.by[key] = s
		case strings.HasPrefix(key, "label ") && before.current != now[key].current:
			h.done = append(h.done, Finding{
				Rule: Catalog, Name: names[Catalog], File: s.file.path, Line: s.first, Statement: s.text, Table: now[key].table,
				Problem: fmt.Sprintf("the label '%s' of %s is called '%s' now: programs that run send and expect the old one", before.current, now[key].table, now[key].current),
				Safe:    "ALTER TYPE ... ADD VALUE, have programs know both, change the rows in batches, and leave the old label",
			})
		}
	}
	for key := range h.seen {
		if _, ok := now[key]; !ok {
			delete(h.by, key)
		}
	}
	h.seen = now
}

// findings are the facts that are left in the end, each at the statement that made it.
func (h *history) findings() []Finding {
	all := h.done
	for _, key := range slices.Sorted(maps.Keys(h.by)) {
		kind, _, _ := strings.Cut(key, " ")
		if kind == "label" {
			continue
		}
		s, now := h.by[key], h.seen[key]
		f := Finding{Rule: Catalog, Name: names[Catalog], File: s.file.path, Line: s.first, Statement: s.text, Table: now.table}
		f.Problem, f.Safe = now.regret(kind)
		all = append(all, f)
	}
	return all
}

// regret says what is wrong with a fact, and what would be right.
func (f fact) regret(kind string) (problem, safe string) {
	column := f.table + "." + f.detail
	switch kind {
	case "key":
		return fmt.Sprintf("the key %s is %s: its values end, and changing the type rewrites the table and all that refers to it", column, f.current), "bigint"
	case "json":
		return fmt.Sprintf("%s is %s: it has no equality, so DISTINCT, GROUP BY and UNION fail, and no index", column, f.current), "jsonb"
	case "character":
		return fmt.Sprintf("%s is %s: it is padded with spaces, which comparisons then ignore", column, f.current), "text, with a CHECK of its length"
	case "money":
		return fmt.Sprintf("%s is %s: its currency and its fraction are settings of whoever reads it", column, f.current), "numeric, and the currency beside it, or bigint of the smallest unit"
	case "time":
		return fmt.Sprintf("%s is %s: its zone is an offset without a date, so that nothing can be computed across a change of clocks", column, f.current), "time, and the name of the zone beside it, or timestamptz"
	case "timestamp":
		return fmt.Sprintf("%s is %s: what instant it is depends on the zone of whoever reads it", column, f.current), "timestamptz"
	}
	return fmt.Sprintf("no index of %s begins with %s, the columns of the foreign key %s: each DELETE of a referenced row, and each load of the rows that refer, reads the whole table", f.table, f.current, f.detail),
		fmt.Sprintf("CREATE INDEX CONCURRENTLY ON %s (%s) in a migration with -- +goose NO TRANSACTION; without CONCURRENTLY where the table is new", f.table, f.current)
}
