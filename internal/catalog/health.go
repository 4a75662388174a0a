package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/traced"
)

// Health is what a database says of itself at run time: sizes, uses, ages. It has all
// tables but those of the system and of extensions.
type Health struct {
	Database     string        `json:"database"`
	Major        int           `json:"major"`        // version of the server
	System       int64         `json:"system"`       // identifier of the cluster, 0 if the role may not read it
	Age          time.Duration `json:"-"`            // for how long uses have been counted
	Seconds      float64       `json:"age"`          // the same
	Standby      bool          `json:"standby"`      // the server is one
	Replicas     int           `json:"standbys"`     // standbys that are connected
	SeesAll      bool          `json:"sees_all"`     // the role sees what sessions of other roles do
	Stores       []Store       `json:"tables"`       // in the order of their names
	Searches     []Search      `json:"indexes"`      // in the order of their names
	Foreign      []Reference   `json:"foreign"`      // in the order of tables and names
	Open         []Unchecked   `json:"unchecked"`    // in the order of tables and names
	Counters     []Counter     `json:"counters"`     // in the order of tables and columns
	Dated        []Dated       `json:"dated"`        // in the order of tables and columns
	Holders      []Holder      `json:"holders"`      // oldest first
	Hypothetical string        `json:"hypothetical"` // schema of the extension hypopg as SQL, "" if it is not there, or the role may not use it
	Identity     bool          `json:"identities"`   // some column is GENERATED AS IDENTITY
}

// Store is a table that has rows of its own, or is partitioned.
type Store struct {
	OID       uint32   `json:"oid"`
	Name      string   `json:"name"`   // as SQL, with its schema
	Parent    uint32   `json:"parent"` // oid of the table that it is a partition of, 0 for none
	Kind      Kind     `json:"kind"`
	Rows      float64  `json:"rows"`      // as estimated by the last ANALYZE, -1 if there was none
	Pages     int64    `json:"pages"`     // on disk, of 8 kB
	Live      int64    `json:"live"`      // rows, as counted
	Dead      int64    `json:"dead"`      // versions of rows that VACUUM has yet to remove
	Modified  int64    `json:"modified"`  // rows since the last ANALYZE
	Written   int64    `json:"written"`   // rows inserted, updated and deleted
	Read      int64    `json:"read"`      // rows read by any scan
	Texts     []string `json:"texts"`     // columns that have texts
	Partition []string `json:"partition"` // columns that it is partitioned by
}

// Search is an index by what it is used for.
type Search struct {
	OID        uint32   `json:"oid"`
	Table      uint32   `json:"table"`
	Name       string   `json:"name"` // as SQL, with its schema
	Method     string   `json:"method"`
	Columns    []string `json:"columns"`  // of the keys, "" for an expression
	Keys       []string `json:"keys"`     // each with what it is compared and sorted by
	Included   []string `json:"included"` // columns that are no keys
	Predicate  string   `json:"predicate"`
	Collations []bool   `json:"collations"` // a key compares texts as a language does, so that LIKE cannot use it
	Unique     bool     `json:"unique"`
	Needed     bool     `json:"needed"`    // a constraint or replication refers to it
	Valid      bool     `json:"valid"`     // it is complete, and queries use it
	Building   bool     `json:"building"`  // it is being built, or may be
	Partition  bool     `json:"partition"` // it belongs to an index of a partitioned table
	Scans      int64    `json:"scans"`     // also of the indexes of partitions
	Bytes      int64    `json:"bytes"`     // also of the indexes of partitions
}

// Reference is a foreign key.
type Reference struct {
	Table   uint32   `json:"table"`
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Quoted  []string `json:"quoted"`  // the same as SQL
	Indexed bool     `json:"indexed"` // an index finds the rows that refer
	Target  string   `json:"target"`  // as SQL, with its schema
	Follows bool     `json:"follows"` // deleting a row there deletes or changes rows here
}

// Unchecked is a constraint that was added with NOT VALID.
type Unchecked struct {
	Table    uint32 `json:"table"`
	Name     string `json:"name"` // as SQL
	SQL      string `json:"sql"`
	Enforced bool   `json:"enforced"`
}

// Counter is a sequence and a column that has its values: its own, or one that refers
// to that by a foreign key.
type Counter struct {
	Table    uint32 `json:"table"`
	Column   string `json:"column"` // as SQL
	Type     string `json:"type"`
	Sequence string `json:"sequence"` // as SQL, with its schema
	Last     *int64 `json:"last"`     // nil if there is none yet, or the role may not read it
	Most     int64  `json:"most"`     // that the sequence gives and the column holds, of one that grows
	Serial   bool   `json:"serial"`   // the column has a default and is no identity
	Hidden   bool   `json:"hidden"`   // the role may not read the sequence
	Refers   bool   `json:"refers"`   // the column is that of a foreign key
}

