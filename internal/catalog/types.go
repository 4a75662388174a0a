package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
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
	rows, err := db.Query(ctx, typesSQL, pgx.QueryExecModeExec, asked)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(names) != len(oids) {
		err = fmt.Errorf("%d of %d types are in the catalog", len(names), len(oids))
	}
	return names, err
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
