package readreplica_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/readreplica"
)

// fakeCluster is a primary and two standbys, all at position 1000, that answer
// what a router asks.
type fakeCluster struct {
	primary, first, second *fakeServer

	mute  atomic.Bool   // the primary does not answer when it is asked for its position
	dead  atomic.Bool   // nor when it is probed
	ahead atomic.Bool   // its position, when asked for, is 2000
	at    atomic.Uint64 // how often the standbys were asked for theirs

	fails atomic.Pointer[pgconn.PgError] // what the first standby answers to everything else
	says  [3]atomic.Pointer[[]string]    // what each server says of itself; its role at first, if nil
	lost  [3]atomic.Bool                 // it does not say it
}

var (
	isPrimary = []string{"f", "f", "42", "00000001", "1000", "f", "f", "f"}
	isStandby = []string{"t", "t", "42", "1", "1000", "f", "t", "f"}
)

// status is what a server says of itself.
func (c *fakeCluster) status(index int, first []string) []string {
	if said := c.says[index].Load(); said != nil {
		return *said
	}
	return first
}

// openFake opens a router on a fake cluster. It probes once a minute, so that
// whatever is asked for is asked for by a read.
func openFake(t *testing.T, change ...func(*readreplica.Config)) (*fakeCluster, *readreplica.Router) {
	t.Helper()
	c := &fakeCluster{}
	c.primary = &fakeServer{version: "15.4", pid: 1, answer: func(sql string) ([]string, error) {
		switch {
		case strings.Contains(sql, "received_tli"):
			if c.dead.Load() {
				return nil, errNoSuch
			}
			return c.status(0, isPrimary), nil
		case strings.Contains(sql, "pg_current_wal_insert_lsn"):
			if c.mute.Load() {
				return nil, errNoSuch
			}
			if c.ahead.Load() {
				return []string{"false", "(1300,2022,42,now)", "000000010000000000000000", "0/7D0", "0/7D0", "8192", "16MB"}, nil
			}
			return []string{"false", "(1300,2022,42,now)", "000000010000000000000000", "0/3E8", "0/3E8", "8192", "16MB"}, nil
		}
		return nil, nil
	}}
	standby := func(index int) func(sql string) ([]string, error) {
		return func(sql string) ([]string, error) {
			if strings.Contains(sql, "received_tli") {
				c.at.Add(1)
				if c.lost[index].Load() {
					return nil, errNoSuch
				}
				return c.status(index, isStandby), nil
			}
			if err := c.fails.Load(); err != nil && index == 1 {
				return nil, err
			}
			return nil, nil
		}
	}
	c.first = &fakeServer{version: "15.4", pid: 2, answer: standby(1)}
	c.second = &fakeServer{version: "15.4", pid: 3, answer: standby(2)}
	cfg := readreplica.Config{
		Servers: []readreplica.Server{
			{Name: "primary", Pool: c.primary.pool(t)}, {Name: one, Pool: c.first.pool(t)}, {Name: two, Pool: c.second.pool(t)},
		},
		Engine: readreplica.PostgreSQL, ProbeInterval: time.Minute, MaxStale: time.Hour, ProbeTimeout: testdb.Patience(250 * time.Millisecond),
	}
	for _, f := range change {
		f(&cfg)
	}
	r, err := readreplica.Open(t.Context(), cfg)
	check.NoError(t, err)
	t.Cleanup(r.Close)
	return c, r
}

// TestWhatAReadOfASessionAsks follows the four cases of what a session's read
// must cover, by the questions that each of them costs.
func TestWhatAReadOfASessionAsks(t *testing.T) {
	t.Parallel()
	var to atomic.Pointer[string]
	_, r := openFake(t, func(cfg *readreplica.Config) {
		cfg.Picker = func(nodes []*readreplica.Node) *readreplica.Node {
			for _, n := range nodes {
				if name := to.Load(); name != nil && n.Name == *name {
					return n
				}
			}
			return nil
		}
	})
	ctx := readreplica.WithSession(t.Context())
	read := func(what string, where *string, served string, questions uint64) {
		t.Helper()
		to.Store(where)
		asked, before := r.Stats().Positions, reads(r)
		_, err := r.Reader().Exec(ctx, "SELECT 1")
		check.NoError(t, err)
		check.Same(t, what+": questions", r.Stats().Positions-asked, questions)
		for name, n := range reads(r) {
			check.Same(t, what+": served by "+name, n != before[name], name == served)
		}
	}
	read("a new session reads anywhere", &one, one, 0)
	read("what was read on one node is read there again", &two, one, 0)

	readreplica.MarkWritten(ctx)
	read("a write whose position is not known", &two, one, 1)
	read("its position is known now", &two, one, 0)
	_, err := r.Exec(ctx, "SELECT 1") // a router takes what Exec sends for a write
	check.NoError(t, err)
	read("a write through the router", &two, one, 1)

	ctx = readreplica.WithSession(t.Context())
	to.Store(&one)
	first := check.Value(r.Reader().Query(ctx, "SELECT 1"))(t)
	to.Store(&two)
	second := check.Value(r.Reader().Query(ctx, "SELECT 1"))(t)
	first.Close()
	second.Close()
	read("what was read on two nodes", &two, two, 2)
	read("all of that is known now", &one, two, 0)
}

