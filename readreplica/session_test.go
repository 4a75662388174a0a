package readreplica_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// steered opens a router whose reads go to the standby that the test names.
func steered(t *testing.T, c *cluster, change ...func(*readreplica.Config)) (*readreplica.Router, *atomic.Pointer[string]) {
	to := &atomic.Pointer[string]{}
	change = append(change, func(cfg *readreplica.Config) {
		cfg.Picker = func(nodes []*readreplica.Node) *readreplica.Node {
			for _, n := range nodes {
				if name := to.Load(); name != nil && n.Name == *name {
					return n
				}
			}
			return nil
		}
	})
	return c.open(t, change...), to
}

// split makes standby2 stand still, changes a row, and waits until standby1
// has the change.
func (c *cluster) split(t *testing.T, sql string) {
	t.Helper()
	check.NoError(t, c.standbys[1].PauseReplay(t.Context()))
	conn := connect(t, c.primary)
	_, err := conn.Exec(t.Context(), sql)
	check.NoError(t, err)
	check.NoError(t, conn.Close(t.Context()))
	check.NoError(t, c.standbys[0].WaitForReplay(t.Context(), c.primary))
}

var one, two = "standby1", "standby2"

// TestConcurrentReadsOfASession: two reads of a session run on two standbys at
// the same time, and what either has seen counts. The control has no session.
func TestConcurrentReadsOfASession(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	r, to := steered(t, c)
	rows := repo.New(r, counters)
	c.split(t, "UPDATE counters SET n = 5 WHERE id = 1")
	for what, ctx := range map[string]context.Context{"session": readreplica.WithSession(t.Context()), "control": t.Context()} {
		read := func(where *string) pgx.Rows {
			to.Store(where)
			rows, err := r.Reader().Query(ctx, "SELECT n FROM counters WHERE id = 1")
			check.NoError(t, err)
			return rows
		}
		first, second := read(&one), read(&two) // both are under way
		a, err := pgx.CollectExactlyOneRow(first, pgx.RowTo[int64])
		check.NoError(t, err)
		b, err := pgx.CollectExactlyOneRow(second, pgx.RowTo[int64])
		check.NoError(t, err)
		check.Equal(t, what+": the reads", []int64{a, b}, []int64{5, 0})
		got, err := rows.Get(ctx, 1)
		check.NoError(t, err)
		check.Same(t, what+": went back in time", got.N == 0, what == "control")
	}
}

// TestMissingRowIsAnAnswer: whoever saw that a row is gone does not see it again.
func TestMissingRowIsAnAnswer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	r, to := steered(t, c)
	rows := repo.New(r, counters)
	c.split(t, "DELETE FROM counters WHERE id = 1")
	for what, ctx := range map[string]context.Context{"session": readreplica.WithSession(t.Context()), "control": t.Context()} {
		to.Store(&one)
		_, err := rows.Get(ctx, 1)
		check.Error(t, what, err, smrt.ErrNotFound)
		to.Store(&two)
		_, err = rows.Get(ctx, 1)
		check.Same(t, what+": the row is back", err == nil, what == "control")
	}
}

// TestReadTransactionInASession pins a standby, sees what was written before,
// and what it saw is not taken back after it has ended, however it ended.
func TestReadTransactionInASession(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	r, to := steered(t, c)
	rows := repo.New(r, counters)
	read := func(ctx context.Context, end error) (n int64) {
		err := txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error {
			got, err := rows.With(tx).Get(ctx, 1)
			check.NoError(t, err)
			n = got.N
			return end
		}, txn.Options{ReadOnly: true})
		check.Error(t, "run", err, end)
		return n
	}
	written := readreplica.WithSession(t.Context())
	check.NoError(t, bump(written, rows, 1, 3))
	to.Store(&two)
	check.Same(t, "after a write", read(written, nil), 3)
	c.split(t, "UPDATE counters SET n = 5 WHERE id = 1")
	for _, end := range []error{nil, errNoSuch} {
		for what, ctx := range map[string]context.Context{"session": readreplica.WithSession(t.Context()), "control": t.Context()} {
			to.Store(&one)
			check.Same(t, what, read(ctx, end), 5)
			to.Store(&two)
			got, err := rows.Get(ctx, 1)
			check.NoError(t, err)
			check.Same(t, what+": went back in time", got.N != 5, what == "control")
		}
	}
	check.Same(t, "reads under way", r.Stats().Nodes[1].InFlight+r.Stats().Nodes[2].InFlight, 0)
}

