package readreplica_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// TestDetect tells engines apart by their answers, which real ones cannot be
// made to give here.
func TestDetect(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]readreplica.Engine{
		"1": readreplica.PostgreSQL, "2": readreplica.Aurora, "3": readreplica.CockroachDB, "4": readreplica.YugabyteDB, "pooler": readreplica.Pooled,
	} {
		f := &fakeServer{version: "15.4", pid: 77, answer: func(sql string) ([]string, error) {
			switch {
			case strings.Contains(sql, "CockroachDB"):
				return []string{map[string]string{"pooler": "1"}[kind] + strings.TrimPrefix(kind, "pooler")}, nil
			case strings.Contains(sql, "pg_backend_pid"):
				return []string{map[bool]string{true: "1234", false: "77"}[kind == "pooler"]}, nil
			case strings.Contains(sql, "pg_current_wal_insert_lsn"):
				return []string{"false", "(1300,2022,42,now)", "000000010000000000000000", "0/3E8", "0/3E8", "8192", "16MB"}, nil
			case strings.Contains(sql, "system_identifier"):
				if kind != "1" {
					return nil, errNoSuch
				}
				return []string{"f", "f", "42", "00000001", "1000", "f", "f", "f"}, nil
			case strings.Contains(sql, "pg_is_in_recovery"):
				return []string{"f", "f"}, nil
			}
			return nil, nil
		}}
		r, err := readreplica.Open(t.Context(), readreplica.Config{
			Servers: []readreplica.Server{{Pool: f.pool(t)}}, TokenSecret: []byte("0123456789abcdef"),
		})
		check.NoError(t, err)
		check.Same(t, "engine", r.Stats().Engine, want)
		session := readreplica.WithSession(t.Context())
		_, err = r.Exec(session, "UPDATE t SET a = 1")
		check.NoError(t, err)
		_, err = r.Token(session)
		check.NoError(t, err)
		if want == readreplica.Aurora || want == readreplica.Pooled {
			_, err = r.Reader().Exec(readreplica.WithMaxStale(t.Context(), time.Second), "SELECT 1")
			check.Error(t, "age", err, smrt.ErrBadOptions)
			_, err = r.Reader().Exec(readreplica.WithPosition(t.Context(), smrt.Position{LSN: 1}), "SELECT 1")
			check.Error(t, "position", err, smrt.ErrBadOptions)
			_, err = r.Position(session)
			check.Error(t, "position", err, smrt.ErrBadOptions)
		}
		r.Close()
	}
}

// TestWaitForLSN lets a server of a version that can wait do so.
func TestWaitForLSN(t *testing.T) {
	t.Parallel()
	primary := &fakeServer{version: "19.1", pid: 1, answer: func(sql string) ([]string, error) {
		switch {
		case strings.Contains(sql, "received_tli"):
			return []string{"f", "f", "42", "00000001", "1000", "f", "f", "f"}, nil
		case strings.Contains(sql, "pg_current_wal_insert_lsn"):
			return []string{"false", "(1300,2022,42,now)", "000000010000000000000000", "0/3E8", "0/3E8", "8192", "16MB"}, nil
		}
		return nil, nil
	}}
	var position atomic.Value
	position.Store("900")
	standby := &fakeServer{version: "19.1", pid: 2, answer: func(sql string) ([]string, error) {
		switch {
		case strings.Contains(sql, "received_tli"):
			return []string{"t", "t", "42", "1", position.Load().(string), "f", "t", "f"}, nil
		case strings.Contains(sql, "WAIT FOR LSN"):
			position.Store("1010")
			return []string{"success"}, nil
		case strings.Contains(sql, "pg_last_wal_replay_lsn"):
			return []string{"t", map[string]string{"900": "0/384", "1000": "0/3E8", "1010": "0/3F2"}[position.Load().(string)]}, nil
		}
		return nil, nil
	}}
	r, err := readreplica.Open(t.Context(), readreplica.Config{
		Servers:  []readreplica.Server{{Name: "primary", Pool: primary.pool(t)}, {Name: "standby", Pool: standby.pool(t)}},
		Engine:   readreplica.PostgreSQL,
		Fallback: readreplica.Strict, Wait: testdb.Patience(time.Second),
	})
	check.NoError(t, err)
	defer r.Close()
	eventually(t, "the standby is fresh enough", 5*time.Second, func() bool {
		position.Store("1000")
		return r.Stats().Nodes[1].Reading
	})
	need := smrt.Position{System: 42, Timeline: 1, LSN: 1005} // the primary is at 1000: within what may be new
	_, err = r.Reader().Exec(readreplica.WithPosition(t.Context(), need), "SELECT 1")
	check.NoError(t, err)
	if n := standby.sentContaining("WAIT FOR LSN '0/3ED'"); n == 0 {
		t.Error("the server was not asked to wait")
	}
}

// TestPooled goes through a real PgBouncer in front of each server.
func TestPooled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 300*time.Millisecond)
	cfg := readreplica.Config{Pool: pool.Config{MaxConns: 4}, Sticky: testdb.Patience(200 * time.Millisecond), ProbeInterval: 200 * time.Millisecond}
	for _, s := range append([]*testdb.Server{c.primary}, c.standbys...) {
		b := testdb.StartPgBouncer(t, testdb.PgBouncerConfig{Server: s})
		cfg.Servers = append(cfg.Servers, readreplica.Server{URL: b.DSN("postgres")})
	}
	r, err := readreplica.Open(t.Context(), cfg)
	check.NoError(t, err)
	defer r.Close()
	check.Same(t, "engine", r.Stats().Engine, readreplica.Pooled)
	rows := repo.New(r, counters)
	session := readreplica.WithSession(t.Context())
	for n := range int64(20) {
		check.NoError(t, bump(session, rows, 1, n))
		got, err := rows.Get(session, 1)
		check.NoError(t, err)
		check.Same(t, "a read after a write", got.N, n)
	}
	n := int64(20)
	eventually(t, "a read without a session is behind", 2*time.Second, func() bool {
		n++
		check.NoError(t, bump(session, rows, 1, n))
		return check.Value(rows.Get(t.Context(), 1))(t).N != n
	})
	primary := r.Stats().Nodes[0].Name
	eventually(t, "the session reads from the standby again", 2*time.Second, func() bool {
		before := reads(r)[primary]
		check.Value(rows.Get(session, 1))(t)
		return reads(r)[primary] == before
	})
}
