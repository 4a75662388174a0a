package readreplica_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// account is what the soak moves money between.
type account struct {
	ID      int64
	Balance int64
	Moves   int64 // transfers that touched it
}

var accounts = query.NewTable("accounts", func(a *account) *int64 { return &a.ID })

const (
	soakAccounts = 50
	soakSQL      = `CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL, moves bigint NOT NULL DEFAULT 0);
		INSERT INTO accounts SELECT i, 1000 FROM generate_series(1, 50) AS i;
		CREATE TABLE ledger (key text PRIMARY KEY, source bigint, target bigint, amount bigint);`
)

// TestSoak lets clients work while every ten seconds something breaks. It runs
// for as long as SMRT_TEST_SOAK says; `make test-soak` says five minutes.
func TestSoak(t *testing.T) {
	text := os.Getenv("SMRT_TEST_SOAK")
	if text == "" {
		t.Skip("takes minutes: set SMRT_TEST_SOAK, or run make test-soak")
	}
	length, err := time.ParseDuration(text)
	check.NoError(t, err)
	s := newSoak(t)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var g sync.WaitGroup
	for w := range 8 {
		g.Go(func() { s.client(ctx, w) })
	}
	s.breakThings(ctx)
	g.Wait()
	s.verify()
	s.report()
}

// soak is a cluster under load.
type soak struct {
	t       *testing.T
	nodes   []*testdb.Server // the primary first
	names   map[*testdb.Server]string
	router  *readreplica.Router
	began   time.Time
	faults  []fault
	samples [][]sample // by client
	events  eventLog

	acked   atomic.Int64
	stale   atomic.Int64
	keys    sync.Map // key -> move, of transfers that were acknowledged
	unknown sync.Map // keys of transfers whose outcome was not told
}

// fault is something that was broken, and mended.
type fault struct {
	name       string
	from, till time.Duration
}

// sample is a request.
type sample struct {
	kind string
	at   time.Duration
	took time.Duration
	err  error
}

func newSoak(t *testing.T) *soak {
	s := &soak{t: t, names: map[*testdb.Server]string{}, samples: make([][]sample, 8)}
	// A commit waits for one standby, so that a promotion loses nothing.
	primary := testdb.Primary(t, testdb.Config{Settings: map[string]string{"synchronous_standby_names": "ANY 1 (*)", "synchronous_commit": "local"}})
	conn := connect(t, primary)
	_, err := conn.Exec(t.Context(), soakSQL+txn.MarkersSQL)
	check.NoError(t, err)
	check.NoError(t, conn.Close(t.Context()))
	s.nodes = []*testdb.Server{primary}
	for range 2 {
		standby, err := primary.Standby(t.Context(), testdb.StandbyConfig{})
		check.NoError(t, err)
		s.nodes = append(s.nodes, standby)
	}
	cfg := readreplica.Config{
		Pool: pool.Config{MaxConns: 16}, ProbeInterval: 200 * time.Millisecond, PrimaryShare: 0.5,
		OnEvent: func(e readreplica.Event) { t.Logf("%6.1f s: %v", time.Since(s.began).Seconds(), e) },
	}
	s.events.keep(&cfg)
	for i, n := range s.nodes {
		s.names[n] = string(rune('A' + i))
		cfg.Servers = append(cfg.Servers, readreplica.Server{Name: s.names[n], URL: n.DSN("postgres")})
	}
	s.began = time.Now()
	s.router, err = readreplica.Open(t.Context(), cfg)
	check.NoError(t, err)
	t.Cleanup(s.router.Close)
	return s
}

// client moves money and looks at it, one request after the other.
func (s *soak) client(ctx context.Context, w int) {
	rows := repo.New(s.router, accounts)
	seen := map[int64]int64{} // moves of the accounts, as far as this client knows
	for n := 0; ctx.Err() == nil; n++ {
		session := readreplica.WithSession(context.Background())
		source, target := rand.Int64N(soakAccounts)+1, rand.Int64N(soakAccounts)+1
		if source == target {
			continue
		}
		key := fmt.Sprintf("%d-%d", w, n)
		ok := s.request(w, "transfer", func() error { return s.transfer(session, rows, key, move{source, target, rand.Int64N(10)}) })
		for range 4 {
			s.request(w, "own read", func() error {
				got, err := rows.Get(session, source)
				if err != nil {
					return err
				}
				if got.Moves < seen[source] && ok {
					s.stale.Add(1)
				}
				seen[source] = got.Moves
				return nil
			})
		}
		seen = map[int64]int64{} // the next session may read elsewhere
		for range 5 {
			s.request(w, "read", func() error {
				_, err := rows.Get(context.Background(), target)
				return err
			})
		}
	}
}

