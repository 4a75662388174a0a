package txn_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// killRun is twelve workers who transfer money while backends are killed. One
// that is killed with SIGKILL makes the server end all others and recover.
type killRun struct {
	transfers int                 // at least
	doubts    int                 // at least
	each      int                 // transfers between two kills, at least
	blind     bool                // no keys, and commits in doubt are repeated
	durable   bool                // COMMIT takes longer, and recovery much longer
	until     func(*killRun) bool // ends it early
	atMost    time.Duration

	pool *pgxpool.Pool
	stop atomic.Bool
	next atomic.Int64

	mu     sync.Mutex
	acked  map[string]bool
	seen   int // doubts
	asked  int // of them, of commits that asked for their position
	failed []error
	at     []time.Time // of acknowledgements
	kills  []time.Time
}

const (
	killWorkers  = 12
	killAccounts = 50
)

func (k *killRun) start(t *testing.T) {
	t.Helper()
	server := testdb.Primary(t, testdb.Config{Durable: k.durable})
	check.NoError(t, bankSchema.Apply(t.Context(), server.DSN("postgres")))
	cfg, err := pgxpool.ParseConfig(server.DSN("postgres"))
	check.NoError(t, err)
	cfg.MaxConns = killWorkers
	k.pool, err = pgxpool.NewWithConfig(t.Context(), cfg)
	check.NoError(t, err)
	random := check.Random(t)
	t.Cleanup(k.pool.Close)
	k.acked = map[string]bool{}

	var workers sync.WaitGroup
	for range killWorkers {
		workers.Go(func() {
			for !k.stop.Load() {
				k.transfer()
			}
		})
	}
	deadline := time.Now().Add(k.atMost)
	for before := 0; time.Now().Before(deadline) && !k.enough(); before = k.done() {
		for time.Now().Before(deadline) && k.done() < before+k.each {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		k.kill(t)
	}
	time.Sleep(time.Second) // the last kill is recovered from, too
	k.stop.Store(true)
	workers.Wait()
}

// done returns how many transfers were acknowledged so far.
func (k *killRun) done() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.acked)
}

func (k *killRun) enough() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.acked) >= k.transfers && k.seen >= k.doubts && k.asked > 0 && k.asked < k.seen || k.until != nil && k.until(k)
}

