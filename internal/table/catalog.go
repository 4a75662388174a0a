package table

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// Catalog is what the catalog of a database says of a table. It is never
// changed.
type Catalog struct {
	Columns map[string]ColumnType // by name

	NoXmax    bool // rows do not show which transaction locked them: partitions, views
	Copyable  bool // COPY does to the table what INSERT does
	Guardable bool // an INSERT can leave out rows, and can be part of a WITH statement
	Returning bool // a write finds the same rows, and is not refused, if it returns columns that may be read

	at time.Time // when it was asked for
}

// ColumnType is the type of a column in the database.
type ColumnType struct {
	OID    uint32 // of the declared type, which may be a domain
	Base   uint32 // OID; of a domain, the type below it
	Name   string // qualified and quoted
	isText bool   // of the family that text casts to by itself
	isJSON bool   // json or jsonb

	texts  bool // an empty text is a value of it
	Exact  bool // two values are equal for the server if, and only if, they are equal here
	Rising bool // without a value it gets one from a sequence that rises
	Always bool // GENERATED ALWAYS AS IDENTITY
	Reads  bool // the user may read it
	IsEnum bool

	Expression bool // GENERATED ALWAYS AS (...)
}

// Plain returns the type that a value of the column has the binary form of: of a
// domain the one below it, of an enum text. It reports false if the column is not
// of the type oid any more.
func (c ColumnType) Plain(oid uint32) (uint32, bool) {
	switch {
	case c.OID != oid || oid == 0:
		return 0, false
	case c.IsEnum:
		return pgtype.TextOID, true
	}
	return c.Base, true
}

// catalogSQL follows domains down to the type that they constrain. The columns
// after the types say of the table:
//
//   - whether its rows show no xmax, as those of partitioned tables and views.
//   - whether COPY does the same as INSERT. It refuses tables with policies, and
//     views, which have rules; it ignores other rules, writes identity columns
//     that are always generated, and what row triggers leave out is not known
//     before it is committed.
//   - whether a write may return columns, and does the same then: policies for reads
//     hold for a write that returns, and rules may have nothing to return.
//   - whether INSERT may leave out rows, and the server can count them: because of
//     row triggers of the table or of a partition, or because it is a view or a
//     foreign table, which have them elsewhere. A statement on a table with
//     rules for INSERT cannot be part of another.
const catalogSQL = `WITH RECURSIVE c AS (
	SELECT c.oid, c.relkind, c.relrowsecurity, c.relhasrules,
		EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '3' AND r.ev_enabled <> 'D') AS insert_rules,
		EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgenabled <> 'D' AND g.tgtype & 1 > 0 AND g.tgtype & 66 > 0 AND g.tgtype & 20 > 0
			AND (g.tgrelid = c.oid OR c.relkind = 'p' AND g.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid)))) AS row_triggers
	FROM (SELECT $1::text AS name) asked JOIN pg_catalog.pg_class c ON c.oid = ` + catalog.RelationSQL + `),
t AS (
	SELECT a.attnum, a.attidentity, a.attgenerated, a.attcollation, a.attname::text AS attname, y.oid AS declared, y.oid AS oid, y.typtype, y.typbasetype, y.typname, y.typnamespace, y.typcategory
	FROM c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
	WHERE a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT t.attnum, t.attidentity, t.attgenerated, t.attcollation, t.attname, t.declared, y.oid, y.typtype, y.typbasetype, y.typname, y.typnamespace, y.typcategory
	FROM t JOIN pg_catalog.pg_type y ON y.oid = t.typbasetype WHERE t.typtype = 'd')
SELECT t.attname, t.declared, t.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname), t.attidentity = 'a', t.attgenerated <> '', t.typcategory = 'S', t.typtype = 'e',
	coalesce((SELECT collisdeterministic FROM pg_catalog.pg_collation WHERE oid = t.attcollation), true),
	EXISTS (SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid
		WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
		AND d.refobjid = c.oid AND d.refobjsubid = t.attnum AND s.seqincrement > 0 AND NOT s.seqcycle
		AND (t.attidentity <> '' OR EXISTS (SELECT 1 FROM pg_catalog.pg_attrdef f
			WHERE f.adrelid = c.oid AND f.adnum = t.attnum AND pg_catalog.pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%'))),
	c.relkind <> 'r',
	NOT c.relrowsecurity AND NOT c.relhasrules AND NOT c.row_triggers AND NOT EXISTS (
		SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attidentity = 'a' AND NOT a.attisdropped),
	(c.row_triggers OR c.relkind IN ('v', 'f')) AND NOT c.insert_rules,
	c.relkind IN ('r', 'p') AND NOT c.relrowsecurity AND NOT c.relhasrules, coalesce(pg_catalog.has_column_privilege(c.oid, t.attnum, 'SELECT'), false)
FROM c CROSS JOIN t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype <> 'd'`

// AsksCatalog reports whether a statement is the one by which the catalog is asked.
func AsksCatalog(sql string) bool { return sql == catalogSQL }

// catalogs holds what was learnt of a table, by the database that it was learnt
// in.
type catalogs struct {
	mu    sync.RWMutex
	m     map[string]*Catalog // by handle.Database
	drops uint64              // how often something was forgotten
}

// maxCatalogs bounds the databases that are remembered for a table. The next
// one drops all.
const maxCatalogs = 256

// MaxCatalogAge is how long what was learnt of a table is relied upon. It is the
// longest time that a change goes unnoticed which no error shows, such as a trigger
// that was added. Types that others cast to by themselves are compared by the
// server, see plan.MayDrift.
const MaxCatalogAge = time.Minute

