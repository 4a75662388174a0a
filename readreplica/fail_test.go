package readreplica_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// eventLog keeps what a router tells.
type eventLog struct {
	mu   sync.Mutex
	list []readreplica.Event
}

func (l *eventLog) keep(cfg *readreplica.Config) {
	tell := cfg.OnEvent
	cfg.OnEvent = func(e readreplica.Event) {
		tell(e)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list = append(l.list, e)
	}
}

func (l *eventLog) of(kind readreplica.EventKind) (found []readreplica.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.list {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// TestFailover is R4: the primary is killed and a standby promoted. Writes go
// on within a second of the promotion; sessions of before go on reading.
func TestFailover(t *testing.T) {
	c := newCluster(t, 0, 0)
	var events eventLog
	r := c.open(t, events.keep)
	rows := repo.New(r, counters)
	session := readreplica.WithSession(t.Context())
	check.NoError(t, txn.Run(session, r, func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, rows.With(tx), 1, 7) }))
	token, err := r.Token(session)
	check.NoError(t, err)
	check.NoError(t, c.standbys[0].WaitForReplay(t.Context(), c.primary))
	before := check.Value(r.Pgx(t.Context()))(t)

	check.NoError(t, c.primary.Kill())
	resumed := make(chan time.Time, 1)
	go func() { // a client that writes all the time
		for n := int64(1); ; n++ {
			err := txn.Run(t.Context(), r, func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, rows.With(tx), 2, n) })
			if err == nil {
				resumed <- time.Now()
				return
			}
		}
	}()
	for range 20 { // reads do not need a primary
		_, err := rows.Get(t.Context(), 1)
		check.NoError(t, err)
	}
	check.NoError(t, c.standbys[0].Promote(t.Context()))
	promoted := time.Now()
	check.NoError(t, c.standbys[1].Follow(t.Context(), c.standbys[0]))
	gap := (<-resumed).Sub(promoted)
	t.Logf("first write %v after the promotion", gap)
	if gap > testdb.Patience(time.Second) {
		t.Errorf("writes resumed %v after the promotion", gap)
	}
	after := check.Value(r.Pgx(t.Context()))(t)
	check.Same(t, "another pool for code that needs one", after != before, true)
	var standby bool
	check.NoError(t, after.QueryRow(t.Context(), "SELECT pg_is_in_recovery()").Scan(&standby))
	check.Same(t, "on a standby", standby, false)
	for what, ctx := range map[string]context.Context{
		"session":  session,
		"token":    check.Value(r.Resume(t.Context(), token))(t),
		"position": readreplica.WithPosition(t.Context(), check.Value(positionOf(r, token, t))(t)),
	} {
		ctx, cancel := context.WithTimeout(ctx, testdb.Patience(5*time.Second))
		got, err := rows.Get(ctx, 1)
		check.NoError(t, err)
		check.Same(t, what+" of the old timeline", got.N, 7)
		cancel()
	}
	changes := events.of(readreplica.TimelineChanged)
	if len(changes) != 1 || changes[0].Node != "standby1" || changes[0].Old.Timeline != 1 || changes[0].New.Timeline != 2 {
		t.Errorf("events %v", changes)
	}
	eventually(t, "reads from the standby that is left", 10*time.Second, func() bool {
		_, err := rows.Get(t.Context(), 1)
		check.NoError(t, err)
		return slices.ContainsFunc(r.Stats().Nodes, func(n readreplica.NodeStats) bool { return n.Name == "standby2" && n.Reading })
	})
}

// positionOf is the position of a token.
func positionOf(r *readreplica.Router, token string, t *testing.T) (smrt.Position, error) {
	ctx, err := r.Resume(t.Context(), token)
	if err != nil {
		return smrt.Position{}, err
	}
	return r.Position(ctx)
}

