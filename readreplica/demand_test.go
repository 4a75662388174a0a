package readreplica_test

import (
	"context"
	"errors"
	"strings"
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

// TestTokens is R1: two routers, as in two processes, share nothing but tokens,
// beside a standby that is always 200 ms behind.
func TestTokens(t *testing.T) {
	c := newCluster(t, 0, 200*time.Millisecond)
	writer := c.open(t)
	reader := c.open(t, func(cfg *readreplica.Config) { cfg.Wait = testdb.Patience(100 * time.Millisecond) })
	rows := repo.New(writer, counters)
	elsewhere := repo.New(reader, counters)
	anywhere := repo.New(c.open(t, func(cfg *readreplica.Config) { cfg.Picker = readreplica.RoundRobin() }), counters)
	pairs := int64(300)
	if check.Long() {
		pairs = 20_000
	}
	var stale, control int
	var longest time.Duration
	before := reads(reader)
	for n := int64(1); n <= pairs; n++ {
		ctx := readreplica.WithSession(t.Context())
		if n%2 == 0 {
			check.NoError(t, bump(ctx, rows, 1, n))
		} else {
			check.NoError(t, txn.Run(ctx, writer, func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, rows.With(tx), 1, n) }))
		}
		token, err := writer.Token(ctx)
		check.NoError(t, err)

		if n%10 == 0 { // what it would be without
			got, err := anywhere.Get(t.Context(), 1)
			check.NoError(t, err)
			if got.N != n {
				control++
			}
		}
		there, err := reader.Resume(t.Context(), token)
		check.NoError(t, err)
		began := time.Now()
		got, err := elsewhere.Get(there, 1)
		check.NoError(t, err)
		longest = max(longest, time.Since(began))
		if got.N != n {
			stale++
		}
	}
	after := reads(reader)
	served := after["standby1"] - before["standby1"] + after["standby2"] - before["standby2"]
	share := float64(served) / float64(served+after["primary"]-before["primary"])
	t.Logf("%d pairs: %d stale, %d of %d without a token, %.0f %% from standbys, longest read %v", pairs, stale, control, pairs/10, 100*share, longest)
	check.Same(t, "stale reads", stale, 0)
	if control == 0 {
		t.Error("nothing was stale without a token: the test proves nothing")
	}
	if share < 0.6 {
		t.Errorf("standbys served %.0f %% of the reads", 100*share)
	}
	if longest > testdb.Patience(250*time.Millisecond) {
		t.Errorf("a read took %v", longest)
	}
}

// TestIdlePrimary reads after the last write before a silence. A position that
// does not exist on a standby would be waited for until the next write.
func TestIdlePrimary(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	c.flushSoon(t)
	r := c.open(t, func(cfg *readreplica.Config) {
		cfg.Fallback, cfg.Wait = readreplica.Strict, testdb.Patience(2*time.Second)
	})
	rows := repo.New(r, counters)
	for n := range int64(200) {
		ctx := readreplica.WithSession(t.Context())
		check.NoError(t, txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "SELECT pg_logical_emit_message(true, '', repeat('x', $1))", n%83*97)
			return err
		}))
		_, err := rows.Get(ctx, 1)
		check.NoError(t, err)
	}
}

// TestTokenInTransaction is R2: there is no token of what is not committed.
func TestTokenInTransaction(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t)
	ctx := readreplica.WithSession(t.Context())
	check.NoError(t, txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error {
		_, err := r.Token(ctx)
		check.Error(t, "token in a transaction", err, smrt.ErrTxBypass)
		_, err = r.Position(ctx)
		check.Error(t, "position in a transaction", err, smrt.ErrTxBypass)
		return nil
	}))
}

// TestMonotonic is R3: sessions read from standbys that replay at different
// speeds, changing between them, and never see a counter go back.
func TestMonotonic(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 30*time.Millisecond, 90*time.Millisecond)
	for _, protected := range []bool{false, true} {
		r := c.open(t, func(cfg *readreplica.Config) { cfg.Picker = readreplica.RoundRobin() })
		ctx, cancel := context.WithCancel(t.Context())
		var back, total, hops atomic.Int64
		done := make(chan error, 9)
		go func() {
			conn := connect(t, c.primary)
			defer conn.Close(context.Background())
			for n := 1; ctx.Err() == nil; n++ {
				if _, err := conn.Exec(context.Background(), "UPDATE counters SET n = n + 1 WHERE id = 1"); err != nil {
					done <- err
					return
				}
				time.Sleep(time.Millisecond)
				if n%100 == 0 { // so that the slower ones catch up, and are read from
					time.Sleep(150 * time.Millisecond)
				}
			}
			done <- nil
		}()
		rows := repo.New(r, counters)
		for range 8 {
			go func() {
				var last int64
				token := ""
				for ctx.Err() == nil {
					// Each read is one of a new request, with the token of the last one, so it may go anywhere.
					session := t.Context()
					if protected {
						var err error
						if session, err = r.Resume(session, token); err != nil {
							done <- err
							return
						}
					}
					before := reads(r)["primary"]
					got, err := rows.Get(session, 1)
					if err != nil {
						done <- err
						return
					}
					if got.N < last {
						back.Add(1)
					}
					if reads(r)["primary"] == before {
						hops.Add(1)
					}
					last = got.N
					total.Add(1)
					if protected {
						if token, err = r.Token(session); err != nil {
							done <- err
							return
						}
					}
				}
				done <- nil
			}()
		}
		standbys := func() (served int) {
			for name, n := range reads(r) {
				if name != "primary" && n > 0 {
					served++
				}
			}
			return served
		}
		least := int64(2000)
		if check.Long() {
			least = 100_000
		}
		eventually(t, "enough reads", time.Minute, func() bool {
			return len(done) > 0 || standbys() >= 2 && (!protected && back.Load() > 0 || protected && total.Load() >= least)
		})
		cancel()
		for range 9 {
			check.NoError(t, <-done)
		}
		t.Logf("protected %v: %d reads, %d from standbys, %d went back; %v", protected, total.Load(), hops.Load(), back.Load(), reads(r))
		check.Same(t, "reads went back", back.Load() > 0, !protected)
	}
}

