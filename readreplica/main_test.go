package readreplica_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(examples{m})) }

// examples runs the tests and stops the servers of the examples.
type examples struct{ m *testing.M }

func (e examples) Run() int {
	defer func() {
		for _, s := range exampleServers {
			_ = s.Stop(context.Background()) // nobody needs it any more
		}
	}()
	return e.m.Run()
}

var exampleServers []*testdb.Server

// dsns are the URLs of a primary and a standby for the examples, which stand
// for settings of a program. All examples share the two servers.
var dsns = sync.OnceValues(func() (db1, db2 string) {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	primary, err := testdb.Start(ctx, testdb.Config{})
	must(err)
	exampleServers = append(exampleServers, primary)
	standby, err := primary.Standby(ctx, testdb.StandbyConfig{})
	must(err)
	exampleServers = []*testdb.Server{standby, primary}
	conn, err := pgx.Connect(ctx, primary.DSN("postgres"))
	must(err)
	_, err = conn.Exec(ctx, `CREATE TABLE products (id bigint PRIMARY KEY, name text NOT NULL, price_cents bigint NOT NULL);
		INSERT INTO products VALUES (1, 'Assam', 500), (2, 'Keemun', 700), (3, 'Sencha', 900)`)
	must(err)
	must(conn.Close(ctx))
	must(standby.WaitForReplay(ctx, primary))
	return primary.DSN("postgres"), standby.DSN("postgres")
})
