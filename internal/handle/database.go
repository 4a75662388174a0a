package handle

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/kept"
)

// Database names the database that db is of, who asks it, and what an unqualified name
// means in it, as far as the settings of the connections say. What was learnt of the
// catalog under one name must not be taken for true under another. Handles with
// one name are of one database; a database may have several names.
//
// The name is empty if db says nothing and cannot be recognised. Then nothing
// that was learnt on it may be kept.
func Database(db any) string {
	switch db := kin(Root(db)).(type) {
	case *pgx.Conn:
		return databaseOf(db)
	case interface{ Conn() *pgx.Conn }: // a transaction, or a connection of a pool
		if conn := db.Conn(); conn != nil {
			return databaseOf(conn)
		}
		return ""
	case interface{ Config() *pgxpool.Config }:
		name, _ := databases.Of(db, func() string { return nameOf(db.Config().ConnConfig) })
		return name
	default:
		name, _ := databases.Of(db, func() string { return "handle " + strconv.FormatUint(databases.unnamed.Add(1), 10) })
		return name
	}
}

// databases has the names of pools, whose configuration is expensive to ask for,
// and of handles that say nothing.
var databases = newDatabases()

type databaseNames struct {
	Kept[string]
	unnamed atomic.Uint64 // handles that say nothing
}

func newDatabases() *databaseNames {
	d := &databaseNames{}
	kept.Add("handles", d, (*databaseNames).report, kept.Never[*databaseNames])
	return d
}

func (d *databaseNames) report() (r kept.Report) {
	for name := range d.All() {
		r.Entries++
		r.Bytes += int64(len(name))
	}
	return r
}

// databaseKey is where a connection keeps the name of its database.
const databaseKey = "smrt.database"

func databaseOf(conn *pgx.Conn) string {
	data := conn.PgConn().CustomData()
	if name, ok := data[databaseKey].(string); ok {
		return name
	}
	name := nameOf(conn.Config())
	data[databaseKey] = name
	return name
}

func nameOf(c *pgx.ConnConfig) string {
	return fmt.Sprintf("%s:%d/%s %s %q %q %q", c.Host, c.Port, c.Database, c.User, c.RuntimeParams["role"], c.RuntimeParams["search_path"], c.RuntimeParams["options"])
}