// TestCommitsAreKnown writes in every way there is, in sessions, and reads
// beside a standby that is behind. Whatever tells the position of its commit
// costs no question for it later. The control has no session.
func TestCommitsAreKnown(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 150*time.Millisecond)
	r := c.open(t)
	rows := repo.New(r, counters)
	conn := connect(t, c.primary)
	_, err := conn.Exec(t.Context(), txn.MarkersSQL)
	check.NoError(t, err)
	check.NoError(t, conn.Close(t.Context()))
	run := func(o txn.Options) func(context.Context, int64) error {
		return func(ctx context.Context, n int64) error {
			if o.Key != "" {
				o.Key += "x"
			}
			return txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error {
				return txn.Run(ctx, tx, func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, rows.With(tx), 1, n) }) // in a savepoint
			}, o)
		}
	}
	for what, way := range map[string]struct {
		write func(ctx context.Context, n int64) error
		asks  bool
	}{
		"run":      {run(txn.Options{}), false},
		"with key": {run(txn.Options{Key: "k"}), false},
		"unit": {func(ctx context.Context, n int64) error {
			u := unit.New()
			unit.Patch(u, counters, 1, countN.Set(n))
			_, err := u.Flush(ctx, r)
			return err
		}, false},
		"by hand": {func(ctx context.Context, n int64) error {
			return pgx.BeginFunc(ctx, r, func(tx pgx.Tx) error { return bump(ctx, rows.With(tx), 1, n) })
		}, false},
		"statement": {func(ctx context.Context, n int64) error { return bump(ctx, rows, 1, n) }, true},
		"batch": {func(ctx context.Context, n int64) error {
			var b pgx.Batch
			b.Queue("UPDATE counters SET n = $1 WHERE id = 1", n)
			return r.SendBatch(ctx, &b).Close()
		}, true},
		"batch with BEGIN": {func(ctx context.Context, n int64) error {
			var b pgx.Batch
			b.BeginTx(pgx.TxOptions{})
			b.Queue("UPDATE counters SET n = $1 WHERE id = 1", n)
			results := r.SendBatch(ctx, &b)
			if err := results.Close(); err != nil {
				return err
			}
			return results.Tx().Commit(ctx)
		}, true},
		"copy": {func(ctx context.Context, n int64) error {
			if _, err := r.Exec(t.Context(), "DELETE FROM counters WHERE id = 1"); err != nil {
				return err
			}
			_, err := r.CopyFrom(ctx, pgx.Identifier{"counters"}, []string{"id", "n"}, pgx.CopyFromRows([][]any{{int64(1), n}}))
			return err
		}, true},
		"told": {func(ctx context.Context, n int64) error {
			conn, err := r.Acquire(ctx)
			if err != nil {
				return err
			}
			defer conn.Release()
			_, err = conn.Exec(ctx, "UPDATE counters SET n = $1 WHERE id = 1", n)
			readreplica.MarkWritten(ctx)
			return err
		}, true},
	} {
		stale, asked := [2]int{}, uint64(0)
		for i := range int64(8) {
			for k, ctx := range []context.Context{t.Context(), readreplica.WithSession(t.Context())} {
				n := 2*i + int64(k) + 1
				check.NoError(t, way.write(ctx, n))
				before := r.Stats().Positions
				got, err := rows.Find(ctx, query.Where(counterID.Eq(1)))
				check.NoError(t, err)
				asked += r.Stats().Positions - before
				if len(got) != 1 || got[0].N != n {
					stale[k]++
				}
			}
		}
		check.Same(t, what+": stale in a session", stale[1], 0)
		check.Same(t, what+": stale without", stale[0] > 0, true)
		check.Same(t, what+": asks for a position", asked > 0, way.asks)
	}
}

