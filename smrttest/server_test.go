package smrttest_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/smrttest"
)

func TestCounter(t *testing.T) {
	t.Parallel()
	var sent smrttest.Counter
	pool := smrttest.Pool(t, items, smrttest.Count(&sent))
	if n := one[int](t, pool, "select count(*) from items"); n != 1 {
		t.Fatal(n)
	}
	sent.Reset()
	batch := &pgx.Batch{}
	batch.Queue("select 1")
	batch.Queue("select 2")
	check.NoError(t, pool.SendBatch(t.Context(), batch).Close())
	_ = check.Value(pool.CopyFrom(t.Context(), pgx.Identifier{"items"}, []string{"id"}, pgx.CopyFromRows([][]any{{int64(2)}})))(t)
	want := []string{"select 1", "select 2", "copy items"}
	if got := sent.Statements(); !slices.Equal(got, want) || sent.Len() != 3 || sent.RoundTrips() != 2 {
		t.Errorf("%q, %d, %d round trips", got, sent.Len(), sent.RoundTrips())
	}
}

// A counter and a link serve pools that the test opens itself, too.
func TestAttach(t *testing.T) {
	t.Parallel()
	var sent smrttest.Counter
	var network smrttest.Link
	cfg := check.Value(pgxpool.ParseConfig(smrttest.DSN(t, items)))(t)
	sent.Attach(cfg)
	network.Attach(cfg)
	pool := check.Value(pgxpool.NewWithConfig(t.Context(), cfg))(t)
	t.Cleanup(pool.Close)
	network.Delay(20 * time.Millisecond)
	began := time.Now()
	_ = one[int](t, pool, "select 1")
	if took := time.Since(began); took < 20*time.Millisecond || sent.Len() != 1 {
		t.Errorf("%v, %d statements", took, sent.Len())
	}
}

func TestLinkFaults(t *testing.T) {
	t.Parallel()
	insert := func(pool *pgxpool.Pool) error {
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "insert into items values (2, 'in doubt')")
			return err
		})
	}
	for name, c := range map[string]struct {
		arm       func(*smrttest.Link)
		committed bool
	}{
		"answer lost":    {func(l *smrttest.Link) { l.LoseAnswer("commit") }, true},
		"statement lost": {func(l *smrttest.Link) { l.LoseStatement("commit") }, false},
		"cut sending":    {func(l *smrttest.Link) { l.CutSent(20) }, false},
		"cut receiving":  {func(l *smrttest.Link) { l.CutReceived(0) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var network smrttest.Link
			pool := smrttest.Pool(t, items, smrttest.Over(&network), smrttest.MaxConns(1))
			_ = one[int](t, pool, "select 1")
			if c.arm(&network); network.Disarm() {
				t.Error("a fault happened before anything was sent")
			}
			c.arm(&network)
			if err := insert(pool); err == nil {
				t.Error("no error")
			}
			if !network.Disarm() {
				t.Error("the fault did not happen")
			}
			if n := one[int](t, pool, "select count(*) from items"); (n == 2) != c.committed {
				t.Errorf("%d items", n)
			}
		})
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	var network smrttest.Link
	pool := smrttest.Pool(t, items, smrttest.Over(&network))
	_ = one[int](t, pool, "select 1")
	network.Partition()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := pool.Exec(ctx, "select 1"); err == nil {
		t.Error("a statement went through")
	}
	network.Heal()
	if n := one[int](t, pool, "select 2"); n != 2 {
		t.Error(n)
	}
}