// transfer moves money from one account to another and writes it down, once.
func (k *killRun) transfer() {
	n := k.next.Add(1)
	key := fmt.Sprint("transfer ", n)
	source := 1 + rand.Int64N(killAccounts)
	target := 1 + (source+rand.Int64N(killAccounts-1))%killAccounts
	amount := 1 + rand.Int64N(9)
	o := txn.Options{Key: key, MaxElapsed: time.Minute, TrackPosition: n%2 == 0}
	if k.blind {
		o.Key = ""
	}
	move := func(ctx context.Context, tx pgx.Tx) error {
		for _, id := range []int64{min(source, target), max(source, target)} { // in one order, so that they do not deadlock
			d := amount
			if id == source {
				d = -amount
			}
			if err := add(id, d)(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO ledger VALUES ($1, $2, $3, $4)", key, source, target, amount)
		return err
	}
	result, err := txn.RunResult(context.Background(), k.pool, move, o)
	for k.blind && errors.Is(err, smrt.ErrCommitUnknown) {
		_, err = txn.RunResult(context.Background(), k.pool, move, o)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen += result.Doubts
	if o.TrackPosition {
		k.asked += result.Doubts
	}
	if err != nil {
		k.failed = append(k.failed, err)
		return
	}
	k.acked[key] = true
	k.at = append(k.at, time.Now())
}

// kill ends a random backend of the workers.
func (k *killRun) kill(t *testing.T) {
	t.Helper()
	var pid int
	for range 100 {
		err := k.pool.QueryRow(context.Background(), `SELECT pid FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle' ORDER BY random() LIMIT 1`).Scan(&pid)
		if err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if pid == 0 {
		return // the server is recovering; 0 would be this process
	}
	backend, err := os.FindProcess(pid)
	check.NoError(t, err)
	if err := backend.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	k.mu.Lock()
	k.kills = append(k.kills, time.Now())
	k.mu.Unlock()
}

// resume is the longest time that nothing was acknowledged after a kill.
func (k *killRun) resume() time.Duration {
	slices.SortFunc(k.at, time.Time.Compare)
	longest := time.Duration(0)
	for i := 1; i < len(k.at); i++ {
		longest = max(longest, k.at[i].Sub(k.at[i-1]))
	}
	return longest
}

// lost and twice compare what was acknowledged with what is there.
func (k *killRun) lost(tb testing.TB) (n int) {
	tb.Helper()
	rows, err := k.pool.Query(context.Background(), "SELECT DISTINCT key FROM ledger")
	check.NoError(tb, err)
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	check.NoError(tb, err)
	there := map[string]bool{}
	for _, key := range keys {
		there[key] = true
		if !k.acked[key] {
			n++ // applied, and reported as failed
		}
	}
	for key := range k.acked {
		if !there[key] {
			n++
		}
	}
	return n
}

const (
	twiceSQL = "SELECT count(*) - count(DISTINCT key) FROM ledger"
	wrongSQL = `SELECT count(*) FROM accounts a WHERE balance <> 1000
		+ coalesce((SELECT sum(amount) FROM ledger WHERE target = a.id), 0)
		- coalesce((SELECT sum(amount) FROM ledger WHERE source = a.id), 0)`
)

// TestKill is T1: backends die by kill -9 during transfers with a key. None is
// lost, none is applied twice, the sum is exact, and service resumes within a
// second each time. With SMRT_TEST_LONG there are a hundred times as many.
func TestKill(t *testing.T) {
	k := &killRun{transfers: 200, doubts: 3, each: 20, atMost: testdb.Patience(time.Minute)}
	if check.Long() {
		k.transfers, k.doubts, k.each, k.atMost = 20000, 10, 500, testdb.Patience(2*time.Minute)
	}
	limit := testdb.Patience(time.Second)
	k.start(t)
	t.Logf("%d transfers, %d kills, %d doubted commits, %d of which asked for their position, resumed within %v",
		len(k.acked), len(k.kills), k.seen, k.asked, k.resume().Round(time.Millisecond))
	if !k.enough() {
		t.Errorf("%d transfers with %d doubts of each kind prove nothing, want %d and %d", len(k.acked), k.seen, k.transfers, k.doubts)
	}
	check.Same(t, "failed", len(k.failed), 0)
	if len(k.failed) > 0 {
		t.Log(k.failed[0])
	}
	check.Same(t, "lost", k.lost(t), 0)
	check.Same(t, "applied twice", one[int](t, k.pool, twiceSQL), 0)
	check.Same(t, "sum", one[int](t, k.pool, "SELECT sum(balance)::bigint FROM accounts"), killAccounts*1000)
	check.Same(t, "accounts that differ from the ledger", one[int](t, k.pool, wrongSQL), 0)
	if r := k.resume(); r > limit {
		t.Errorf("service resumed after %v, want at most %v", r, limit)
	}
}

// TestKillControl repeats doubted commits without keys, as a caller who does not
// know better would: transfers are applied twice.
func TestKillControl(t *testing.T) {
	check.LongOnly(t) // a mutant of TestForgedAnswers shows the same in a second
	k := &killRun{
		transfers: 1 << 30, each: 20, atMost: testdb.Patience(45 * time.Second), durable: true, blind: true,
		until: func(k *killRun) bool {
			var twice int
			for range 100 { // the server is recovering
				if err := k.pool.QueryRow(context.Background(), twiceSQL).Scan(&twice); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			return twice > 0
		},
	}
	k.start(t)
	twice := one[int](t, k.pool, twiceSQL)
	t.Logf("%d transfers, %d kills, %d doubted commits, %d applied twice", len(k.acked), len(k.kills), k.seen, twice)
	if twice == 0 {
		t.Error("without the marker nothing was applied twice: the test above proves nothing")
	}
}
