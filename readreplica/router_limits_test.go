package readreplica_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
)

// TestReadTransactionsTakeRoom: a read-only transaction that no replica can
// serve has its place on the primary to its end, and gives it back.
func TestReadTransactionsTakeRoom(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	check.NoError(t, c.standbys[0].Kill())
	r := c.open(t, func(cfg *readreplica.Config) { cfg.PrimaryShare = 0.2 }) // of 10
	readOnly := pgx.TxOptions{AccessMode: pgx.ReadOnly}
	begin := func() pgx.Tx {
		tx, err := r.BeginTx(t.Context(), readOnly)
		check.NoError(t, err)
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
		return tx
	}
	first, second := begin(), begin()
	_, err := r.BeginTx(t.Context(), readOnly)
	check.Error(t, "a third", err, smrt.ErrNoFreshReplica)
	check.Same(t, "room that is taken", r.Stats().InFallback, 2)
	check.NoError(t, first.Commit(t.Context()))
	third := begin()
	check.NoError(t, second.Rollback(t.Context()))
	_, err = third.Exec(t.Context(), "SELECT 1/0")
	check.Same(t, "failed", err != nil, true)
	check.Error(t, "commit", third.Commit(t.Context()), pgx.ErrTxCommitRollback)
	check.Same(t, "room that is taken", r.Stats().InFallback, 0)
	check.Same(t, "reads under way", r.Stats().Nodes[0].InFlight, 0)
}

// TestNothingIsLost ends reads in every way, and looks whether anything is
// still counted.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	check.NoError(t, c.standbys[0].Kill())
	r := c.open(t, func(cfg *readreplica.Config) { cfg.PrimaryShare = 0.1 }) // one at a time
	many := "SELECT i FROM generate_series(1, 100000) AS i"
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for what, read := range map[string]func(){
		"rows closed early": func() { check.Value(r.Reader().Query(t.Context(), many))(t).Close() },
		"rows closed twice": func() {
			rows := check.Value(r.Reader().Query(t.Context(), many))(t)
			rows.Next()
			rows.Close()
			rows.Close()
		},
		"a value that does not fit": func() {
			var into time.Time
			check.Same(t, "error", r.Reader().QueryRow(t.Context(), "SELECT 1").Scan(&into) != nil, true)
		},
		"a mistake": func() { _, _ = r.Reader().Exec(t.Context(), "SELECT"); _, _ = r.Reader().Exec(t.Context(), "SELEC") },
		"a bad argument": func() {
			check.Same(t, "error", r.Reader().QueryRow(t.Context(), "SELECT $1::int", "x").Scan(nil) != nil, true)
		},
		"time is over":  func() { _, _ = r.Reader().Exec(short, "SELECT pg_sleep(1)") },
		"time was over": func() { _, _ = r.Reader().Exec(short, "SELECT 1") },
		"a write":       func() { _, _ = r.Reader().Exec(t.Context(), "DELETE FROM counters") },
		"a batch": func() {
			b := &pgx.Batch{}
			b.Queue("SELECT 1")
			check.NoError(t, r.Reader().SendBatch(t.Context(), b).Close())
		},
		"a failing batch": func() { b := &pgx.Batch{}; b.Queue("SELECT 1/0"); _ = r.Reader().SendBatch(t.Context(), b).Close() },
		"a panic": func() {
			defer func() { _ = recover() }()
			rows := check.Value(r.Reader().Query(t.Context(), many))(t)
			_, _ = pgx.CollectRows(rows, func(pgx.CollectableRow) (int, error) { panic("oops") })
		},
		"a panic in a stream": func() {
			defer func() { _ = recover() }()
			for range repo.New(r, counters).Stream(t.Context(), query.All[counter]()) {
				panic("oops")
			}
		},
	} {
		read()
		s := r.Stats()
		if s.InFallback != 0 || s.Nodes[0].InFlight != 0 {
			t.Errorf("%s: %d in fallback, %d under way", what, s.InFallback, s.Nodes[0].InFlight)
			return
		}
	}
}

// TestPickers look at who gets how many of many reads.
func TestPickers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	servers := c.servers()
	servers[1].Weight, servers[2].Weight = 1, 3
	servers[1].Zone = "near"
	for what, p := range map[string]struct {
		picker   readreplica.Picker
		zone     string
		min, max float64 // of standby1's part
	}{
		"weights":       {readreplica.Weighted, "", 0.2, 0.3},
		"in turn":       {readreplica.RoundRobin(), "", 0.499, 0.501},
		"zone":          {nil, "near", 1, 1},
		"another zone":  {readreplica.RoundRobin(), "far", 0.499, 0.501},
		"one's own":     {func(nodes []*readreplica.Node) *readreplica.Node { return nodes[0] }, "", 1, 1},
		"no preference": {func([]*readreplica.Node) *readreplica.Node { return nil }, "", 0, 1},
		"none of these": {func([]*readreplica.Node) *readreplica.Node { return &readreplica.Node{} }, "", 0, 1},
	} {
		r := c.open(t, func(cfg *readreplica.Config) { cfg.Servers, cfg.Picker, cfg.Zone = servers, p.picker, p.zone })
		eventually(t, "standbys read", 5*time.Second, func() bool { s := r.Stats(); return s.Nodes[1].Reading && (p.zone == "near" || s.Nodes[2].Reading) })
		before := reads(r)
		for range 4000 {
			check.NoError(t, routed(t.Context(), r))
		}
		after := reads(r)
		a, b := after[one]-before[one], after[two]-before[two]
		if part := float64(a) / float64(a+b); a+b != 4000 || part < p.min || part > p.max {
			t.Errorf("%s: %d and %d", what, a, b)
		}
		r.Close()
	}
}