func TestReplicas(t *testing.T) {
	t.Parallel()
	servers := smrttest.Replicas(t, items, 1)
	standby := servers.Standbys[0]
	ctx := t.Context()
	count := func(s *smrttest.Server) (n int) {
		t.Helper()
		conn := check.Value(pgx.Connect(ctx, s.DSN()))(t)
		defer func() { check.NoError(t, conn.Close(ctx)) }()
		check.NoError(t, conn.QueryRow(ctx, "select count(*) from items").Scan(&n))
		return n
	}
	if n := count(standby); n != 1 {
		t.Errorf("%d items on the standby, want the schema's", n)
	}
	check.NoError(t, standby.PauseReplay(ctx))
	check.NoError(t, run(ctx, servers.Primary.DSN(), "insert into items values (2, 'new')"))
	if n, m := count(servers.Primary), count(standby); n != 2 || m != 1 {
		t.Errorf("%d and %d items, want the standby behind", n, m)
	}
	check.NoError(t, standby.ResumeReplay(ctx))
	check.NoError(t, servers.WaitForReplay(ctx))
	if n := count(standby); n != 2 {
		t.Errorf("%d items on the standby", n)
	}

	check.NoError(t, servers.Primary.Freeze())
	check.NoError(t, servers.Primary.Thaw())
	check.NoError(t, servers.Primary.Stop(ctx))
	check.NoError(t, servers.Primary.Start(ctx))
	check.NoError(t, servers.Primary.Kill())
	check.NoError(t, standby.Promote(ctx))
	check.NoError(t, run(ctx, standby.DSN(), "insert into items values (3, 'after the failover')"))
	check.NoError(t, servers.Primary.Rejoin(ctx, standby))
	if n := count(servers.Primary); n != 3 || servers.Primary.Log() == "" {
		t.Errorf("%d items on the old primary", n)
	}
}

func TestReplicasThatCannotBe(t *testing.T) {
	for _, n := range []int{0, -1, 9} {
		r := &recorder{}
		if servers := smrttest.Replicas(r, items, n); servers != nil || !reported(r.fatals, "from 1 to 8") {
			t.Errorf("%d: %q", n, r.fatals)
		}
	}
	r := &recorder{}
	if servers := smrttest.Replicas(r, smrttest.SQL("broken"), 1); servers != nil || !reported(r.fatals, "text 1", "syntax error") {
		t.Errorf("%q", r.fatals)
	}
	t.Setenv("SMRT_TEST_DSN", "postgres://somewhere")
	if servers := smrttest.Replicas(r, items, 1); servers != nil || !reported(r.skips, "SMRT_TEST_DSN") {
		t.Errorf("%q", r.skips)
	}
}

func TestPgBouncer(t *testing.T) {
	t.Parallel()
	for _, mode := range []smrttest.PoolMode{smrttest.TransactionPooling, smrttest.SessionPooling} {
		pool := smrttest.Pool(t, items, smrttest.PgBouncer(mode)) // skips where there is none
		for range 3 {
			var name string
			check.NoError(t, pool.QueryRow(t.Context(), "select name from items where id = $1", 1).Scan(&name))
		}
	}
	r := &recorder{}
	if pool := smrttest.Pool(r, items, smrttest.PgBouncer("sometimes")); pool != nil || !reported(r.fatals, "sometimes", "transaction") {
		t.Errorf("%q", r.fatals)
	}
}

func TestPgBouncerIsMissing(t *testing.T) {
	t.Setenv("SMRT_PGBOUNCER", "/nonexistent")
	for ci, messages := range map[string]func(*recorder) []string{
		"":     func(r *recorder) []string { return r.skips },
		"true": func(r *recorder) []string { return r.fatals },
	} {
		t.Setenv("CI", ci)
		r := &recorder{}
		pool := smrttest.Pool(r, items, smrttest.PgBouncer(smrttest.TransactionPooling))
		if pool != nil || !reported(messages(r), "PgBouncer is not installed", "SMRT_PGBOUNCER") {
			t.Errorf("CI=%s: skips %q, fatals %q", ci, r.skips, r.fatals)
		}
	}
}

func TestSeed(t *testing.T) {
	t.Setenv("SMRT_TEST_SEED", "4711")
	r := &recorder{}
	if seed := smrttest.Seed(r); seed != 4711 {
		t.Errorf("%d, want what the environment says", seed)
	}
	r.Errorf("fails")
	if r.end(); !reported(r.logs, "SMRT_TEST_SEED=4711 go test") {
		t.Errorf("%q, want the command that runs the test again", r.logs)
	}
	t.Setenv("SMRT_TEST_SEED", "")
	if a, b := smrttest.Seed(t), smrttest.Seed(t); a == b {
		t.Errorf("two seeds are %d", a)
	}
}
