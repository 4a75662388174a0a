package catalog

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/traced"
)

// Querier is what a catalog is read from.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// RelationSQL is an expression for the oid of the relation that asked.name names,
// NULL for none. Its answer and those of the catalog's tables are of one snapshot;
// to_regclass knows later names, so that, of a table whose name another one took
// while the question ran, a query beside it finds nothing.
const RelationSQL = `(SELECT c.oid FROM pg_catalog.parse_ident(asked.name) AS p(parts)
	JOIN pg_catalog.pg_class c ON c.relname = p.parts[pg_catalog.cardinality(p.parts)]::name
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE CASE pg_catalog.cardinality(p.parts) WHEN 1 THEN n.nspname = ANY (pg_catalog.current_schemas(true))
		ELSE n.nspname = p.parts[1]::name OR p.parts[1] = 'pg_temp' AND n.oid = pg_catalog.pg_my_temp_schema() END
	ORDER BY pg_catalog.array_position(pg_catalog.current_schemas(true), n.nspname) LIMIT 1)`

// Relations returns what the database says of the relations of these names, which
// are SQL and found by the search_path, and the types that the connection knows. A
// relation is nil if its name names none. It is one round trip.
func Relations(ctx context.Context, db Querier, names []string) ([]*Relation, *pgtype.Map, error) {
	return read(ctx, db, `SELECT asked.name, asked.at, `+RelationSQL+` AS oid
		FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS asked(name, at)`, names)
}

// Schemas returns all tables and views of these schemas, but for partitions, in the
// order of their names. With no schemas it takes all but those of the system.
func Schemas(ctx context.Context, db Querier, schemas []string) ([]*Relation, error) {
	if schemas == nil {
		schemas = []string{}
	}
	all, _, err := read(ctx, db, `SELECT ''::text AS name, pg_catalog.row_number() OVER (ORDER BY n.nspname, c.relname) AS at, c.oid
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
		AND CASE WHEN pg_catalog.cardinality($1::text[]) = 0 THEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
			ELSE n.nspname = ANY ($1::text[]) END`, schemas)
	return all, err
}

func read(ctx context.Context, db Querier, asked string, names []string) ([]*Relation, *pgtype.Map, error) {
	sql := "WITH asked AS MATERIALIZED (" + asked + ") " + relationSQL
	// Exec takes one round trip where others prepare the statement first, which is not
	// worth keeping.
	rows, err := db.Query(ctx, traced.Pass(sql, "", "catalog"), pgx.QueryExecModeExec, names)
	if err != nil {
		return nil, nil, err
	}
	var types *pgtype.Map
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Relation, error) {
		if types == nil {
			types = rows.TypeMap().Copy() // the connection is not ours once the rows are closed
		}
		var text *string
		if err := row.Scan(&text); err != nil || text == nil {
			return nil, err
		}
		r := new(Relation)
		if err := json.Unmarshal([]byte(*text), r); err != nil {
			return nil, fmt.Errorf("the catalog's answer: %w", err)
		}
		return r, nil
	})
	return all, types, err
}