// TestMaxStale proves that the age of what is read is bounded.
func TestMaxStale(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t)
	rows := repo.New(r, counters)
	check.NoError(t, c.standbys[0].PauseReplay(t.Context()))
	check.NoError(t, bump(t.Context(), rows, 1, 1))
	time.Sleep(50 * time.Millisecond) // until the commit is older than each of the limits
	got, err := rows.Get(t.Context(), 1)
	check.NoError(t, err)
	check.Same(t, "a read without a limit", got.N, 0)
	for _, limit := range []time.Duration{0, 10 * time.Millisecond, 40 * time.Millisecond} {
		got, err = rows.Get(readreplica.WithMaxStale(t.Context(), limit), 1)
		check.NoError(t, err)
		check.Same(t, "a read within "+limit.String(), got.N, 1)
	}
	check.NoError(t, c.standbys[0].ResumeReplay(t.Context()))
	strict := c.open(t, func(cfg *readreplica.Config) { cfg.Fallback = readreplica.Strict })
	eventually(t, "the standby is known to be fresh enough", 10*time.Second, func() bool { return strict.Stats().Nodes[1].Reading })
	check.NoError(t, c.standbys[0].PauseReplay(t.Context()))
	check.NoError(t, bump(t.Context(), rows, 1, 2))
	_, err = repo.New(strict, counters).Get(readreplica.WithMaxStale(t.Context(), 0), 1)
	check.Error(t, "a read that must not go to the primary", err, smrt.ErrNoFreshReplica)
	var fresh *smrt.FreshnessError
	if !errors.As(err, &fresh) || fresh.Need.IsZero() || fresh.Waited == 0 || !strings.Contains(err.Error(), "Config.Fallback") {
		t.Errorf("error %+v", err)
	}
}

// TestForgedTokens is R9.
func TestForgedTokens(t *testing.T) {
	c := newCluster(t, 0)
	r := c.open(t)
	other := c.open(t, func(cfg *readreplica.Config) { cfg.TokenSecret = []byte("another secret...") })
	ctx := readreplica.WithSession(t.Context())
	check.NoError(t, bump(ctx, repo.New(r, counters), 1, 1))
	token, err := r.Token(ctx)
	check.NoError(t, err)
	p, err := r.Position(ctx)
	check.NoError(t, err)

	reason := func(what string, err error, want string) {
		t.Helper()
		var e *smrt.TokenError
		if !errors.As(err, &e) || e.Reason != want || !errors.Is(err, smrt.ErrBadToken) {
			t.Errorf("%s: got %v, want %s", what, err, want)
		}
	}
	_, err = other.Resume(t.Context(), token)
	reason("signed with another secret", err, "tampered")
	for i := range token {
		forged := token[:i] + string("Ab"[i%2]) + token[i+1:]
		if forged == token {
			continue
		}
		if _, err := r.Resume(t.Context(), forged); !errors.Is(err, smrt.ErrBadToken) {
			t.Fatalf("token changed at %d: %v", i, err)
		}
	}
	for _, text := range []string{"x", token[1:], token + "A", strings.Repeat("A", len(token)), strings.Repeat("=", len(token)), strings.Repeat("\x00", len(token)), strings.Repeat("é", 1000)} {
		_, err := r.Resume(t.Context(), text)
		check.Error(t, "garbage", err, smrt.ErrBadToken)
	}
	rows := repo.New(r, counters)
	for want, change := range map[string]func(*smrt.Position){
		"future":   func(p *smrt.Position) { p.LSN = 1<<64 - 1 },
		"foreign":  func(p *smrt.Position) { p.System++ },
		"timeline": func(p *smrt.Position) { p.Timeline = 9 },
	} {
		forged := p
		change(&forged)
		began := time.Now()
		_, err := rows.Get(readreplica.WithPosition(t.Context(), forged), 1)
		reason(want, err, want)
		if took := time.Since(began); took > testdb.Patience(100*time.Millisecond) {
			t.Errorf("%s: took %v", want, took)
		}
	}
	got, err := rows.Get(readreplica.WithPosition(t.Context(), p), 1)
	check.NoError(t, err)
	check.Same(t, "at least", got.N, 1)
}

// FuzzResume feeds texts to Resume: it never panics, and refuses all but the
// tokens that were signed.
func FuzzResume(f *testing.F) {
	r, err := readreplica.Open(f.Context(), readreplica.Config{
		Servers: []readreplica.Server{{URL: shared(f)}}, TokenSecret: []byte("0123456789abcdef"),
	})
	check.NoError(f, err)
	defer r.Close()
	f.Add("")
	f.Add(strings.Repeat("A", 60))
	f.Fuzz(func(t *testing.T, text string) {
		ctx, err := r.Resume(t.Context(), text)
		if (err == nil) != (text == "") || ctx == nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
