package unit

import (
	"context"
	"slices"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/table"
)

// What a plan must know of the database is looked up when it is first needed,
// and remembered for the database: what the catalog says of each table, and the
// foreign keys of the set of tables. Both may be outdated when they
// are used:
//
//   - An error that outdated foreign keys can cause makes them forgotten
//     (forgetIf), and a flush in one round trip is tried once more (alone).
//   - A ring is an error before anything is sent, so foreign keys that were
//     remembered are looked up again before it is returned (prepare).
//   - An error that an outdated catalog can cause makes it forgotten
//     (flush.Statement.Explain). It is returned: the next flush knows better.

// schema is what a plan must know of the database.
type schema struct {
	database string
	ordered  []*table.Table // those whose foreign keys matter
	keys     []flush.ForeignKey
	cached   bool // keys were known already
	tables   []tableCatalog

	unordered bool // rows of a result come in any order
}

type tableCatalog struct {
	table   *table.Table
	catalog *table.Catalog
}

// lookUp looks up what was not looked up before in the database of db.
func (u *work) lookUp(ctx context.Context, db smrt.DB) (s *schema, err error) {
	s = &schema{database: handle.Database(db), ordered: u.ordered(), unordered: !handle.KeepsOrder(db)}
	if len(s.ordered) > 0 {
		if s.keys, s.cached, err = flush.ForeignKeys(ctx, db, s.database, s.ordered); err != nil {
			return nil, err
		}
	}
	for _, o := range u.ops {
		catalog := s.catalogOf(o.table)
		if catalog == nil {
			if catalog, err = o.table.Catalog(ctx, db); err != nil {
				return nil, o.failed(err)
			}
			s.tables = append(s.tables, tableCatalog{o.table, catalog})
		}
		if err := o.build(ctx, db, catalog); err != nil {
			return nil, o.failed(err)
		}
	}
	return s, nil
}

// ordered returns the tables whose order matters: those where rows appear or
// go, by name. There are none if that is one row, and then no foreign keys are
// needed.
func (u *work) ordered() []*table.Table {
	var tables []*table.Table
	var last *table.Table
	rows := 0
	for _, o := range u.ops {
		if o.kind != creates && o.kind != deletes {
			continue
		}
		rows++
		if o.table != last && !slices.Contains(tables, o.table) {
			tables = append(tables, o.table)
		}
		last = o.table
	}
	if rows < 2 {
		return nil
	}
	slices.SortFunc(tables, func(a, b *table.Table) int { return strings.Compare(a.Quoted, b.Quoted) })
	return tables
}

// catalogOf returns what is known of a table, or nil.
func (s *schema) catalogOf(t *table.Table) *table.Catalog {
	for i := range s.tables {
		if s.tables[i].table == t {
			return s.tables[i].catalog
		}
	}
	return nil
}

// keyType returns the type of the key, or the part of one, that a reference is to.
func (s *schema) keyType(r reference) string {
	return s.catalogOf(r.to.table).Columns[r.part.Name].Name
}

// forgetCatalogs lets what is known of the unit's tables be asked for again.
func (u *work) forgetCatalogs(db smrt.DB, err error) {
	for _, o := range u.ops {
		o.table.ForgetCatalog(db, err)
	}
}

// forget lets the foreign keys be looked up again.
func (s *schema) forget() { flush.ForgetForeignKeys(s.database, s.ordered) }