// TestLaterCommitCoversAnEarlierWrite: one whose position is not known needs no
// question any more after a commit that tells its own.
func TestLaterCommitCoversAnEarlierWrite(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 150*time.Millisecond)
	r := c.open(t, func(cfg *readreplica.Config) { cfg.ProbeInterval, cfg.MaxStale = time.Minute, time.Hour }) // probes answer too
	rows := repo.New(r, counters)
	ctx := readreplica.WithSession(t.Context())
	check.NoError(t, bump(ctx, rows, 1, 7))
	check.NoError(t, txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, rows.With(tx), 2, 1) }))
	before := r.Stats().Positions
	got, err := rows.Get(ctx, 1)
	check.NoError(t, err)
	check.Same(t, "n", got.N, 7)
	check.Same(t, "questions", r.Stats().Positions-before, 0)

	// A write that is answered while the transaction runs may be behind its commit.
	ctx = readreplica.WithSession(t.Context())
	check.NoError(t, txn.Run(ctx, r, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, bump(txn.WithoutTx(ctx), rows, 1, 8))
		return bump(ctx, rows.With(tx), 2, 2)
	}))
	before = r.Stats().Positions
	got, err = rows.Get(ctx, 1)
	check.NoError(t, err)
	check.Same(t, "n", got.N, 8)
	check.Same(t, "questions", r.Stats().Positions-before, 1)
}

// TestSessionOfManyGoroutines uses one session with two routers from many
// goroutines; each sees its own writes.
func TestSessionOfManyGoroutines(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 50*time.Millisecond)
	a, b := c.open(t), c.open(t)
	ctx := readreplica.WithSession(t.Context())
	var g sync.WaitGroup
	for w := range int64(8) {
		g.Go(func() {
			mine, other := repo.New(a, counters), repo.New(b, counters)
			if w%2 == 0 {
				mine, other = other, mine
			}
			for n := int64(1); n <= 30; n++ {
				if err := bump(ctx, mine, w+1, n); err != nil {
					t.Error(err)
					return
				}
				got, err := mine.Get(ctx, w+1)
				if err != nil || got.N != n {
					t.Errorf("read %+v, %v after a write of %d", got, err, n)
				}
				if _, err := other.Get(ctx, w+1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
}

// family is a counter with those whose value is its key.
type family struct {
	Counter counter
	Peers   []counter
}

var counterID = query.Col(func(c *counter) *int64 { return &c.ID })

// TestGraphOnAStandby loads a graph: as a whole it is a read, on one node.
func TestGraphOnAStandby(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	r := c.open(t)
	peers := preload.Many(preload.HasMany(counters, counters, func(c *counter) *int64 { return &c.N }), func(f *family) *[]counter { return &f.Peers })
	ctx := readreplica.WithSession(t.Context())
	_, err := r.Exec(ctx, "UPDATE counters SET n = 1 WHERE id > 50")
	check.NoError(t, err)
	families := repo.View(repo.New(r, counters), func(f *family) *counter { return &f.Counter })
	eventually(t, "a standby has replayed the write", 10*time.Second, func() bool {
		before := reads(r)
		got, err := families.Find(ctx, query.Where(counterID.Le(2)).OrderBy(counterID.Asc()), peers)
		check.NoError(t, err)
		check.Same(t, "rows", len(got), 2)
		check.Same(t, "peers of the first", len(got[0].Peers), 50)
		after := reads(r)
		standbys := after[one] + after[two] - before[one] - before[two]
		check.Same(t, "nodes that served the graph", standbys+after["primary"]-before["primary"], 1)
		return standbys == 1 // a slow standby leaves the first reads to the primary
	})
}
