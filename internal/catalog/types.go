package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/traced"
)

// Types returns the names of types, in the order of their oids: as in facts, of a domain
// the type below it, and no length or precision. It is one round trip.
func Types(ctx context.Context, db Querier, oids []uint32) ([]string, error) {
	if len(oids) == 0 {
		return nil, nil
	}
	asked := make([]int64, len(oids))
	for i, oid := range oids {
		asked[i] = int64(oid)
	}
	names, err := texts(ctx, db, typesSQL, asked)
	if err == nil && len(names) != len(oids) {
		err = fmt.Errorf("%d of %d types are in the catalog", len(names), len(oids))
	}
	return names, err
}

// Origin is a column of a table, by the oid of the table and its number there.
type Origin struct {
	Table  uint32
	Number uint16
}

// NotNull reports which columns cannot be NULL, in their order; of what is no column of a
// table, false. It is one round trip.
func NotNull(ctx context.Context, db Querier, columns []Origin) ([]bool, error) {
	tables, numbers := make([]int64, len(columns)), make([]int32, len(columns))
	for i, c := range columns {
		tables[i], numbers[i] = int64(c.Table), int32(c.Number)
	}
	rows, err := db.Query(ctx, traced.Pass(notNullSQL, "", "catalog"), pgx.QueryExecModeExec, tables, numbers)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[bool])
}

// typeNameSQL is the name of type y, as elementSQL joins it: with its schema unless that
// is pg_catalog, so that it does not depend on the search path.
const typeNameSQL = `CASE WHEN n.nspname = 'pg_catalog' THEN pg_catalog.format_type(y.oid, NULL)
			ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(e.typname) || CASE WHEN e.oid <> y.oid THEN '[]' ELSE '' END END`

// elementSQL joins what gives type y its name: the type of its elements if it is an array.
const elementSQL = `
		JOIN pg_catalog.pg_type e ON e.oid = CASE WHEN y.typcategory = 'A' AND y.typelem <> 0 THEN y.typelem ELSE y.oid END
		JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace`

const typesSQL = `WITH RECURSIVE types AS (
	SELECT a.n, y.oid, y.typtype, y.typbasetype FROM pg_catalog.unnest($1::bigint[]) WITH ORDINALITY AS a(oid, n) JOIN pg_catalog.pg_type y ON y.oid = a.oid::oid
	UNION ALL
	SELECT d.n, y.oid, y.typtype, y.typbasetype FROM types d JOIN pg_catalog.pg_type y ON y.oid = d.typbasetype WHERE d.typtype = 'd')
SELECT ` + typeNameSQL + ` FROM types d JOIN pg_catalog.pg_type y ON y.oid = d.oid` + elementSQL + ` WHERE d.typtype <> 'd' ORDER BY d.n`

// notNullSQL counts domains too, which may refuse NULL themselves.
const notNullSQL = `WITH RECURSIVE columns AS (SELECT * FROM ROWS FROM (pg_catalog.unnest($1::bigint[]), pg_catalog.unnest($2::int4[])) WITH ORDINALITY AS c(oid, number, n)),
types AS (
	SELECT c.n, a.attnotnull AS not_null, a.atttypid AS type FROM columns c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid::oid AND a.attnum = c.number
	UNION ALL
	SELECT t.n, y.typnotnull, y.typbasetype FROM types t JOIN pg_catalog.pg_type y ON y.oid = t.type WHERE y.typtype = 'd')
SELECT coalesce(pg_catalog.bool_or(t.not_null), false) FROM columns c LEFT JOIN types t ON t.n = c.n GROUP BY c.n ORDER BY c.n`