// TestPolicies says what becomes of reads of a session while the only standby
// stands still and the primary's room is taken.
func TestPolicies(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	for _, p := range []struct {
		policy readreplica.Fallback
		taken  bool
		want   int64 // -1 for ErrNoFreshReplica
	}{
		{readreplica.PrimaryIfRoom, false, 1},
		{readreplica.PrimaryIfRoom, true, -1},
		{readreplica.Strict, false, -1},
		{readreplica.StaleIfFull, false, 1},
		{readreplica.StaleIfFull, true, 0},
	} {
		r := c.open(t, func(cfg *readreplica.Config) {
			cfg.Fallback, cfg.PrimaryShare, cfg.Wait = p.policy, 0.1, 20*time.Millisecond
		})
		rows := repo.New(r, counters)
		check.NoError(t, bump(t.Context(), rows, 1, 0))
		check.NoError(t, c.standbys[0].WaitForReplay(t.Context(), c.primary))
		eventually(t, "the standby reads", 5*time.Second, func() bool { return r.Stats().Nodes[1].Reading })
		check.NoError(t, c.standbys[0].PauseReplay(t.Context()))
		ctx := readreplica.WithSession(t.Context())
		check.NoError(t, bump(ctx, rows, 1, 1))
		var other pgx.Rows
		if p.taken {
			var err error
			other, err = r.Reader().Query(ctx, "SELECT 1")
			check.NoError(t, err)
		}
		before := r.Stats()
		got, err := rows.Get(ctx, 1)
		if p.want >= 0 {
			check.NoError(t, err)
			check.Same(t, "n", got.N, p.want)
		} else {
			check.Error(t, "get", err, smrt.ErrNoFreshReplica)
		}
		after := r.Stats()
		check.Same(t, "refused", after.Refused-before.Refused, map[bool]uint64{true: 1}[p.want < 0])
		check.Same(t, "fallbacks", after.Fallbacks-before.Fallbacks, map[bool]uint64{true: 1}[p.want > 0])
		check.Same(t, "waits", after.Waits-before.Waits, 1)
		if p.taken {
			_, err = rows.Get(readreplica.WithMaxStale(t.Context(), 0), 1)
			check.Error(t, "a limit that was asked for", err, smrt.ErrNoFreshReplica)
			for range 100 { // until it ends while the read waits
				brief, cancel := context.WithCancel(ctx)
				time.AfterFunc(5*time.Millisecond, cancel)
				if _, err = rows.Get(brief, 1); errors.Is(err, context.Canceled) {
					break
				}
			}
			check.Error(t, "a context that ends while it waits", err, context.Canceled)
			other.Close()
		}
		check.NoError(t, c.standbys[0].ResumeReplay(t.Context()))
		r.Close()
	}
}

// TestOneConnection: pools of one connection hold up neither probes nor sessions.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t, func(cfg *readreplica.Config) { cfg.Pool.MaxConns, cfg.Wait = 1, testdb.Patience(2*time.Second) })
	rows := repo.New(r, counters)
	ctx, cancel := context.WithTimeout(readreplica.WithSession(t.Context()), testdb.Patience(20*time.Second))
	defer cancel()
	var g sync.WaitGroup
	for w := range int64(4) {
		g.Go(func() {
			for n := int64(1); n <= 20; n++ {
				check.NoError(t, bump(ctx, rows, w+1, n))
				got, err := rows.Get(ctx, w+1)
				if err != nil || got.N != n {
					t.Errorf("read %+v, %v after a write of %d", got, err, n)
				}
			}
		})
	}
	g.Wait()
}

// TestReadOnlyByDefault: a primary whose role may only read is no primary, and
// the error says why.
func TestReadOnlyByDefault(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	conn := connect(t, c.primary)
	_, err := conn.Exec(t.Context(), "CREATE ROLE careful LOGIN; ALTER ROLE careful SET default_transaction_read_only = on")
	check.NoError(t, err)
	check.NoError(t, conn.Close(t.Context()))
	url := strings.Replace(c.primary.DSN("postgres"), "//postgres@", "//careful@", 1)
	if !strings.Contains(url, "careful") {
		t.Fatalf("DSN %s", url)
	}
	r, err := readreplica.Open(t.Context(), readreplica.Config{Servers: []readreplica.Server{{Name: "db1", URL: url}}, Failover: 50 * time.Millisecond})
	check.NoError(t, err)
	defer r.Close()
	_, err = r.Exec(t.Context(), "DELETE FROM counters")
	check.Error(t, "write", err, smrt.ErrNoPrimary, smrt.ErrReadOnly)
	if err == nil || !strings.Contains(err.Error(), "db1") || !strings.Contains(err.Error(), "default_transaction_read_only") {
		t.Errorf("error %v", err)
	}
}

