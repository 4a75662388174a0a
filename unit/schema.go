package unit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/table"
)

// What a plan must know of the database is looked up when it is first needed.
// The types of a table's columns are remembered for the table, and the foreign
// keys for the database and the set of tables. Both may be outdated when they
// are used:
//
//   - An error that outdated foreign keys can cause makes them forgotten
//     (forgetIf), and the flush is tried once more (alone).
//   - A ring is an error before anything is sent, so foreign keys that were
//     remembered are looked up again before it is returned (prepare).
//   - An error that outdated types can cause makes the types forgotten
//     (flush.Statement.Explain). It is returned: the next flush knows better.

// schema is what a plan must know of the database.
type schema struct {
	database string
	ordered  []*table.Table // those whose foreign keys matter
	keys     []flush.ForeignKey
	cached   bool // keys were known already
	tables   []tableTypes
}

type tableTypes struct {
	table *table.Table
	types *flush.Types
}

// lookUp looks up what was not looked up before in the database that conn is
// connected to.
func (u *work) lookUp(ctx context.Context, db smrt.DB, conn *pgx.Conn) (s *schema, err error) {
	s = &schema{database: databaseOf(conn), ordered: u.ordered()}
	if len(s.ordered) > 0 {
		if s.keys, s.cached, err = flush.ForeignKeys(ctx, db, s.database, s.ordered); err != nil {
			return nil, err
		}
	}
	for _, o := range u.ops {
		if s.typesOf(o.table) != nil {
			continue
		}
		types, err := flush.TypesOf(ctx, db, o.table)
		if err != nil {
			return nil, o.failed(err)
		}
		s.tables = append(s.tables, tableTypes{o.table, types})
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

// typesOf returns the types of the columns of a table, or nil.
func (s *schema) typesOf(t *table.Table) *flush.Types {
	for i := range s.tables {
		if s.tables[i].table == t {
			return s.tables[i].types
		}
	}
	return nil
}

// keyType returns the type of the key of a table, which is one column.
func (s *schema) keyType(t *table.Table) string { return (*s.typesOf(t))[t.Key[0].Column.Name].Name }

// forget lets the foreign keys be looked up again.
func (s *schema) forget() { flush.ForgetForeignKeys(s.database, s.ordered) }

// databaseKey is where a connection keeps the name of its database.
const databaseKey = "smrt.unit.database"

// databaseOf returns a name that tells databases apart, and what an unqualified
// name means in them. It is made once for each connection. Without a
// connection, which a handle of somebody else's may not have, it is empty.
func databaseOf(conn *pgx.Conn) string {
	if conn == nil {
		return ""
	}
	data := conn.PgConn().CustomData()
	if name, ok := data[databaseKey].(string); ok {
		return name
	}
	c := conn.Config()
	name := fmt.Sprintf("%s:%d/%s %s %q", c.Host, c.Port, c.Database, c.User, c.RuntimeParams["search_path"])
	data[databaseKey] = name
	return name
}
