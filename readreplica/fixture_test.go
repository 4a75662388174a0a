package readreplica_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// counter is what the tests write and read.
type counter struct {
	ID int64
	N  int64
}

var (
	counters = query.NewTable("counters", func(c *counter) *int64 { return &c.ID })
	countN   = query.Col(func(c *counter) *int64 { return &c.N })
)

const counterSQL = `CREATE TABLE counters (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0);
	INSERT INTO counters SELECT i FROM generate_series(1, 100) AS i;
	CREATE FUNCTION writes(which bigint) RETURNS bigint LANGUAGE sql AS 'UPDATE counters SET n = n + 1 WHERE id = which RETURNING n'`

// cluster is a primary with standbys.
type cluster struct {
	primary  *testdb.Server
	standbys []*testdb.Server
}

// newCluster starts a primary and a standby for each delay of replay.
func newCluster(t testing.TB, delays ...time.Duration) *cluster {
	t.Helper()
	return clusterOf(t, testdb.Config{}, delays...)
}

// unrelatedCluster returns a cluster that no other was copied from.
func unrelatedCluster(t testing.TB) *cluster {
	t.Helper()
	return clusterOf(t, testdb.Config{Unrelated: true})
}

func clusterOf(t testing.TB, cfg testdb.Config, delays ...time.Duration) *cluster {
	t.Helper()
	c := &cluster{primary: testdb.Primary(t, cfg)}
	conn := connect(t, c.primary)
	_, err := conn.Exec(t.Context(), counterSQL)
	check.NoError(t, err)
	check.NoError(t, conn.Close(t.Context()))
	for _, d := range delays {
		s, err := c.primary.Standby(t.Context(), testdb.StandbyConfig{ReplayDelay: d})
		check.NoError(t, err)
		c.standbys = append(c.standbys, s)
	}
	return c
}

func connect(t testing.TB, s *testdb.Server) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN("postgres"))
	check.NoError(t, err)
	return conn
}

// flushSoon makes commits that do not wait for the log wait for less.
func (c *cluster) flushSoon(t testing.TB) {
	t.Helper()
	conn := connect(t, c.primary)
	for _, sql := range []string{"ALTER SYSTEM SET wal_writer_delay = '5ms'", "SELECT pg_reload_conf()"} {
		_, err := conn.Exec(t.Context(), sql)
		check.NoError(t, err)
	}
	check.NoError(t, conn.Close(t.Context()))
}

// servers are the cluster's, primary first, as "primary", "standby1", "standby2".
func (c *cluster) servers() []readreplica.Server {
	list := []readreplica.Server{{Name: "primary", URL: c.primary.DSN("postgres")}}
	for i, s := range c.standbys {
		list = append(list, readreplica.Server{Name: "standby" + string(rune('1'+i)), URL: s.DSN("postgres")})
	}
	return list
}

// open opens a router that probes often. The primary may take all reads, because
// the standbys of a busy machine are behind: limits have tests of their own.
func (c *cluster) open(t testing.TB, change ...func(*readreplica.Config)) *readreplica.Router {
	t.Helper()
	cfg := readreplica.Config{
		Servers: c.servers(), Pool: pool.Config{MaxConns: 10, AcquireTimeout: testdb.Patience(2 * time.Second)}, PrimaryShare: 1,
		ProbeInterval: 200 * time.Millisecond, ProbeTimeout: testdb.Patience(250 * time.Millisecond), TokenSecret: []byte("0123456789abcdef"),
		OnEvent: func(e readreplica.Event) { t.Log(e) },
	}
	for _, f := range change {
		f(&cfg)
	}
	r, err := readreplica.Open(t.Context(), cfg)
	check.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// eventually waits until ok, and returns how long that took. The limit is that
// of a fast machine, see testdb.Patience.
func eventually(t testing.TB, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > testdb.Patience(limit) {
			t.Fatalf("%s: not within %v", what, testdb.Patience(limit))
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// reads tells how many reads each node has served.
func reads(r *readreplica.Router) map[string]uint64 {
	m := map[string]uint64{}
	for _, n := range r.Stats().Nodes {
		m[n.Name] = n.Reads
	}
	return m
}

func bump(ctx context.Context, rows *repo.Repository[counter, int64], id, n int64) error {
	return rows.Patch(ctx, id, countN.Set(n))
}

// shared is a database of the shared server.
func shared(tb testdb.TB) string {
	pool := testdb.Pool(tb, testdb.SQL("replica_counters", counterSQL))
	return pool.Config().ConnString()
}

func poolOn(tb testing.TB, s *testdb.Server) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), s.DSN("postgres"))
	check.NoError(tb, err)
	tb.Cleanup(pool.Close)
	return pool
}
