package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Identities say which table and which column a name means. A name is written as in a
// contract.
type Identities map[[2]string]identity // table and column, which is "" for the table itself

type identity struct {
	table, parent uint64 // parent is that of a partition
	column        uint64 // 0 for a table
}

// identitiesSQL is one text without parameters, for use inside of a migration.
const identitiesSQL = `
WITH tables AS (
	SELECT c.oid, CASE WHEN n.nspname = pg_catalog.current_schema() THEN '' WHEN n.nspname ~ '^[a-z_][a-z0-9_]*$' THEN n.nspname || '.'
			ELSE '"' || pg_catalog.replace(n.nspname, '"', '""') || '".' END ||
		CASE WHEN c.relname ~ '^[a-z_][a-z0-9_]*$' THEN c.relname ELSE '"' || pg_catalog.replace(c.relname, '"', '""') || '"' END AS name,
		(SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid LIMIT 1) AS parent
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT name, '', oid, COALESCE(parent, 0), 0 FROM tables
UNION ALL
SELECT t.name, CASE WHEN a.attname ~ '^[a-z_][a-z0-9_]*$' THEN a.attname ELSE '"' || pg_catalog.replace(a.attname, '"', '""') || '"' END, t.oid, 0, a.attnum
FROM tables t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped`

// ReadIdentities asks for those of a database.
func ReadIdentities(ctx context.Context, conn *pgx.Conn) (Identities, error) {
	results, err := conn.PgConn().Exec(ctx, identitiesSQL).ReadAll()
	if err != nil {
		return nil, err
	}
	all := make(Identities)
	for _, row := range results[0].Rows {
		var n [3]uint64
		for i := range n {
			if n[i], err = strconv.ParseUint(string(row[2+i]), 10, 64); err != nil {
				return nil, err
			}
		}
		all[[2]string{string(row[0]), string(row[1])}] = identity{n[0], n[1], n[2]}
	}
	return all, nil
}

// Replacement is that a name means another table or column than before.
type Replacement struct {
	Table, Column string // Column is "" if it is the table that is another one
	Kept          bool   // the former one is there, under another name
}

// String says what that means for those who use the name.
func (r Replacement) String() string {
	what, name := "table", r.Table
	if r.Column != "" {
		what, name = "column", r.Table+"."+r.Column
	}
	if !r.Kept {
		return fmt.Sprintf("%s is a new %s: what was in the one that had the name before is gone", name, what)
	}
	return fmt.Sprintf("%s is another %s than before: it lacks what was written to the former one after it was copied", name, what)
}

// Replaced returns the names that mean something else than before, in order. A table that
// has become a partition of the one that has its name is all there.
func (before Identities) Replaced(now Identities) (all []Replacement) {
	for name, was := range before {
		is, ok := now[name]
		if !ok || is.table == was.table && is.column == was.column || name[1] != "" && is.table != was.table {
			continue
		}
		r := Replacement{Table: name[0], Column: name[1]}
		attached := false
		for other, i := range now {
			same := i.table == was.table && i.column == was.column
			r.Kept = r.Kept || same
			attached = attached || same && other[1] == "" && i.parent == is.table
		}
		if !attached {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Replacement) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Column, b.Column))
	})
	return all
}
