package readreplica_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/readreplica"
)

// TestHysteresis proves how many failures in a row take a server out, and how
// many answers bring it back. Its probes fail by a script, and each notes whether
// the server was up when it arrived: what the one before it led to.
func TestHysteresis(t *testing.T) {
	t.Parallel()
	script := []struct {
		fails bool
		up    bool // when the probe arrives
	}{
		{true, true},
		{false, true}, // one failure is none
		{true, true},
		{true, true},
		{false, false}, // two are
		{true, false},  // an answer does not bring it back
		{false, false},
		{false, false},
		{false, false},
		{false, true}, // three do
	}
	var router atomic.Pointer[readreplica.Router]
	var mu sync.Mutex
	var seen []bool
	probed := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
	standby := &fakeServer{version: "15.4", pid: 2, answer: func(string) ([]string, error) { return isStandby, nil }}
	standby.refuse = func(sql string) error {
		r := router.Load()
		if !strings.Contains(sql, "received_tli") || r == nil {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if len(seen) == len(script) {
			return nil
		}
		seen = append(seen, r.Stats().Nodes[1].Up)
		if script[len(seen)-1].fails {
			return &pgconn.PgError{Code: "57P01"}
		}
		return nil
	}
	primary := &fakeServer{version: "15.4", pid: 1, answer: func(string) ([]string, error) { return isPrimary, nil }}
	r, err := readreplica.Open(t.Context(), readreplica.Config{
		Servers: []readreplica.Server{{Name: "primary", Pool: primary.pool(t)}, {Name: one, Pool: standby.pool(t)}},
		Engine:  readreplica.PostgreSQL, ProbeInterval: 40 * time.Millisecond, MaxStale: time.Hour,
		ProbeTimeout: testdb.Patience(time.Second),
	})
	check.NoError(t, err)
	defer r.Close()
	router.Store(r)
	eventually(t, "the script is over", 20*time.Second, func() bool { return probed() == len(script) })
	for i, step := range script {
		check.Same(t, "up before probe "+string(rune('0'+i)), seen[i], step.up)
	}
}

// TestASlowServerIsAvoided proves that reads go to the faster of two servers, and
// that the slow one gets reads again when its probes are fast.
func TestASlowServerIsAvoided(t *testing.T) {
	t.Parallel()
	const delay = 30 * time.Millisecond
	var slow atomic.Bool
	slow.Store(true)
	standby := func(first bool) func(sql string) ([]string, error) {
		return func(sql string) ([]string, error) {
			if first && slow.Load() {
				time.Sleep(delay)
			}
			if strings.Contains(sql, "received_tli") {
				return isStandby, nil
			}
			return nil, nil
		}
	}
	primary := &fakeServer{version: "15.4", pid: 1, answer: func(string) ([]string, error) { return isPrimary, nil }}
	first := &fakeServer{version: "15.4", pid: 2, answer: standby(true)}
	second := &fakeServer{version: "15.4", pid: 3, answer: standby(false)}
	r, err := readreplica.Open(t.Context(), readreplica.Config{
		Servers: []readreplica.Server{
			{Name: "primary", Pool: primary.pool(t)}, {Name: one, Pool: first.pool(t)}, {Name: two, Pool: second.pool(t)},
		},
		Engine: readreplica.PostgreSQL, ProbeInterval: 50 * time.Millisecond, MaxStale: time.Hour, ProbeTimeout: testdb.Patience(time.Second),
	})
	check.NoError(t, err)
	defer r.Close()
	read := func() {
		t.Helper()
		_, err := r.Reader().Exec(t.Context(), "SELECT 1")
		check.NoError(t, err)
	}
	// Every fourth read of a node is measured, so the slow one is known soon.
	eventually(t, "the slow server is known to be slow", 10*time.Second, func() bool {
		read()
		return r.Stats().Nodes[1].Latency > delay/10
	})
	before := reads(r)
	for range 100 {
		read()
	}
	after := reads(r)
	if a, b := after[one]-before[one], after[two]-before[two]; a >= b/4 {
		t.Errorf("%d reads on the slow server, %d on the other", a, b)
	}
	slow.Store(false)
	n := reads(r)[one]
	eventually(t, "the server is read from again", 20*time.Second, func() bool {
		read()
		return reads(r)[one] > n+10
	})
}
