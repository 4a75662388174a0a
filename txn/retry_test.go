package txn_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// failing is a closure that fails n times before it succeeds.
func failing(n int, fail func(ctx context.Context, tx pgx.Tx) error) (txn.Func, *int) {
	runs := new(int)
	return func(ctx context.Context, tx pgx.Tx) error {
		*runs++
		if *runs <= n {
			return fail(ctx, tx)
		}
		return add(1, 1)(ctx, tx)
	}, runs
}

func raise(code string) func(ctx context.Context, tx pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '`+code+`'; END $$`)
		return err
	}
}

// violate raises an error with another detail each time, as if other rows were in
// the way.
func violate(code string) func(ctx context.Context, tx pgx.Tx) error {
	n := 0
	return func(ctx context.Context, tx pgx.Tx) error {
		n++
		_, err := tx.Exec(ctx, fmt.Sprintf(`DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '%s', DETAIL = '%d'; END $$`, code, n))
		return err
	}
}

// TestSameViolationTwice violates one constraint with the same row in each
// attempt. The controls: a conflict lies between, and the row differs.
func TestSameViolationTwice(t *testing.T) {
	b := newBank(t)
	check.NoError(t, name(t.Context(), b, "taken"))
	for what, o := range map[string]txn.Options{"may race": {MayRace: true}, "serializable": {Isolation: pgx.Serializable}} {
		result, err := txn.RunResult(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error { return name(ctx, tx, "taken") }, o)
		check.Same(t, what+": attempts", result.Attempts, 2)
		check.Same(t, what+": given up", errors.Is(err, smrt.ErrRetriesExhausted), false)
		var pg *pgconn.PgError
		check.Same(t, what+": the violation", errors.As(err, &pg) && pg.Code == "23505", true)
		runs := 0
		result, _ = txn.RunResult(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			if runs++; runs%2 == 0 {
				return raise("40001")(ctx, tx)
			}
			return name(ctx, tx, "taken")
		}, o)
		check.Same(t, what+", conflicts between: attempts", result.Attempts, 10)
	}
}

// TestRetried proves which errors repeat a closure and which do not.
func TestRetried(t *testing.T) {
	b := newBank(t)
	race := txn.Options{MayRace: true}
	for what, c := range map[string]struct {
		fail func(context.Context, pgx.Tx) error
		o    txn.Options
		runs int
	}{
		"serialization failure":     {raise("40001"), txn.Options{}, 3},
		"deadlock":                  {raise("40P01"), txn.Options{}, 3},
		"another error returned":    {func(ctx context.Context, tx pgx.Tx) error { _ = raise("40001")(ctx, tx); return errOwn }, txn.Options{}, 3},
		"no error returned":         {func(ctx context.Context, tx pgx.Tx) error { _ = raise("40001")(ctx, tx); return nil }, txn.Options{}, 3},
		"read-only server":          {raise("25006"), txn.Options{}, 3},
		"read-only by option":       {raise("25006"), txn.Options{ReadOnly: true}, 1},
		"connection killed":         {terminate, txn.Options{}, 3},
		"unique":                    {raise("23505"), txn.Options{}, 1},
		"unique that may race":      {violate("23505"), race, 3},
		"exclusion that may race":   {violate("23P01"), race, 3},
		"unique when serializable":  {violate("23505"), txn.Options{Isolation: pgx.Serializable}, 3},
		"check":                     {raise("23514"), race, 1},
		"syntax":                    {raise("42601"), race, 1},
		"own error":                 {func(context.Context, pgx.Tx) error { return errOwn }, race, 1},
		"own error and a conflict":  {func(ctx context.Context, tx pgx.Tx) error { return errors.Join(errOwn, raise("40001")(ctx, tx)) }, txn.Options{}, 3},
		"deadline of its own":       {func(context.Context, pgx.Tx) error { return context.DeadlineExceeded }, txn.Options{}, 1},
		"connection closed by hand": {func(ctx context.Context, tx pgx.Tx) error { return tx.Conn().Close(ctx) }, txn.Options{}, 3},
	} {
		t.Run(what, func(t *testing.T) {
			fn, runs := failing(2, c.fail)
			result, err := txn.RunResult(t.Context(), b, fn, c.o)
			check.Same(t, "runs", *runs, c.runs)
			check.Same(t, "attempts", result.Attempts, c.runs)
			if c.runs > 1 && !c.o.ReadOnly {
				check.NoError(t, err)
			} else if err == nil {
				t.Error("no error")
			}
		})
	}
}

// terminate lets the server end the connection.
func terminate(ctx context.Context, tx pgx.Tx) error {
	_ = tx.QueryRow(ctx, "SELECT pg_terminate_backend(pg_backend_pid())").Scan(new(bool))
	_, err := tx.Exec(ctx, "SELECT 1")
	return err
}

// TestDeadlock lets two transactions deadlock: both succeed.
func TestDeadlock(t *testing.T) {
	b := newBank(t, testdb.MaxConns(2))
	var runs atomic.Int64
	var locked sync.WaitGroup // each has its first row
	locked.Add(2)
	cross := func(first, second int64) error {
		var once sync.Once
		return txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			runs.Add(1)
			if err := add(first, 1)(ctx, tx); err != nil {
				return err
			}
			once.Do(func() {
				locked.Done()
				locked.Wait()
			})
			return add(second, 1)(ctx, tx)
		})
	}
	done := make(chan error, 1)
	go func() { done <- cross(2, 1) }()
	check.NoError(t, cross(1, 2))
	check.NoError(t, <-done)
	check.Same(t, "balances", b.balance(t, 1)+b.balance(t, 2), 2004)
	check.Same(t, "repeated after a deadlock", runs.Load() > 2, true)
}

// TestStalePlan changes a table under statements that are prepared: inside a
// transaction only a new one helps.
func TestStalePlan(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1), execMode(pgx.QueryExecModeCacheStatement))
	runs := 0
	read := func(ctx context.Context, tx pgx.Tx) error {
		runs++
		rows, err := tx.Query(ctx, "SELECT * FROM names WHERE name = $1", "x")
		rows.Close()
		return errors.Join(err, rows.Err())
	}
	check.NoError(t, txn.Run(t.Context(), b, read))
	for i, column := range []string{"a", "b"} {
		_, err := b.Exec(t.Context(), "ALTER TABLE names ADD COLUMN "+column+" text")
		check.NoError(t, err)
		runs = 0
		if i == 0 {
			check.NoError(t, txn.Run(t.Context(), b, read))
			check.Same(t, "runs", runs, 2)
			continue
		}
		err = txn.Run(t.Context(), b, read, txn.Options{MaxAttempts: 1})
		check.Error(t, "control with one attempt", err, smrt.ErrRetriesExhausted)
		check.Same(t, "is what PostgreSQL says", isCode(err, "0A000"), true)
	}
}

// TestLimits proves each limit of retries, and that it is named.
func TestLimits(t *testing.T) {
	b := newBank(t)
	soon := deadline{t.Context(), time.Now().Add(50 * time.Millisecond)}
	spent := txn.NewBudget(0, time.Minute)
	fn, _ := failing(100, raise("40001"))
	check.Error(t, "first use of the budget", txn.Run(t.Context(), b, fn, txn.Options{Budget: spent}), smrt.ErrRetriesExhausted)
	for limit, c := range map[string]struct {
		ctx  context.Context
		o    txn.Options
		runs int // 0 for any
	}{
		"attempts": {t.Context(), txn.Options{MaxAttempts: 3}, 3},
		"time":     {t.Context(), txn.Options{MaxAttempts: 100, MaxElapsed: 50 * time.Millisecond}, 0},
		"deadline": {soon, txn.Options{MaxAttempts: 100}, 0},
		"budget":   {t.Context(), txn.Options{Budget: spent}, 1},
	} {
		t.Run(limit, func(t *testing.T) {
			fn, runs := failing(1000, raise("40001"))
			err := txn.Run(c.ctx, b, fn, c.o)
			var given *smrt.RetryError
			if !errors.As(err, &given) || given.Limit != limit || !isCode(err, "40001") || !errors.Is(err, smrt.ErrRetriesExhausted) {
				t.Fatalf("got %v", err)
			}
			check.Same(t, "attempts", given.Attempts, *runs)
			if c.runs != 0 {
				check.Same(t, "runs", *runs, c.runs)
			}
		})
	}
}

// deadline is a context that has a deadline and does not end with it: it never
// ends an attempt, so that what Run does in view of it does not depend on time.
type deadline struct {
	context.Context
	at time.Time
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

// TestBudget proves that a budget follows the calls.
func TestBudget(t *testing.T) {
	b := newBank(t)
	budget := txn.NewBudget(0.5, 10*time.Second)
	run := func(n int) error {
		fn, _ := failing(n, raise("40001"))
		return txn.Run(t.Context(), b, fn, txn.Options{Budget: budget})
	}
	check.Error(t, "more retries than calls", run(6), smrt.ErrRetriesExhausted)
	for range 20 {
		check.NoError(t, run(0))
	}
	check.NoError(t, run(3))

	short := txn.NewBudget(0, 0) // ten milliseconds
	for range 2 {
		fn, _ := failing(3, raise("40001"))
		check.NoError(t, txn.Run(t.Context(), b, fn, txn.Options{Budget: short}))
		time.Sleep(15 * time.Millisecond)
	}
}

// TestServerRestarts proves that a transaction waits for a server that comes
// back, and that one attempt means one.
func TestServerRestarts(t *testing.T) {
	server := testdb.Primary(t, testdb.Config{})
	check.NoError(t, bankSchema.Apply(t.Context(), server.DSN("postgres")))
	pool := poolOn(t, server)
	check.NoError(t, txn.Run(t.Context(), pool, add(1, 1)))
	check.NoError(t, server.Kill())
	if err := txn.Run(t.Context(), pool, add(1, 1), txn.Options{MaxAttempts: 1}); err == nil {
		t.Error("a server that is gone took a transaction")
	}
	back := make(chan error, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		back <- server.Restart(context.Background())
	}()
	check.NoError(t, txn.Run(t.Context(), pool, add(1, 1)))
	check.NoError(t, <-back)
	check.Same(t, "balance", one[int](t, pool, "SELECT balance FROM accounts WHERE id = 1"), 1002)

	check.NoError(t, server.Kill())
	err := txn.Run(t.Context(), pool, add(1, 1), txn.Options{MaxElapsed: 100 * time.Millisecond})
	check.Error(t, "server that stays away", err, smrt.ErrRetriesExhausted)
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENOENT) {
		t.Errorf("got %v, want what the network said", err)
	}
}

// TestDemotedPrimary makes the server read-only under a pool: its connections
// are dropped, so that new ones can find the new primary.
func TestDemotedPrimary(t *testing.T) {
	b := newBank(t)
	_, err := b.Exec(t.Context(), "SET default_transaction_read_only = on") // of one connection
	check.NoError(t, err)
	before := b.Stat().NewConnsCount()
	check.NoError(t, txn.Run(t.Context(), b, add(1, 1)))
	check.Same(t, "connections opened", b.Stat().NewConnsCount(), before+1)
}
