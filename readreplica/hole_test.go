package readreplica_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// probeTimeout is how long a probe may take on this machine: a server that is
// slow must not be taken for one that hangs.
func probeTimeout(t *testing.T, s *testdb.Server) time.Duration {
	worst := time.Duration(0)
	for range 5 {
		began := time.Now()
		conn := connect(t, s)
		check.NoError(t, conn.Ping(t.Context()))
		worst = max(worst, time.Since(began))
		check.NoError(t, conn.Close(t.Context()))
	}
	return max(250*time.Millisecond, 10*worst)
}

// TestBlackHole is the second half of R7: a standby stops answering without
// closing anything. Reads that are waiting for it are ended and run elsewhere.
func TestBlackHole(t *testing.T) {
	c := newCluster(t, 0, 0)
	var events eventLog
	timeout := probeTimeout(t, c.primary)
	r := c.open(t, events.keep, func(cfg *readreplica.Config) {
		cfg.ProbeInterval, cfg.ProbeTimeout = time.Second, timeout
		cfg.Picker = readreplica.RoundRobin() // the other one would soon avoid the node by itself
	})
	rows := repo.New(r, counters, repo.Options{Batching: repo.Batching{Off: true}})
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var took []time.Duration
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				_, err := rows.Get(t.Context(), 1)
				check.NoError(t, err)
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	check.NoError(t, c.standbys[0].Freeze())
	opened := eventually(t, "the node is out", 3*time.Second+timeout, func() bool { // a late probe, and a late connection, which has four times as long
		return slices.ContainsFunc(events.of(readreplica.NodeDown), func(e readreplica.Event) bool { return e.Node == one })
	})
	eventually(t, "reads that waited for it are ended", time.Second, func() bool { return r.Stats().Nodes[1].InFlight == 0 })
	check.NoError(t, c.standbys[0].Thaw())
	cancel()
	g.Wait()
	slices.Sort(took)
	worst := took[len(took)-1]
	i, _ := slices.BinarySearch(took, testdb.Patience(300*time.Millisecond))
	hung := len(took) - i
	t.Logf("out after %v; %d reads, %d of them hung, longest %v", opened, len(took), hung, worst)
	if hung > 2*8 || worst > opened+testdb.Patience(time.Second) { // each client may hang once, and once more when it is run again
		t.Errorf("%d of %d reads hung, longest %v", hung, len(took), worst)
	}
	eventually(t, "the node is back", 10*time.Second, func() bool { return r.Stats().Nodes[1].Reading })
}
