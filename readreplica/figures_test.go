package readreplica_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
)

// TestStatsOfNodes proves what Stats says of each server.
func TestStatsOfNodes(t *testing.T) {
	t.Parallel()
	c, r := openFake(t, func(cfg *readreplica.Config) { cfg.ProbeInterval = 50 * time.Millisecond })
	s := r.Stats()
	check.Same(t, "engine", s.Engine, readreplica.PostgreSQL)
	for i, n := range s.Nodes {
		check.Same(t, "name", n.Name, []string{"primary", one, two}[i])
		check.Same(t, n.Name+": primary", n.Primary, i == 0)
		check.Same(t, n.Name+": up", n.Up, true)
		check.Same(t, n.Name+": reading", n.Reading, i > 0)
		check.Same(t, n.Name+": position", n.Position, smrt.Position{System: 42, Timeline: 1, LSN: 1000})
		check.Same(t, n.Name+": behind", n.Behind, 0)
		check.Same(t, n.Name+": in flight", n.InFlight, 0)
		if n.Age <= 0 || n.Latency <= 0 || n.Probe <= 0 {
			t.Errorf("%s: age %v, latency %v, probe %v", n.Name, n.Age, n.Latency, n.Probe)
		}
	}
	c.becomes(0, "f", "f", "42", "00000001", "1500", "f", "f", "f")
	c.becomes(2, "t", "t", "42", "1", "1400", "f", "t", "f")
	eventually(t, "the new positions are known", 5*time.Second, func() bool {
		n := r.Stats().Nodes
		return n[0].Position.LSN == 1500 && n[2].Position.LSN == 1400
	})
	for i, behind := range []uint64{0, 500, 100} {
		check.Same(t, "bytes behind", r.Stats().Nodes[i].Behind, behind)
	}
	// Numbers of two timelines cannot be subtracted.
	c.becomes(1, "t", "t", "42", "3", "7", "f", "t", "f")
	eventually(t, "another timeline", 5*time.Second, func() bool { return r.Stats().Nodes[1].Position.Timeline == 3 })
	check.Same(t, "bytes behind on another timeline", r.Stats().Nodes[1].Behind, 0)

	rows := check.Value(r.Reader().Query(t.Context(), "SELECT 1"))(t)
	inFlight := 0
	for _, n := range r.Stats().Nodes {
		inFlight += n.InFlight
	}
	check.Same(t, "reads under way", inFlight, 1)
	rows.Close()
}

// TestRedirectsAreCounted proves that a write which its server refuses as
// read-only is sent again, and no more often than helps.
func TestRedirectsAreCounted(t *testing.T) {
	t.Parallel()
	refuse := &pgconn.PgError{Code: "25006"}
	var refusals int
	primary := &fakeServer{version: "15.4", pid: 1}
	primary.answer = func(sql string) ([]string, error) {
		if sql == "DELETE FROM t" && refusals > 0 {
			refusals--
			return nil, refuse
		}
		return isPrimary, nil
	}
	r, err := readreplica.Open(t.Context(), readreplica.Config{
		Servers: []readreplica.Server{{Name: "primary", Pool: primary.pool(t)}},
		Engine:  readreplica.PostgreSQL, ProbeInterval: 20 * time.Millisecond,
	})
	check.NoError(t, err)
	defer r.Close()
	for _, x := range []struct {
		refused   int
		redirects uint64
		fails     bool
	}{{0, 0, false}, {1, 1, false}, {3, 3, false}, {100, 3, true}} { // four refusals are the statement's own fault
		refusals = x.refused
		before := r.Stats().Redirects
		_, err := r.Exec(t.Context(), "DELETE FROM t")
		var pg *pgconn.PgError
		check.Same(t, "fails", errors.As(err, &pg) && pg.Code == refuse.Code, x.fails)
		check.Same(t, "redirects", r.Stats().Redirects-before, x.redirects)
	}
}

// TestIdleConnectionsOfARouter lets the server end connections that were idle for
// too long: reads, writes and transactions are sent again, and no server is out.
// The control is a connection that was ended otherwise: that write may have been
// applied.
func TestIdleConnectionsOfARouter(t *testing.T) {
	t.Parallel()
	var events eventLog
	c, r := openFake(t, func(cfg *readreplica.Config) {
		cfg.ProbeInterval = 50 * time.Millisecond
		cfg.OnEvent = func(readreplica.Event) {}
		events.keep(cfg)
	})
	var left atomic.Int64
	code := "57P05"
	for _, s := range []*fakeServer{c.primary, c.first, c.second} {
		s.refuse = func(sql string) error {
			if (strings.HasPrefix(sql, "DELETE") || strings.HasPrefix(sql, "SELECT 77") || strings.HasPrefix(sql, "begin")) && left.Add(-1) >= 0 {
				return &pgconn.PgError{Code: code}
			}
			return nil
		}
	}
	run := map[string]func() error{
		"write": func() error { _, err := r.Exec(t.Context(), "DELETE FROM t"); return err },
		"read":  func() error { _, err := r.Reader().Exec(t.Context(), "SELECT 77"); return err },
		"transaction": func() error {
			tx, err := r.Begin(t.Context())
			if err == nil {
				err = tx.Rollback(t.Context())
			}
			return err
		},
		"read-only transaction": func() error {
			tx, err := r.Reader().Begin(t.Context())
			if err == nil {
				err = tx.Rollback(t.Context())
			}
			return err
		},
	}
	for what, fn := range run {
		left.Store(2)
		if err := fn(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		check.Same(t, what+": connections ended", left.Load() < 0, true)
	}
	check.Same(t, "servers that are out", len(events.of(readreplica.NodeDown)), 0)
	code = "57P01"
	left.Store(1)
	var pg *pgconn.PgError
	check.Same(t, "control: perhaps applied", errors.As(run["write"](), &pg) && pg.Code == code, true)
}