// TestSessionsLeaveAStandby: once a probe has told how far the standby is that a
// session has read from, another one that is as far serves it too, and nobody is
// asked. Until then, and while the others have less, it stays where it is.
func TestSessionsLeaveAStandby(t *testing.T) {
	t.Parallel()
	var to atomic.Pointer[string]
	c, r := openFake(t, func(cfg *readreplica.Config) {
		cfg.ProbeInterval = 20 * time.Millisecond
		cfg.Picker = func(nodes []*readreplica.Node) *readreplica.Node {
			for _, n := range nodes {
				if name := to.Load(); name != nil && n.Name == *name {
					return n
				}
			}
			return nil
		}
	})
	says := func(position string, replaying bool) []string {
		return []string{"t", "t", "42", "1", position, map[bool]string{true: "t", false: "f"}[replaying], "t", "f"}
	}
	probed := func() { // for long enough that both standbys were, mostly
		for from := c.at.Load(); c.at.Load() < from+6; time.Sleep(time.Millisecond) {
		}
	}
	for _, x := range []struct {
		what          string
		first, second []string
		leaves        bool
	}{
		{"the other is as far", says("1000", false), says("1000", false), true},
		{"the other is further", says("1000", true), says("1001", false), true},
		{"the other may lack what is being replayed", says("1000", true), says("1000", false), false},
		{"the other is behind", says("1000", false), says("999", false), false},
	} {
		c.becomes(1, x.first...)
		c.becomes(2, x.second...)
		probed()
		ctx := readreplica.WithSession(t.Context())
		to.Store(&one)
		check.Value(r.Reader().Exec(ctx, "SELECT 1"))(t)
		to.Store(&two)
		asked := r.Stats().Positions
		before, left := reads(r)[two], false
		for n := 0; !left && n < map[bool]int{true: 50, false: 5}[x.leaves]; n++ {
			probed()
			check.Value(r.Reader().Exec(ctx, "SELECT 1"))(t)
			left = reads(r)[two] > before
		}
		check.Same(t, x.what+": leaves", left, x.leaves)
		check.Same(t, x.what+": questions", r.Stats().Positions, asked)
	}
}

// TestReadsRunElsewhere: a read that one standby cannot serve is run on another
// node, if that can help, and the counts say why.
func TestReadsRunElsewhere(t *testing.T) {
	t.Parallel()
	c, r := openFake(t, func(cfg *readreplica.Config) {
		cfg.Picker = func(nodes []*readreplica.Node) *readreplica.Node { return nodes[0] } // the first, as long as it may be read
	})
	for _, x := range []struct {
		what, code        string
		fails             bool
		served            string
		reruns, conflicts uint64
	}{
		{"no failure", "", false, one, 0, 0},
		{"cancelled by recovery", "40001", false, two, 1, 1},
		{"the application's error", "22012", true, "", 0, 0},
		{"a write", "25006", true, "", 0, 0},
		{"it goes down", "57P01", false, two, 1, 0},
	} {
		if c.fails.Store(nil); x.code != "" {
			c.fails.Store(&pgconn.PgError{Code: x.code})
		}
		before, served := r.Stats(), reads(r)
		_, err := r.Reader().Exec(t.Context(), "SELECT 1")
		check.Same(t, x.what+": fails", err != nil, x.fails)
		check.Same(t, x.what+": re-runs", r.Stats().Reruns-before.Reruns, x.reruns)
		check.Same(t, x.what+": conflicts", r.Stats().Conflicts-before.Conflicts, x.conflicts)
		for name, n := range reads(r) {
			check.Same(t, x.what+": served by "+name, n != served[name], name == x.served)
		}
	}
}

// TestPrimaryTellsLate: a read that needs the primary's position waits for a
// probe if the primary did not tell, for Config.Failover at most. Then its error
// says why it did not.
func TestPrimaryTellsLate(t *testing.T) {
	t.Parallel()
	fail := 300 * time.Millisecond
	c, r := openFake(t, func(cfg *readreplica.Config) { cfg.Failover, cfg.ProbeInterval = fail, 100*time.Millisecond })
	c.mute.Store(true)
	ctx := readreplica.WithMaxStale(t.Context(), 0)
	var err error
	for range 20 { // a slow machine may not probe in time
		if _, err = r.Reader().Exec(ctx, "SELECT 1"); err == nil {
			break
		}
	}
	check.NoError(t, err)

	c.dead.Store(true)
	began := time.Now()
	_, err = r.Reader().Exec(ctx, "SELECT 1")
	check.Error(t, "nobody tells", err, smrt.ErrNoFreshReplica)
	if !strings.Contains(err.Error(), "no server can be asked how far it is: ") || !strings.Contains(err.Error(), errNoSuch.Error()) {
		t.Errorf("the error hides its cause: %v", err)
	}
	var fresh *smrt.FreshnessError
	if !errors.As(err, &fresh) || fresh.Err == nil {
		t.Errorf("got %#v", err)
	}
	if took := time.Since(began); took < fail {
		t.Errorf("gave up after %v", took)
	}

	brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = r.Reader().Exec(brief, "SELECT 1")
	check.Error(t, "the caller's own end", err, context.DeadlineExceeded)
}
