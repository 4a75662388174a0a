package flush

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/internal/traced"
)

// The planner of a unit must know the foreign keys among its tables, and the
// types of their columns. Both are looked up when they are first needed, and
// remembered until an error of the server says that they may have changed.

// ForeignKey is a foreign key between two declared tables.
type ForeignKey struct {
	Name       string // for messages
	Constraint string // qualified and quoted
	From, To   *table.Table
	Columns    []*meta.Column // of From
	Refers     []*meta.Column // of To, at the same places
	Nullable   []*meta.Column // of From: if these are NULL, a row refers to none; empty if they cannot be
	Deferrable bool
	Deferred   bool // without being told
	Cascades   bool // a row goes, or lets go, when the row it refers to is deleted
}

// Equal reports whether two foreign keys are treated alike.
func (k ForeignKey) Equal(other ForeignKey) bool {
	return k.Constraint == other.Constraint && k.From == other.From && k.To == other.To && slices.Equal(k.Nullable, other.Nullable) &&
		k.Deferrable == other.Deferrable && k.Deferred == other.Deferred && k.Cascades == other.Cascades
}

// foreignKeysSQL finds the foreign keys among some tables, which it names by
// their places in the list. Tables that do not exist have none.
const foreignKeysSQL = `WITH named AS (
	SELECT asked.at, ` + catalog.RelationSQL + ` AS oid FROM unnest($1::text[]) WITH ORDINALITY AS asked(name, at))
SELECT c.conname::text, quote_ident(n.nspname) || '.' || quote_ident(c.conname), f.at::integer, t.at::integer,
	(SELECT array_agg(a.attname::text ORDER BY k.at) FROM unnest(c.conkey) WITH ORDINALITY AS k(num, at)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num),
	(SELECT array_agg(a.attname::text ORDER BY k.at) FROM unnest(c.confkey) WITH ORDINALITY AS k(num, at)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num),
	(SELECT array_agg(a.attnotnull ORDER BY k.at) FROM unnest(c.conkey) WITH ORDINALITY AS k(num, at)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num),
	c.confmatchtype = 'f', c.condeferrable, c.condeferred, c.confdeltype IN ('c', 'n', 'd')
FROM named f JOIN pg_catalog.pg_constraint c ON c.conrelid = f.oid AND c.contype = 'f'
JOIN named t ON c.confrelid = t.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
ORDER BY 3, 4, 1`

// foreignKeys has what was looked up, by database and tables.
var foreignKeys = newKnown()

// known is what was looked up. It keeps no table alive: a table that is gone takes
// what is known of it along.
type known struct {
	mu      sync.Mutex
	m       map[string]*among
	watched map[uint64]bool // tables by their IDs, until they are gone
}

// among is what was looked up of one set of tables: the foreign keys without their
// tables, and at which places of the set those are.
type among struct {
	tables []uint64
	keys   []ForeignKey
	ends   [][2]int
}

func newKnown() *known {
	k := &known{m: map[string]*among{}, watched: map[uint64]bool{}}
	kept.Add("foreign keys", k, (*known).report, (*known).shrink)
	return k
}

// foreignKeyBytes is about what is kept of a foreign key.
const foreignKeyBytes = 256

func (k *known) report() kept.Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := kept.Report{Entries: len(k.m), Capacity: maxTableSets}
	for key, a := range k.m {
		r.Bytes += int64(len(key) + len(a.keys)*foreignKeyBytes)
	}
	return r
}

func (k *known) shrink(to int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.m) > to {
		clear(k.m)
	}
}

// of returns the foreign keys of a set of tables.
func (k *known) of(key string, tables []*table.Table) ([]ForeignKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.m[key]
	if a == nil {
		return nil, false
	}
	found := slices.Clone(a.keys)
	for i, ends := range a.ends {
		found[i].From, found[i].To = tables[ends[0]], tables[ends[1]]
	}
	return found, true
}