// Dated is a column of a type that is regretted.
type Dated struct {
	Table  uint32 `json:"table"`
	Column string `json:"column"` // as SQL
	Type   string `json:"type"`
}

// Holder keeps VACUUM from removing what was deleted since.
type Holder struct {
	Kind    string  `json:"kind"` // "transaction", "slot", "prepared transaction"
	Name    string  `json:"name"` // pid, name of the slot, or identifier
	State   string  `json:"state"`
	Program string  `json:"program"` // application_name
	Seconds float64 `json:"seconds"` // since it began, 0 if that is not known
	Age     int64   `json:"age"`     // in transactions
}

// HealthOf asks a database. It is one round trip.
func HealthOf(ctx context.Context, db Querier) (*Health, error) {
	rows, err := db.Query(ctx, traced.Pass(healthSQL, "", "catalog"), pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	text, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	h := new(Health)
	if err := json.Unmarshal([]byte(text), h); err != nil {
		return nil, fmt.Errorf("the catalog's answer: %w", err)
	}
	h.Age = time.Duration(h.Seconds * float64(time.Second))
	return h, nil
}

// Store returns the table with an oid, nil if there is none.
func (h *Health) Store(oid uint32) *Store {
	for i := range h.Stores {
		if h.Stores[i].OID == oid {
			return &h.Stores[i]
		}
	}
	return nil
}

// Named returns the table with a name as SQL, nil if there is none.
func (h *Health) Named(name string) *Store {
	for i := range h.Stores {
		if h.Stores[i].Name == name {
			return &h.Stores[i]
		}
	}
	return nil
}

// Names returns the tables that names lead to, which are SQL and found by the
// search_path, by their oids; 0 for one that leads to none. It is one round trip.
func Names(ctx context.Context, db Querier, names []string) ([]uint32, error) {
	rows, err := db.Query(ctx, `SELECT coalesce(`+RelationSQL+`, 0)::int8 FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY AS asked(name, at) ORDER BY asked.at`,
		pgx.QueryExecModeExec, names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (oid uint32, err error) {
		var n int64
		err = row.Scan(&n)
		return uint32(n), err //nolint:gosec // it is an oid
	})
}

// Uses returns how often a server used each index since it counts, and for how long it
// does. The oids are those of the primary. It is two round trips.
func Uses(ctx context.Context, db Querier) (uses map[uint32]int64, age time.Duration, err error) {
	rows, err := db.Query(ctx, `SELECT s.indexrelid::int8, coalesce(s.idx_scan, 0) FROM pg_catalog.pg_stat_user_indexes s`, pgx.QueryExecModeExec)
	if err != nil {
		return nil, 0, err
	}
	uses = map[uint32]int64{}
	var oid, scans int64
	if _, err := pgx.ForEachRow(rows, []any{&oid, &scans}, func() error {
		uses[uint32(oid)] = scans //nolint:gosec // it is an oid
		return nil
	}); err != nil {
		return nil, 0, err
	}
	rows, err = db.Query(ctx, `SELECT `+ageSQL, pgx.QueryExecModeExec)
	if err != nil {
		return nil, 0, err
	}
	seconds, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[float64])
	return uses, time.Duration(seconds * float64(time.Second)), err
}

// Statistics are what the last ANALYZE noted of a column.
type Statistics struct {
	Common []string // values that many rows have, most common first
	Bounds []string // values that part the others into shares of one size
}

// StatisticsOf returns the statistics of a column, which are empty if the role may not
// read it. It is one round trip.
func StatisticsOf(ctx context.Context, db Querier, table uint32, column string) (s Statistics, err error) {
	rows, err := db.Query(ctx, `SELECT coalesce(p.most_common_vals::text::text[], '{}'), coalesce(p.histogram_bounds::text::text[], '{}')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_catalog.pg_stats p ON p.schemaname = n.nspname AND p.tablename = c.relname AND p.attname = $2::text
		WHERE c.oid = $1::int8::oid ORDER BY p.inherited DESC LIMIT 1`, pgx.QueryExecModeExec, int64(table), column)
	if err != nil {
		return s, err
	}
	_, err = pgx.ForEachRow(rows, []any{&s.Common, &s.Bounds}, func() error { return nil })
	return s, err
}