// Catalog returns what the database of db says of the table. It is asked when it
// is first needed, when an error says that it may have changed, and when the
// last answer is older than [MaxCatalogAge].
func (t *Table) Catalog(ctx context.Context, db smrt.DB) (*Catalog, error) {
	name := handle.Database(db)
	if c := t.catalogs.get(name); c != nil && time.Since(c.at) < MaxCatalogAge {
		return c, nil
	}
	return t.learn(ctx, db, name)
}

// FreshCatalog is Catalog, and asks in any case.
func (t *Table) FreshCatalog(ctx context.Context, db smrt.DB) (*Catalog, error) {
	return t.learn(ctx, db, handle.Database(db))
}

// KnownCatalog returns what was learnt on db, or nil if that is nothing.
func (t *Table) KnownCatalog(db smrt.DB) *Catalog { return t.catalogs.get(handle.Database(db)) }

// ForgetCatalog drops what was learnt on db, when an error says that the table
// may have changed since. It reports whether it did.
func (t *Table) ForgetCatalog(db smrt.DB, err error) bool {
	return (pgerr.IsOutdated(err) || errors.Is(err, smrt.ErrLeftOut)) && t.catalogs.drop(handle.Database(db))
}

func (k *catalogs) get(database string) *Catalog {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.m[database]
}

// now returns the number of times that something was forgotten.
func (k *catalogs) now() uint64 {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.drops
}

// put keeps an answer to a question that was asked at a time of now. If something
// was forgotten since, the answer may be older than the reason.
func (k *catalogs) put(database string, c *Catalog, asked uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if database == "" || k.drops != asked {
		return
	}
	if k.m == nil || len(k.m) >= maxCatalogs {
		k.m = map[string]*Catalog{}
	}
	k.m[database] = c
}

func (k *catalogs) drop(database string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.m[database]
	k.drops++
	delete(k.m, database)
	return ok
}

// learn asks the database.
func (t *Table) learn(ctx context.Context, db smrt.DB, database string) (*Catalog, error) {
	asked := t.catalogs.now()
	c, err := t.ask(ctx, db)
	if err != nil {
		return nil, err
	}
	if col := t.lacks(c); col != nil {
		return nil, &smrt.QueryError{Reason: fmt.Sprintf("table %s has no column %q, or does not exist", t.Quoted, col.Name)}
	}
	t.catalogs.put(database, c, asked)
	return c, nil
}

// lacks returns a declared column that the table does not have, nil if there is
// none.
func (t *Table) lacks(c *Catalog) *meta.Column {
	for _, col := range t.Struct.Columns {
		if _, ok := c.Columns[col.Name]; !ok {
			return col
		}
	}
	return nil
}

func (t *Table) ask(ctx context.Context, db smrt.DB) (*Catalog, error) {
	rows, err := db.Query(ctx, traced.Pass(catalogSQL, "", "catalog"), t.Quoted)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	c := &Catalog{Columns: map[string]ColumnType{}, at: time.Now()}
	for rows.Next() {
		var name string
		var typ ColumnType
		if err := rows.Scan(&name, &typ.OID, &typ.Base, &typ.Name, &typ.Always, &typ.Expression, &typ.texts, &typ.IsEnum, &typ.Exact, &typ.Rising, &c.NoXmax, &c.Copyable, &c.Guardable, &c.Returning, &typ.Reads); err != nil {
			return nil, err
		}
		switch typ.Base {
		case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID:
			typ.isText = true
			typ.Exact = typ.Exact && typ.Base != pgtype.BPCharOID
		case pgtype.BoolOID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.UUIDOID, pgtype.ByteaOID, pgtype.DateOID,
			pgtype.TimestampOID, pgtype.TimestamptzOID:
		case pgtype.JSONOID, pgtype.JSONBOID:
			typ.isJSON, typ.Exact = true, false
		default:
			typ.Exact = false
		}
		c.Columns[name] = typ
	}
	return c, rows.Err()
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

// constraints holds the columns of constraints, by database and name.
type constraints struct {
	mu sync.Mutex
	m  map[string]constraint
}

type constraint struct {
	columns []string
	at      time.Time // when they were looked up
}

// maxConstraints bounds the constraints that are remembered for a table, which may
// be in many databases. The next one drops all.
const maxConstraints = 1024

// get returns the columns of a constraint, nil if they are not known, and reports
// whether they can be relied upon.
func (k *constraints) get(name string) (columns []string, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.m[name]
	return c.columns, c.columns != nil && time.Since(c.at) < MaxCatalogAge
}

func (k *constraints) put(name string, columns []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.m == nil || len(k.m) >= maxConstraints {
		k.m = map[string]constraint{}
	}
	k.m[name] = constraint{columns, time.Now()}
}

// withColumns adds to a violated constraint the columns it is on. They are
// looked up once for each constraint of a database; in a transaction, which the
// violation has aborted, beside it. Where that cannot be, what was known before is
// named, or the constraint only.
func (t *Table) withColumns(ctx context.Context, db smrt.DB, err error) error {
	pg, ok := pgerr.NeedsColumns(err)
	if !ok || ctx.Err() != nil {
		return err
	}
	name := handle.Database(db) + "." + pg.SchemaName + "." + pg.TableName + "." + pg.ConstraintName
	columns, fresh := t.constraints.get(name)
	if !fresh {
		var found []string
		look := func(ctx context.Context, db smrt.DB) {
			if db.QueryRow(ctx, traced.Pass(constraintColumnsSQL, "", "catalog"), pg.SchemaName, pg.TableName, pg.ConstraintName).Scan(&found) != nil {
				found = nil
			}
		}
		if look(ctx, db); found == nil {
			handle.Beside(ctx, look)
		}
		if found != nil {
			columns = found
			t.constraints.put(name, found)
		}
	}
	if columns == nil {
		return err
	}
	return &pgerr.Columns{Names: columns, Err: err}
}
