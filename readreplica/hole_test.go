package readreplica_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// TestBlackHole is the second half of R7: a standby stops answering without
// closing anything. Reads that are waiting for it are ended and run elsewhere.
// The control leaves them alone.
func TestBlackHole(t *testing.T) {
	for _, protected := range []bool{true, false} {
		t.Run(fmt.Sprint("cut ", protected), func(t *testing.T) {
			c := newCluster(t, 0, 0)
			var events eventLog
			r := c.open(t, events.keep, func(cfg *readreplica.Config) {
				cfg.ProbeInterval = time.Second
				cfg.Picker = readreplica.RoundRobin() // the other one would soon avoid the node by itself
				if !protected {
					readreplica.SwitchOff(cfg, readreplica.OffCut)
				}
			})
			rows := repo.New(r, counters, repo.NoBatching())
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
			began := time.Now()
			var opened time.Duration
			if protected {
				opened = eventually(t, "the node is out", 10*time.Second, func() bool { return len(events.of(readreplica.NodeDown)) > 0 })
			}
			time.Sleep(4*time.Second - time.Since(began))
			mu.Lock()
			n := len(took)
			mu.Unlock()
			check.NoError(t, c.standbys[0].Thaw())
			cancel()
			g.Wait()
			slices.Sort(took)
			p99, worst := took[len(took)*99/100], took[len(took)-1]
			t.Logf("out after %v; %d reads, p99 %v, longest %v", opened, n, p99, worst)
			if protected {
				if opened > 3*time.Second || p99 > 300*time.Millisecond || worst > 3*time.Second {
					t.Errorf("out after %v, p99 %v, longest %v", opened, p99, worst)
				}
			} else if worst < 3500*time.Millisecond {
				t.Error("without cutting nothing hung: the test proves nothing")
			}
			eventually(t, "the node is back", 10*time.Second, func() bool { return r.Stats().Nodes[1].Reading })
		})
	}
}