// TestStatementThatRefusesItself: a statement that makes its transaction
// read-only is not sent again until Config.Failover is over.
func TestStatementThatRefusesItself(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	r := c.open(t)
	_, err := r.Exec(t.Context(), `CREATE FUNCTION stubborn() RETURNS void LANGUAGE plpgsql AS
		$$BEGIN PERFORM set_config('transaction_read_only', 'on', true); DELETE FROM counters; END$$`)
	check.NoError(t, err)
	began := time.Now()
	_, err = r.Exec(t.Context(), "SELECT stubborn()")
	if pgErr := err; pgErr == nil || time.Since(began) > testdb.Patience(5*time.Second) {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	_, err = r.Exec(t.Context(), "UPDATE counters SET n = 1 WHERE id = 1")
	check.NoError(t, err)
}

// TestGivenWrongly refuses pools that are nil or lead to another cluster.
func TestGivenWrongly(t *testing.T) {
	t.Parallel()
	c, other := newCluster(t), unrelatedCluster(t)
	good := poolOn(t, c.primary)
	for what, pools := range map[string][]readreplica.Pool{
		"nil": {good, nil}, "nil in an interface": {(*pgxpool.Pool)(nil)}, "another cluster": {good, poolOn(t, other.primary)},
	} {
		r, err := readreplica.New(pools[0], pools[1:]...)
		check.Error(t, what, err, smrt.ErrBadOptions)
		check.Same(t, what+": router", r, nil)
	}
}

// TestCloseEndsWaiting: a write that waits for a primary does not outlive the
// router, and nobody is told anything after Close.
func TestCloseEndsWaiting(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	check.NoError(t, c.primary.Kill())
	var mu sync.Mutex
	closed := false
	r := c.open(t, func(cfg *readreplica.Config) {
		cfg.OnEvent = func(e readreplica.Event) {
			mu.Lock()
			defer mu.Unlock()
			if closed {
				t.Errorf("after Close: %v", e)
			}
		}
	})
	done := make(chan error)
	go func() {
		_, err := r.Exec(context.Background(), "SELECT 1")
		done <- err
	}()
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	r.Close()
	mu.Lock()
	closed = true
	mu.Unlock()
	check.Error(t, "the write", <-done, smrt.ErrPoolClosed)
	if took := time.Since(began); took > testdb.Patience(3*time.Second) {
		t.Errorf("took %v", took)
	}
	for range 3 {
		_, err := r.Reader().Exec(t.Context(), "SELECT 1")
		check.Same(t, "a read fails", err != nil, true)
	}
}

// TestEventsInOrder follows a standby that goes and comes.
func TestEventsInOrder(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	var events eventLog
	r := c.open(t, events.keep)
	check.NoError(t, c.standbys[0].Kill())
	eventually(t, "down", 10*time.Second, func() bool { return len(events.of(readreplica.NodeDown)) == 1 })
	check.Same(t, "up", r.Stats().Nodes[1].Up, false)
	check.NoError(t, c.standbys[0].Restart(t.Context()))
	eventually(t, "up", 20*time.Second, func() bool { return r.Stats().Nodes[1].Reading })
	eventually(t, "told", time.Second, func() bool { return len(events.of(readreplica.NodeUp)) == 3 })
	events.mu.Lock()
	defer events.mu.Unlock()
	var of []readreplica.EventKind
	var last time.Time
	for _, e := range events.list {
		if e.Node == one {
			of = append(of, e.Kind)
		}
		if e.At.Before(last) {
			t.Errorf("%v is before %v", e.At, last)
		}
		last = e.At
		if e.Kind == readreplica.NodeDown && (e.Err == nil || errors.Is(e.Err, smrt.ErrNoPrimary)) {
			t.Errorf("down because of %v", e.Err)
		}
	}
	check.Equal(t, "events of the standby", of, []readreplica.EventKind{readreplica.NodeUp, readreplica.NodeDown, readreplica.NodeUp})
}

// TestOpenWaitsForAStandby: the first reads find one, though it was behind when
// it was first asked.
func TestOpenWaitsForAStandby(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	check.NoError(t, c.standbys[0].PauseReplay(t.Context()))
	conn := connect(t, c.primary)
	_, err := conn.Exec(t.Context(), "UPDATE counters SET n = 1")
	check.NoError(t, err)
	check.NoError(t, conn.Close(t.Context()))
	late := c.open(t)
	check.Same(t, "reads from a standby that stands still", late.Stats().Nodes[1].Reading, false)
	resumed := make(chan error, 1)
	time.AfterFunc(100*time.Millisecond, func() { resumed <- c.standbys[0].ResumeReplay(context.Background()) })
	r := c.open(t, func(cfg *readreplica.Config) { cfg.ProbeInterval = testdb.Patience(2 * time.Second) })
	check.Same(t, "reads from one that catches up", r.Stats().Nodes[1].Reading, true)
	check.NoError(t, <-resumed)
}
