package readreplica_test

import (
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/readreplica"
)

// becomes changes what a server says of itself.
func (c *fakeCluster) becomes(index int, status ...string) { c.says[index].Store(&status) }

// TestElection follows who is written to, and who is read from, through a
// failover and the return of the old primary.
func TestElection(t *testing.T) {
	t.Parallel()
	var events eventLog
	c, r := openFake(t, func(cfg *readreplica.Config) {
		cfg.ProbeInterval = 50 * time.Millisecond
		cfg.OnEvent = func(readreplica.Event) {}
		events.keep(cfg)
	})
	roles := func() string {
		var list []string
		for _, n := range r.Stats().Nodes {
			switch {
			case n.Primary:
				list = append(list, "primary")
			case n.Reading:
				list = append(list, "reads")
			default:
				list = append(list, "nothing")
			}
		}
		return strings.Join(list, " ")
	}
	check.Same(t, "roles", roles(), "primary reads reads")
	for _, step := range []struct {
		what   string
		change func()
		want   string
	}{
		{"the first standby is promoted while the primary goes on", func() {
			c.becomes(1, "f", "f", "42", "00000002", "1100", "f", "f", "f")
		}, "nothing primary nothing"}, // the second standby follows a timeline that has ended
		{"the second standby follows it", func() { c.becomes(2, "t", "t", "42", "2", "1100", "f", "t", "f") }, "nothing primary reads"},
		{"the old primary becomes a standby of it", func() { c.becomes(0, "t", "t", "42", "2", "1100", "f", "t", "f") }, "reads primary reads"},
		{"it comes back as it was", func() { c.becomes(0, isPrimary...) }, "nothing primary reads"},
		{"the new primary refuses writes", func() { c.becomes(1, "f", "t", "42", "00000002", "1100", "f", "f", "f") }, "nothing nothing reads"},
		{"a server of another cluster is in its place", func() { c.becomes(1, "f", "f", "43", "00000003", "1200", "f", "f", "f") }, "nothing nothing reads"},
		{"the second standby is promoted", func() { c.becomes(2, "f", "f", "42", "00000003", "1200", "f", "f", "f") }, "nothing nothing primary"},
	} {
		step.change()
		eventually(t, step.what+": "+step.want, 2*time.Second, func() bool { return roles() == step.want })
	}
	check.Same(t, "promotions", r.Stats().Timelines, 2)
	eventually(t, "the promotions are told", time.Second, func() bool { return len(events.of(readreplica.TimelineChanged)) == 2 })
	first := events.of(readreplica.TimelineChanged)[0]
	check.Same(t, "node", first.Node, one)
	check.Same(t, "old end", first.Old, smrt.Position{System: 42, Timeline: 1, LSN: 1000})
	check.Same(t, "new end", first.New, smrt.Position{System: 42, Timeline: 2, LSN: 1100})
}

// TestRoomOfThePrimary says what becomes of a read that no replica is fresh
// enough for, while the primary has room and while it has none.
func TestRoomOfThePrimary(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		what   string
		policy readreplica.Fallback
		taken  bool
		served []string // by any of them; nil for smrt.ErrNoFreshReplica
	}{
		{"room", readreplica.PrimaryIfRoom, false, []string{"primary"}},
		{"no room", readreplica.PrimaryIfRoom, true, nil},
		{"never", readreplica.Strict, false, nil},
		{"stale, room", readreplica.StaleIfFull, false, []string{"primary"}},
		{"stale, no room", readreplica.StaleIfFull, true, []string{one, two}},
	} {
		c, r := openFake(t, func(cfg *readreplica.Config) {
			cfg.Fallback, cfg.PrimaryShare, cfg.Wait = x.policy, 0.01, time.Millisecond // one at a time
		})
		// What is written from now on reaches no standby.
		c.becomes(0, "f", "f", "42", "00000001", "2000", "f", "f", "f")
		c.ahead.Store(true)
		ctx := readreplica.WithSession(t.Context())
		_, err := r.Exec(ctx, "UPDATE t")
		check.NoError(t, err)
		if x.taken {
			other := readreplica.WithMaxStale(t.Context(), 0)
			rows, err := r.Reader().Query(other, "SELECT 1")
			check.NoError(t, err)
			defer rows.Close()
			check.Same(t, x.what+": room that is taken", r.Stats().InFallback, 1)
		}
		before, refused := reads(r), r.Stats().Refused
		_, err = r.Reader().Exec(ctx, "SELECT 1")
		if x.served == nil {
			check.Error(t, x.what, err, smrt.ErrNoFreshReplica)
			check.Same(t, x.what+": refused", r.Stats().Refused, refused+1)
			continue
		}
		check.NoError(t, err)
		served := 0
		for _, name := range x.served {
			served += int(reads(r)[name] - before[name])
		}
		check.Same(t, x.what+": served by one of them", served, 1)
	}
}
