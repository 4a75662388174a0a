package readreplica_test

import (
	"testing"
	"time"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// TestStandbyGoesBack kills a standby and starts it again with less than it
// had, between two probes. A session that has read there, and a read that needs
// a position which it had, must not be served from it.
func TestStandbyGoesBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t, func(cfg *readreplica.Config) {
		cfg.ProbeInterval, cfg.MaxStale = time.Minute, time.Hour
	})
	rows := repo.New(r, counters, repo.Options{Batching: repo.Batching{Off: true}})
	session := readreplica.WithSession(t.Context())
	check.NoError(t, bump(session, rows, 1, 7))
	p := check.Value(r.Position(session))(t)
	check.NoError(t, c.standbys[0].WaitForReplay(t.Context(), c.primary))
	got := check.Value(rows.Get(session, 1))(t)
	check.Same(t, "read", got.N, 7)
	check.Same(t, "reads on the standby", reads(r)["standby1"], 1)

	// From now on it applies commits after an hour, also those that it replays for the second time.
	check.NoError(t, c.standbys[0].DelayReplay(t.Context(), time.Hour))
	check.NoError(t, c.standbys[0].Kill())
	check.NoError(t, c.standbys[0].Restart(t.Context()))
	conn := connect(t, c.standbys[0])
	var there int64
	check.NoError(t, conn.QueryRow(t.Context(), "SELECT coalesce((SELECT n FROM counters WHERE id = 1), -1)").Scan(&there))
	check.NoError(t, conn.Close(t.Context()))
	if there == 7 {
		t.Fatal("the standby has not gone back: the test proves nothing")
	}
	stale := 0
	for range 6 {
		for _, ctx := range []func() (*counter, error){
			func() (*counter, error) { return rows.Get(session, 1) },
			func() (*counter, error) { return rows.Get(readreplica.WithPosition(t.Context(), p), 1) },
		} {
			if got, err := ctx(); err != nil || got.N != 7 {
				stale++
			}
		}
	}
	check.Same(t, "stale reads of 12", stale, 0)
}