// TestZombie is R5: the primary comes back as a standby, on the same address.
// Its pooled sessions would go on answering pings; no error of it reaches a
// caller whose work can be repeated.
func TestZombie(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t)
	rows := repo.New(r, counters)
	ctx, cancel := context.WithCancel(t.Context())
	var written, failed atomic.Int64
	var last atomic.Pointer[error]
	var g sync.WaitGroup
	for w := range int64(8) {
		g.Go(func() {
			for n := int64(1); ctx.Err() == nil; n++ {
				err := txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, rows.With(tx), w+1, n) },
					txn.Options{MaxElapsed: testdb.Patience(2 * time.Second), MaxAttempts: 200})
				switch {
				case err == nil:
					written.Add(1)
				case ctx.Err() == nil && !errors.Is(err, smrt.ErrCommitUnknown): // killed while it committed
					failed.Add(1)
					last.Store(&err)
				}
			}
		})
	}
	eventually(t, "writes before", 10*time.Second, func() bool { return written.Load() > 20 })
	check.NoError(t, c.primary.Kill())
	check.NoError(t, c.standbys[0].Promote(t.Context()))
	check.NoError(t, c.primary.Rejoin(t.Context(), c.standbys[0]))
	after := written.Load()
	eventually(t, "writes after", 2*time.Second, func() bool { return written.Load() > after+20 })
	cancel()
	g.Wait()
	t.Logf("%d writes, %d failed", written.Load(), failed.Load())
	if failed.Load() > 0 {
		t.Errorf("%d failures, such as %v", failed.Load(), *last.Load())
	}
}

// TestConflicts is R6: recovery on one standby cancels reads, and no caller
// notices.
func TestConflicts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	storm := connect(t, c.standbys[0])
	for _, set := range []string{"max_standby_streaming_delay = '0'", "max_standby_archive_delay = '0'"} {
		_, err := storm.Exec(t.Context(), "ALTER SYSTEM SET "+set)
		check.NoError(t, err)
	}
	_, err := storm.Exec(t.Context(), "SELECT pg_reload_conf()")
	check.NoError(t, err)
	r := c.open(t, func(cfg *readreplica.Config) {
		cfg.Picker = readreplica.RoundRobin() // the other one would see that the node is slow
	})
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() {
		conn := connect(t, c.primary)
		defer conn.Close(context.Background())
		for ctx.Err() == nil {
			_, err := conn.Exec(context.Background(), "UPDATE counters SET n = n + 1")
			check.NoError(t, err)
			_, err = conn.Exec(context.Background(), "VACUUM counters")
			check.NoError(t, err)
		}
	})
	failed := 0
	var lastErr error
	least := uint64(3)
	if check.Long() {
		least = 50
	}
	total := 0
	for end := time.Now().Add(testdb.Patience(time.Minute)); r.Stats().Conflicts < least && time.Now().Before(end); total++ {
		// Long enough to be met by a record of VACUUM.
		var n int64
		err := r.Reader().QueryRow(ctx, "SELECT count(*) FROM counters, LATERAL (SELECT pg_sleep(0.0001) WHERE id > 0) AS s").Scan(&n)
		if err != nil {
			failed++
			lastErr = err
		}
	}
	cancel()
	g.Wait()
	s := r.Stats()
	t.Logf("%d of %d reads failed, %d conflicts, %d re-runs", failed, total, s.Conflicts, s.Reruns)
	if s.Conflicts < least {
		t.Errorf("there were %d conflicts, want %d: the test proves nothing", s.Conflicts, least)
	}
	if failed > 0 {
		t.Errorf("%d reads failed, such as: %v", failed, lastErr)
	}
	if s.Reruns > 3*s.Conflicts {
		t.Errorf("%d re-runs of %d conflicts", s.Reruns, s.Conflicts)
	}
}