func (s *soak) request(w int, kind string, run func() error) bool {
	at := time.Now()
	err := run()
	s.samples[w] = append(s.samples[w], sample{kind, at.Sub(s.began), time.Since(at), err})
	return err == nil
}

// move is a transfer: from, to, how much.
type move [3]int64

// transfer moves money exactly once.
func (s *soak) transfer(ctx context.Context, rows *repo.Repository[account, int64], key string, m move) error {
	err := txn.Run(ctx, s.router, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = on"); err != nil {
			return err
		}
		both, err := rows.With(tx).LockMany(ctx, []int64{m[0], m[1]})
		if err != nil {
			return err
		}
		both[0].Balance -= m[2]
		both[1].Balance += m[2]
		for _, a := range both {
			a.Moves++
		}
		if _, err := rows.With(tx).UpdateMany(ctx, []account{*both[0], *both[1]}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO ledger (key, source, target, amount) VALUES ($1, $2, $3, $4)", key, m[0], m[1], m[2])
		return err
	}, txn.Options{Key: key, MaxElapsed: 20 * time.Second, MaxAttempts: 1000})
	if err == nil {
		s.keys.Store(key, m)
		s.acked.Add(1)
	} else {
		s.unknown.Store(key, true)
	}
	return err
}

// breakThings breaks something every ten seconds, each kind in turn at first
// and then by chance.
func (s *soak) breakThings(ctx context.Context) {
	kinds := []struct {
		name string
		run  func(context.Context) error
	}{
		{"kill standby", s.killStandby},
		{"kill primary", s.killPrimary},
		{"pause replay", s.pauseReplay},
		{"black hole", s.blackHole},
		{"change table", s.changeTable},
		{"cancel storm", s.cancelStorm},
	}
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10*time.Second - time.Since(s.began)%(10*time.Second)):
		}
		kind := kinds[n%len(kinds)]
		if n >= len(kinds) {
			kind = kinds[rand.IntN(len(kinds))]
		}
		f := fault{name: kind.name, from: time.Since(s.began)}
		s.t.Logf("%6.1f s: FAULT %s", f.from.Seconds(), f.name)
		if err := kind.run(context.Background()); err != nil {
			s.t.Errorf("%s: %v", kind.name, err)
			return
		}
		f.till = time.Since(s.began)
		s.faults = append(s.faults, f)
	}
}

func (s *soak) standby() *testdb.Server { return s.nodes[1+rand.IntN(len(s.nodes)-1)] }

func (s *soak) killStandby(ctx context.Context) error {
	n := s.standby()
	if err := n.Kill(); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	return n.Restart(ctx)
}

// killPrimary lets the standby that has received most take over, and brings the
// old primary back as a standby of it.
func (s *soak) killPrimary(ctx context.Context) error {
	old := s.nodes[0]
	if err := old.Kill(); err != nil {
		return err
	}
	best, most := 0, int64(-1)
	for i, n := range s.nodes[1:] {
		var got int64
		conn, err := pgx.Connect(ctx, n.DSN("postgres"))
		if err != nil {
			return err
		}
		err = conn.QueryRow(ctx, "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint").Scan(&got)
		conn.Close(ctx)
		if err != nil {
			return err
		}
		if got > most {
			best, most = i+1, got
		}
	}
	promoted, other := s.nodes[best], s.nodes[3-best]
	if err := promoted.Promote(ctx); err != nil {
		return err
	}
	if err := other.Follow(ctx, promoted); err != nil {
		return err
	}
	s.nodes = []*testdb.Server{promoted, other, old}
	return old.Rejoin(ctx, promoted)
}

func (s *soak) pauseReplay(ctx context.Context) error {
	n := s.standby()
	if err := n.PauseReplay(ctx); err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	return n.ResumeReplay(ctx)
}

func (s *soak) blackHole(context.Context) error {
	n := s.standby()
	if err := n.Freeze(); err != nil {
		return err
	}
	time.Sleep(4 * time.Second)
	return n.Thaw()
}

func (s *soak) changeTable(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.nodes[0].DSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	column := pgx.Identifier{fmt.Sprint("c", time.Now().UnixNano())}.Sanitize()
	for _, sql := range []string{
		"ALTER TABLE accounts ADD COLUMN " + column + " int DEFAULT 7", "ALTER TABLE accounts DROP COLUMN " + column,
		"ALTER TABLE accounts ALTER COLUMN moves TYPE int", "ALTER TABLE accounts ALTER COLUMN moves TYPE bigint",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
	}
	return nil
}