// keep keeps the foreign keys of a set of tables, as long as all of them are there.
func (k *known) keep(key string, tables []*table.Table, found []ForeignKey) {
	a := &among{keys: slices.Clone(found)}
	for i := range a.keys {
		f := &a.keys[i]
		a.ends = append(a.ends, [2]int{slices.Index(tables, f.From), slices.Index(tables, f.To)})
		f.From, f.To = nil, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range tables {
		a.tables = append(a.tables, t.ID)
		if !k.watched[t.ID] {
			k.watched[t.ID] = true
			runtime.AddCleanup(t, k.gone, t.ID)
		}
	}
	if len(k.m) >= maxTableSets {
		clear(k.m)
	}
	k.m[key] = a
}

// gone drops what is known of a table.
func (k *known) gone(id uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.watched, id)
	for key, a := range k.m {
		if slices.Contains(a.tables, id) {
			delete(k.m, key)
		}
	}
}

// maxTableSets bounds what is remembered. A program has a few sets of tables
// that it writes together.
const maxTableSets = 1024

// ForeignKeys returns the foreign keys among tables, each of them once. They
// are looked up once for each database, which database names, and each time if it
// has no name.
func ForeignKeys(ctx context.Context, db smrt.DB, database string, tables []*table.Table) (found []ForeignKey, cached bool, err error) {
	key := foreignKeysOf(database, tables)
	if found, ok := foreignKeys.of(key, tables); ok {
		return found, true, nil
	}
	if found, err = lookUpForeignKeys(ctx, db, tables); err != nil || database == "" {
		return found, false, err
	}
	foreignKeys.keep(key, tables, found)
	return found, false, nil
}

// ForgetForeignKeys lets them be looked up again.
func ForgetForeignKeys(database string, tables []*table.Table) {
	foreignKeys.mu.Lock()
	defer foreignKeys.mu.Unlock()
	delete(foreignKeys.m, foreignKeysOf(database, tables))
}

// foreignKeysOf returns the key of foreignKeys.m. Two declarations of one
// table are two tables here, so that the columns are those of the right one.
func foreignKeysOf(database string, tables []*table.Table) string {
	var b strings.Builder
	b.WriteString(database)
	for _, t := range tables {
		b.WriteByte(0)
		b.WriteString(strconv.FormatUint(t.ID, 36))
	}
	return b.String()
}

func lookUpForeignKeys(ctx context.Context, db smrt.DB, tables []*table.Table) ([]ForeignKey, error) {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Quoted
	}
	rows, err := db.Query(ctx, traced.Pass(foreignKeysSQL, "", "catalog"), names)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []ForeignKey
	for rows.Next() {
		var k ForeignKey
		var from, to int
		var columns, refers []string
		var required []bool
		var full bool
		if err := rows.Scan(&k.Name, &k.Constraint, &from, &to, &columns, &refers, &required, &full, &k.Deferrable, &k.Deferred, &k.Cascades); err != nil {
			return nil, err
		}
		k.From, k.To = tables[from-1], tables[to-1]
		k.Columns, k.Refers = columnsNamed(k.From, columns), columnsNamed(k.To, refers)
		k.Nullable = nullable(&k, required, full)
		found = append(found, k)
	}
	return found, rows.Err()
}

// nullable chooses the columns that can be NULL, in the database and in the
// struct. One of them is enough, unless the constraint says MATCH FULL.
func nullable(k *ForeignKey, required []bool, full bool) (columns []*meta.Column) {
	for i, col := range k.Columns {
		switch {
		case col != nil && col.Nullable && !required[i] && slices.Contains(k.From.Writable, col):
			columns = append(columns, col)
		case full:
			return nil
		}
	}
	return columns
}

// columnsNamed finds columns; those that the struct does not have are nil.
func columnsNamed(t *table.Table, names []string) []*meta.Column {
	columns := make([]*meta.Column, len(names))
	for i, name := range names {
		columns[i] = t.Struct.ByName(name)
	}
	return columns
}