// TestBreakerIgnoresTheApplication is the first half of R7: errors that are the
// application's say nothing about a server.
func TestBreakerIgnoresTheApplication(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	var events eventLog
	r := c.open(t, events.keep)
	rows := repo.New(r, counters)
	n := int64(10_000)
	if !check.Long() {
		n = 2_000
	}
	for i := range n {
		_, err := rows.Get(t.Context(), -i-1)
		check.Error(t, "get", err, smrt.ErrNotFound)
		if i%10 == 0 {
			check.Error(t, "create", rows.Create(t.Context(), &counter{ID: 1}), smrt.ErrConflict)
			_, err = r.Reader().Exec(t.Context(), "SELECT 1/0")
			if err == nil {
				t.Fatal("divided by zero")
			}
		}
	}
	if down := events.of(readreplica.NodeDown); len(down) > 0 {
		t.Errorf("down: %v", down)
	}
}

// TestAllReplicasDown is R8: the primary takes as many reads as it has room
// for, and the rest is refused at once.
func TestAllReplicasDown(t *testing.T) {
	c := newCluster(t, 0)
	r := c.open(t, func(cfg *readreplica.Config) { cfg.PrimaryShare = 0.4 }) // of 10
	check.NoError(t, c.standbys[0].Kill())
	eventually(t, "the standby is seen to be gone", 10*time.Second, func() bool { return !r.Stats().Nodes[1].Reading })
	var most, refused, served atomic.Int64
	var slowest atomic.Int64
	var g sync.WaitGroup
	for range 32 {
		g.Go(func() {
			for range 10 {
				began := time.Now()
				_, err := r.Reader().Exec(t.Context(), "SELECT pg_sleep(0.02)")
				switch {
				case err == nil:
					served.Add(1)
				case errors.Is(err, smrt.ErrNoFreshReplica):
					refused.Add(1)
					slowest.Store(max(slowest.Load(), int64(time.Since(began))))
					time.Sleep(5 * time.Millisecond)
				default:
					t.Error(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				most.Store(max(most.Load(), int64(r.Stats().Nodes[0].InFlight)))
			}
		}
	})
	g.Wait()
	close(stop)
	watch.Wait()
	t.Logf("%d served, %d refused, at most %d on the primary, slowest refusal %v", served.Load(), refused.Load(), most.Load(), time.Duration(slowest.Load()))
	if most.Load() > 4 || refused.Load() == 0 || served.Load() == 0 {
		t.Errorf("%d at a time on the primary, %d refused, %d served", most.Load(), refused.Load(), served.Load())
	}
	if d := time.Duration(slowest.Load()); d > testdb.Patience(5*time.Millisecond) && !check.Race {
		t.Errorf("a refusal took %v", d)
	}
}

// TestStandbyRestarts kills a standby and starts it again, over and over, under
// load: no read fails.
func TestStandbyRestarts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	var events eventLog
	r := c.open(t, events.keep, func(cfg *readreplica.Config) { cfg.ProbeInterval = 50 * time.Millisecond })
	rows := repo.New(r, counters, repo.Options{Batching: repo.Batching{Off: true}})
	cycles := 5
	if check.Long() {
		cycles = 100
	}
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	var total, failed atomic.Int64
	var last atomic.Pointer[error]
	for range 8 {
		g.Go(func() {
			for ctx.Err() == nil {
				if _, err := rows.Get(t.Context(), 1); err != nil {
					failed.Add(1)
					last.Store(&err)
				}
				total.Add(1)
			}
		})
	}
	for i := 0; i < cycles || i < 10*cycles && r.Stats().Reruns == 0; i++ {
		eventually(t, "reads from the standby", 20*time.Second, func() bool { return r.Stats().Nodes[1].InFlight > 0 })
		check.NoError(t, c.standbys[0].Kill())
		check.NoError(t, c.standbys[0].Restart(t.Context()))
	}
	cancel()
	g.Wait()
	s := r.Stats()
	t.Logf("%d cycles, %d reads, %d failed, %d run again; out %d times", cycles, total.Load(), failed.Load(), s.Reruns, len(events.of(readreplica.NodeDown)))
	if failed.Load() > 0 {
		t.Errorf("%d reads failed, such as: %v", failed.Load(), *last.Load())
	}
	if s.Reruns == 0 {
		t.Error("no read met a kill: the test proves nothing")
	}
}
