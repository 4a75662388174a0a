package smrtprom_test

import (
	"testing"
	"time"

	smrtprom "github.com/smrt-go/smrt/contrib/prometheus"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/readreplica"
)

// replicated opens a router over a primary and a standby.
func replicated(t *testing.T) (r *readreplica.Router, primary, standby *testdb.Server) {
	t.Helper()
	primary = testdb.Primary(t, testdb.Config{})
	standby = check.Value(primary.Standby(t.Context(), testdb.StandbyConfig{}))(t)
	r = check.Value(readreplica.Open(t.Context(), readreplica.Config{
		Servers: []readreplica.Server{{Name: "first", URL: primary.DSN("postgres")}, {Name: "second", URL: standby.DSN("postgres")}},
		Pool:    pool.Config{MaxConns: 3, AcquireTimeout: testdb.Patience(2 * time.Second)}, PrimaryShare: 1,
		ProbeInterval: 50 * time.Millisecond, ProbeTimeout: testdb.Patience(250 * time.Millisecond),
	}))(t)
	t.Cleanup(r.Close)
	return r, primary, standby
}

// readSomewhere reads where the router sends reads.
func readSomewhere(t *testing.T, r *readreplica.Router) {
	t.Helper()
	rows := check.Value(r.Reader().Query(t.Context(), "SELECT 1"))(t)
	rows.Close()
	check.NoError(t, rows.Err())
}

// until waits until a scrape has what is wanted.
func until(t *testing.T, s *site, want map[string]float64) {
	t.Helper()
	limit := time.Now().Add(testdb.Patience(10 * time.Second))
	for {
		got, missing := samples(t, s.text(t)), ""
		for series, n := range want {
			if is, ok := got[series]; !ok || is != n {
				missing = series
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s is %v, want %v", missing, got[missing], want[missing])
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestRoutersAreScraped: the nodes of a router with their state, who served reads, and reads
// that fell back to the primary.
func TestRoutersAreScraped(t *testing.T) {
	t.Parallel()
	r, _, standby := replicated(t)
	s := serve(t, smrtprom.Config{Routers: map[string]*readreplica.Router{"main": r}})
	until(t, s, map[string]float64{
		`smrt_replica_up{node="first",router="main"}`: 1, `smrt_replica_primary{node="first",router="main"}`: 1,
		`smrt_replica_up{node="second",router="main"}`: 1, `smrt_replica_primary{node="second",router="main"}`: 0,
		`smrt_replica_reading{node="second",router="main"}`: 1, `smrt_replica_breaker_state{node="second",router="main"}`: 0,
		`smrt_replica_behind_bytes{node="second",router="main"}`: 0, `smrt_replica_fallbacks_total{router="main"}`: 0,
	})
	readSomewhere(t, r)
	check.Same(t, "reads of the standby", samples(t, s.text(t))[`smrt_replica_reads_total{node="second",router="main"}`], 1)

	check.NoError(t, standby.Stop(t.Context()))
	until(t, s, map[string]float64{
		`smrt_replica_up{node="second",router="main"}`: 0, `smrt_replica_reading{node="second",router="main"}`: 0,
	})
	down := samples(t, s.text(t))
	if state := down[`smrt_replica_breaker_state{node="second",router="main"}`]; state == 0 {
		t.Error("the breaker of a node that is down is closed")
	}
	readSomewhere(t, r)
	got := samples(t, s.text(t))
	check.Same(t, "fallbacks", got[`smrt_replica_fallbacks_total{router="main"}`]-down[`smrt_replica_fallbacks_total{router="main"}`], 1)
	check.Same(t, "reads of the primary", got[`smrt_replica_reads_total{node="first",router="main"}`]-down[`smrt_replica_reads_total{node="first",router="main"}`], 1)
}
