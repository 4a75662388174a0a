package readreplica_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// TestWhereThingsGo proves which statements go to a standby and which do not.
func TestWhereThingsGo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	r := c.open(t)
	ctx := t.Context()
	standby := func(what string, db smrt.DB, want bool) {
		t.Helper()
		var got bool
		check.NoError(t, db.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&got))
		check.Same(t, what+" on a standby", got, want)
	}
	standby("a query of the router", r, false)
	standby("a query of the reader", r.Reader(), true)
	for _, readOnly := range []bool{false, true} {
		check.NoError(t, txn.Run(ctx, r, func(_ context.Context, tx pgx.Tx) error {
			standby("a transaction", tx, readOnly)
			return nil
		}, txn.Options{ReadOnly: readOnly}))
	}
	rows := repo.New(r, counters)
	before := reads(r)
	for i := range int64(100) {
		_, err := rows.Get(ctx, i+1)
		check.NoError(t, err)
	}
	after := reads(r)
	if after["primary"] != before["primary"] || after["standby1"]+after["standby2"]-before["standby1"]-before["standby2"] != 100 {
		t.Errorf("reads went to %v, before %v", after, before)
	}
	_, err := rows.Find(readreplica.WithPrimary(ctx), query.All[counter]())
	check.NoError(t, err)
	check.Same(t, "reads on the primary", reads(r)["primary"], before["primary"]+1)
}

// TestWriteOnReplica proves that a write that was declared as a read is refused,
// wherever the read goes.
func TestWriteOnReplica(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0)
	r := c.open(t)
	for what, ctx := range map[string]context.Context{"standby": t.Context(), "primary": readreplica.WithPrimary(t.Context())} {
		var n int64
		err := r.Reader().QueryRow(ctx, "SELECT writes(1)").Scan(&n)
		check.Error(t, what, err, smrt.ErrWriteOnReplica, smrt.ErrReadOnly)
		_, err = r.Reader().Exec(ctx, "UPDATE counters SET n = 7")
		check.Error(t, what, err, smrt.ErrWriteOnReplica)
	}
	for what, read := range map[string]func(pgx.BatchResults) error{
		"exec": func(b pgx.BatchResults) error { _, err := b.Exec(); return err },
		"row":  func(b pgx.BatchResults) error { return b.QueryRow().Scan(new(int64)) },
		"end":  func(b pgx.BatchResults) error { return b.Close() },
	} {
		var b pgx.Batch
		b.Queue("UPDATE counters SET n = 7 RETURNING n")
		results := r.Reader().SendBatch(t.Context(), &b)
		check.Error(t, "batch, "+what, read(results), smrt.ErrWriteOnReplica)
		check.Error(t, "batch, close after "+what, results.Close(), smrt.ErrWriteOnReplica)
	}
	_, err := r.Reader().CopyFrom(t.Context(), pgx.Identifier{"counters"}, []string{"id"}, nil)
	check.Error(t, "copy", err, smrt.ErrWriteOnReplica)
	check.Error(t, "repository", bump(t.Context(), repo.New(r.Reader(), counters), 1, 5), smrt.ErrWriteOnReplica)
	var sum int64
	check.NoError(t, r.QueryRow(t.Context(), "SELECT sum(n) FROM counters").Scan(&sum))
	check.Same(t, "sum", sum, 0)
}

// TestUnlogged proves that reads of an unlogged table, which standbys have no rows
// of, go to the primary, whatever Config.Fallback says of other reads.
func TestUnlogged(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	conn := connect(t, c.primary)
	check.Value(conn.Exec(t.Context(), "CREATE UNLOGGED TABLE visits (LIKE counters INCLUDING ALL); INSERT INTO visits (id, n) VALUES (1, 7)"))(t)
	check.NoError(t, conn.Close(t.Context()))
	for _, s := range c.standbys {
		check.NoError(t, s.WaitForReplay(t.Context(), c.primary))
	}
	r := c.open(t, func(cfg *readreplica.Config) { cfg.Fallback = readreplica.Strict })
	rows := repo.New(r, query.NewTable("visits", func(c *counter) *int64 { return &c.ID }))
	ctx := readreplica.WithSession(t.Context())
	check.Same(t, "n", check.Value(rows.Get(ctx, 1))(t).N, int64(7))
	check.Same(t, "n", check.Value(rows.Find(ctx, query.All[counter]()))(t)[0].N, int64(7))
	var n int64
	check.NoError(t, r.Reader().QueryRow(ctx, "SELECT n FROM visits").Scan(&n))
	check.Same(t, "n", n, int64(7))
	stats := r.Stats()
	check.Same(t, "refused by a standby", stats.Reruns, uint64(3))
	for _, node := range stats.Nodes {
		check.Same(t, node.Name+" is up", node.Up, true)
	}
}

// TestReadYourWrites writes and reads in sessions, beside a standby that is
// always behind, and proves that sessions are what makes the difference.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 200*time.Millisecond)
	c.flushSoon(t)
	r := c.open(t)
	rows := repo.New(r, counters)
	pairs := 200
	if check.Long() {
		pairs = 5000
	}
	for _, way := range []struct {
		name  string
		write func(ctx context.Context, id, n int64) error
	}{
		{"statement", func(ctx context.Context, id, n int64) error { return bump(ctx, rows, id, n) }},
		{"transaction", func(ctx context.Context, id, n int64) error {
			return txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, rows.With(tx), id, n) })
		}},
		{"asynchronous", func(ctx context.Context, id, n int64) error {
			return txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
					return err
				}
				return bump(ctx, rows.With(tx), id, n)
			})
		}},
	} {
		stale := [2]int{}
		for i := range pairs {
			for k, ctx := range []context.Context{t.Context(), readreplica.WithSession(t.Context())} {
				n := int64(2*i + k + 1)
				check.NoError(t, way.write(ctx, 1, n))
				got, err := rows.Get(ctx, 1)
				check.NoError(t, err)
				if got.N != n {
					stale[k]++
				}
			}
		}
		check.Same(t, way.name+": stale reads with a session", stale[1], 0)
		if stale[0] == 0 {
			t.Errorf("%s: without a session nothing was stale: the test proves nothing", way.name)
		}
		t.Logf("%s: stale %d of %d without a session, %d with one", way.name, stale[0], pairs, stale[1])
	}
}