// cancelStorm gives up statements, hundreds at a time.
func (s *soak) cancelStorm(context.Context) error {
	var g sync.WaitGroup
	until := time.Now().Add(2 * time.Second)
	for range 40 {
		g.Go(func() {
			for time.Now().Before(until) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(5)+1)*time.Millisecond)
				_, _ = s.router.Reader().Exec(ctx, "SELECT pg_sleep(0.02)") // it is given up
				cancel()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	g.Wait()
	return nil
}

// verify compares what was acknowledged with what is there.
func (s *soak) verify() {
	conn := connect(s.t, s.nodes[0])
	defer conn.Close(context.Background())
	var sum int64
	check.NoError(s.t, conn.QueryRow(s.t.Context(), "SELECT sum(balance) FROM accounts").Scan(&sum))
	check.Same(s.t, "sum of all balances", sum, soakAccounts*1000)
	rows, err := conn.Query(s.t.Context(), "SELECT key, source, target, amount FROM ledger")
	check.NoError(s.t, err)
	found := map[string]move{}
	var key string
	var row move
	_, err = pgx.ForEachRow(rows, []any{&key, &row[0], &row[1], &row[2]}, func() error {
		found[key] = row
		return nil
	})
	check.NoError(s.t, err)
	lost, extra := 0, 0
	s.keys.Range(func(key, want any) bool {
		if found[key.(string)] != want {
			lost++
		}
		return true
	})
	for key := range found {
		_, acked := s.keys.Load(key)
		_, unknown := s.unknown.Load(key)
		if !acked && !unknown {
			extra++
		}
	}
	check.Same(s.t, "transfers that were acknowledged and are lost", lost, 0)
	check.Same(s.t, "transfers that nobody made", extra, 0)
	check.Same(s.t, "stale reads of own writes", s.stale.Load(), 0)
	balances := map[int64]int64{}
	for _, r := range found {
		balances[r[0]] -= r[2]
		balances[r[1]] += r[2]
	}
	all, err := conn.Query(s.t.Context(), "SELECT id, balance FROM accounts")
	check.NoError(s.t, err)
	var id, balance int64
	_, err = pgx.ForEachRow(all, []any{&id, &balance}, func() error {
		if balance != 1000+balances[id] {
			s.t.Errorf("account %d has %d, its ledger says %d", id, balance, 1000+balances[id])
		}
		return nil
	})
	check.NoError(s.t, err)
}

// report prints the figures and draws them.
func (s *soak) report() {
	var all []sample
	for _, list := range s.samples {
		all = append(all, list...)
	}
	byKind := map[string][]sample{"all": all}
	for _, x := range all {
		byKind[x.kind] = append(byKind[x.kind], x)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n| requests | number | a second | within 1 s | failed | p50 | p99 | p99.9 | longest |\n|---|---|---|---|---|---|---|---|---|\n")
	seconds := time.Since(s.began).Seconds()
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		list := byKind[kind]
		took, good, failed := make([]time.Duration, len(list)), 0, 0
		for i, x := range list {
			took[i] = x.took
			switch {
			case x.err != nil:
				failed++
			case x.took <= time.Second:
				good++
			}
		}
		slices.Sort(took)
		at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))].Round(10 * time.Microsecond) }
		share := 100 * float64(good) / float64(len(list))
		fmt.Fprintf(&b, "| %s | %d | %.0f | %.4f %% | %d | %v | %v | %v | %v |\n", kind, len(list), float64(len(list))/seconds, share, failed, at(.5), at(.99), at(.999), at(1))
		if kind == "all" && share < 99.99 {
			s.t.Errorf("%.4f %% of the requests succeeded within a second", share)
		}
	}
	kinds := map[string]int{}
	for _, f := range s.faults {
		kinds[f.name]++
	}
	fmt.Fprintf(&b, "\nfaults: %v\n%+v\n", kinds, s.router.Stats())
	seenErrs := map[string]int{}
	for _, x := range all {
		if x.err != nil {
			seenErrs[x.err.Error()]++
		}
	}
	for text, n := range seenErrs {
		fmt.Fprintf(&b, "%d times: %s\n", n, text)
	}
	s.t.Log(b.String())
	if len(s.faults) == 0 {
		s.t.Error("nothing was broken: the test proves nothing")
	}
	if path := os.Getenv("SMRT_SOAK_SVG"); path != "" {
		check.NoError(s.t, os.WriteFile(path, []byte(plot(all, s.faults)), 0o644))
	}
}
