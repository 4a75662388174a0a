package txn_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/internal/wal"
	"github.com/smrt-go/smrt/txn"
)

// message is the wire format of what a server sends.
func message(m pgproto3.BackendMessage) []byte {
	b, err := m.Encode(nil)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	idle = message(&pgproto3.ReadyForQuery{TxStatus: 'I'})

	// completionUnknown is SQLSTATE 40003.
	completionUnknown = append(message(&pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "40003", Message: "statement completion unknown",
	}), idle...)

	notReplicated = message(&pgproto3.NoticeResponse{
		Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: "01000", Routine: "SyncRepWaitForLSN",
		Message: "canceling wait for synchronous replication due to user request",
	})
)

// answers are what can come back for a COMMIT, made out of a real server's
// answer (T2).
var answers = map[string]struct {
	fault   testdb.Fault
	want    error // without a key
	flagged bool
}{
	"applied, then closed":      {testdb.Fault{}, smrt.ErrCommitUnknown, false},
	"closed before it was sent": {testdb.Fault{Withhold: true}, nil, false}, // certain, and repeated
	"closed after a rollback":   {testdb.Fault{Instead: "rollback"}, smrt.ErrCommitUnknown, false},
	"ROLLBACK":                  {testdb.Fault{Instead: "rollback", Answer: same}, pgx.ErrTxCommitRollback, false},
	"committed with a warning":  {testdb.Fault{Answer: func(a []byte) []byte { return append(notReplicated, a...) }}, nil, true},
	"40003, applied":            {testdb.Fault{Answer: func([]byte) []byte { return completionUnknown }}, smrt.ErrCommitUnknown, false},
	"40003, not applied":        {testdb.Fault{Instead: "rollback", Answer: func([]byte) []byte { return completionUnknown }}, smrt.ErrCommitUnknown, false},
}

func same(a []byte) []byte { return a }

// forgeries is how often each answer is given, each time beside other
// transactions of the server.
func forgeries() int {
	if check.Long() {
		return 100
	}
	return 10
}

// commitFault loses the answer to COMMIT, which is another text if it asks for
// its position.
func commitFault(track bool) testdb.Fault {
	f := testdb.Fault{Sent: -1, Received: -1, Statement: "commit"}
	if track {
		f.Statement = wal.CommitSQL
	}
	return f
}

// TestForgedAnswers is T2: whatever happens to a COMMIT and its answer, with a
// key the transaction is applied exactly once, and without one what is reported
// is true. So it is if COMMIT asks for its position.
func TestForgedAnswers(t *testing.T) {
	for what, c := range answers {
		for _, track := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,position=%v", what, track), func(t *testing.T) {
				t.Parallel()
				f := commitFault(track)
				f.Withhold, f.Answer = c.fault.Withhold, c.fault.Answer
				if f.Instead = c.fault.Instead; f.Instead != "" && track {
					f.Instead = rollbackSQL
				}
				b := newBank(t, testdb.MaxConns(1))
				for i := range forgeries() {
					forge(t, b, f, c.want, c.flagged, txn.Options{TrackPosition: track}, fmt.Sprint(what, i))
				}
			})
		}
	}
}

// forge lets f happen to a COMMIT without and with a key.
func forge(t *testing.T, b *bank, f testdb.Fault, want error, flagged bool, o txn.Options, key string) {
	t.Helper()
	doubted := want == smrt.ErrCommitUnknown      //nolint:errorlint // a sentinel of the table
	rolledBack := want == pgx.ErrTxCommitRollback //nolint:errorlint // likewise

	b.link.Arm(f)
	result, err := txn.RunResult(t.Context(), b, add(1, 1), o)
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("without a key: got %v, want %v", err, want)
	}
	check.Same(t, "happened", b.link.Disarm(), true)
	check.Same(t, "flagged", result.NotReplicated, flagged)
	check.Same(t, "doubts", result.Doubts > 0, doubted)
	check.Same(t, "position", !result.Position.IsZero(), want == nil && o.TrackPosition)
	check.Same(t, "applied without a key", b.balance(t, 1) == 1001, f.Instead == "")
	check.NoError(t, reset(b))
	if rolledBack {
		return // a certain outcome, which a key does not change
	}
	o.Key = key
	b.link.Arm(f)
	result, err = txn.RunResult(t.Context(), b, add(1, 1), o)
	check.NoError(t, err)
	check.Same(t, "happened with a key", b.link.Disarm(), true)
	check.Same(t, "position with a key", !result.Position.IsZero(), o.TrackPosition)
	result, err = txn.RunResult(t.Context(), b, add(1, 1), o)
	check.Error(t, "again", err, smrt.ErrAlreadyApplied)
	check.Same(t, "position of what was applied before", result.Position, smrt.Position{})
	check.Same(t, "applied with a key", b.balance(t, 1), 1001)
	check.NoError(t, reset(b))
}

func reset(b *bank) error {
	_, err := b.Exec(context.Background(), "UPDATE accounts SET balance = 1000 WHERE id = 1")
	return err
}

// transfer is a transaction of four statements.
func transfer(key string) txn.Func {
	return func(ctx context.Context, tx pgx.Tx) error {
		for _, step := range []txn.Func{add(1, -1), add(2, 1), add(3, 0)} {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO ledger VALUES ($1, 1, 2, 1)", key)
		return err
	}
}

const cutSteps = 13

// TestCutAtEveryByte is T3: the connection is cut after each thirteenth byte in
// each direction, from another first one until a commit was in doubt, and after
// each byte with SMRT_TEST_LONG. What is reported is true, and with a key it is
// success.
func TestCutAtEveryByte(t *testing.T) {
	for i := range 8 {
		keyed, sending, track := i&1 != 0, i&2 != 0, i&4 != 0
		t.Run(fmt.Sprintf("keyed=%v,sending=%v,position=%v", keyed, sending, track), func(t *testing.T) {
			t.Parallel()
			b := newBank(t, testdb.MaxConns(1))
			doubts, n := 0, 0
			for i, first := range check.Random(t).Perm(cutSteps) {
				if i > 0 && doubts > 0 && !check.Long() {
					break
				}
				for n = first; cutAt(t, b, n, txn.Options{TrackPosition: track}, keyed, sending, &doubts); n += cutSteps {
				}
			}
			t.Logf("%d bytes, %d commits in doubt", n, doubts)
			if doubts == 0 || n < 100 {
				t.Errorf("%d bytes with %d doubts prove nothing", n, doubts)
			}
		})
	}
}

// cutAt runs a transaction whose connection is cut after n bytes, and tells
// whether it was.
func cutAt(t *testing.T, b *bank, n int, o txn.Options, keyed, sending bool, doubts *int) (cut bool) {
	t.Helper()
	key := fmt.Sprint("k", n)
	o.MaxAttempts = 1
	if keyed {
		o.Key, o.MaxAttempts = key, 10
	}
	undone := o
	undone.MaxAttempts = 10 // the connection of the last cut may still be in the pool
	err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, transfer(key)(ctx, tx))
		return errOwn // everything is prepared now, so that the transaction alone is cut
	}, undone)
	check.Error(t, "warm", err, errOwn)
	f := testdb.Fault{Sent: -1, Received: -1}
	if sending {
		f.Sent = n
	} else {
		f.Received = n
	}
	b.link.Arm(f)
	result, err := txn.RunResult(t.Context(), b, transfer(key), o)
	cut = b.link.Disarm()

	applied := 0
	for { // the server may not have noticed yet that the client is gone
		applied = one[int](t, b, "SELECT count(*) FROM ledger WHERE key = $1", key)
		open := one[int](t, b, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'")
		if again := one[int](t, b, "SELECT count(*) FROM ledger WHERE key = $1", key); open == 0 && again == applied {
			break
		}
		time.Sleep(time.Millisecond)
	}
	switch {
	case err == nil && applied == 1:
	case errors.Is(err, smrt.ErrCommitUnknown) && !keyed && applied <= 1:
		*doubts++
	case err != nil && !keyed && applied == 0:
	default:
		t.Fatalf("cut after %d bytes: reported %v, applied %d times", n, err, applied)
	}
	if keyed {
		*doubts += result.Doubts
		if !errors.Is(txn.Run(t.Context(), b, transfer(key), o), smrt.ErrAlreadyApplied) {
			t.Fatalf("cut after %d bytes: the key does not tell that it was applied", n)
		}
	}
	return cut
}

// TestWriteSkew is T4: pairs of transactions that each read what the other
// writes. At isolation level serializable one of each pair is repeated, and what
// both rely on holds.
func TestWriteSkew(t *testing.T) {
	const pairs = 500
	b := newBank(t, testdb.MaxConns(2))
	broken, retries := writeSkew(t, b, pairs, pgx.Serializable)
	check.Same(t, "pairs that broke the rule", broken, 0)
	if retries < pairs {
		t.Errorf("%d retries of %d pairs prove nothing", retries, pairs)
	}
	broken, _ = writeSkew(t, b, 20, pgx.RepeatableRead)
	if broken != 20 {
		t.Errorf("control at repeatable read: %d of 20 pairs broke the rule, want all", broken)
	}
}

// writeSkew lets both of each pair withdraw 1,500 from accounts that together
// hold 2,000, after seeing that it is there.
func writeSkew(t *testing.T, b *bank, pairs int, level pgx.TxIsoLevel) (broken, retries int) {
	t.Helper()
	for range pairs {
		_, err := b.Exec(t.Context(), "UPDATE accounts SET balance = 1000 WHERE id IN (1, 2)")
		check.NoError(t, err)
		var both sync.WaitGroup
		both.Add(2)
		var runs atomic.Int32
		var pair sync.WaitGroup
		for id := range int64(2) {
			pair.Go(func() {
				first := true
				err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
					runs.Add(1)
					var sum int64
					err := tx.QueryRow(ctx, "SELECT sum(balance)::bigint FROM accounts WHERE id IN ($1, $2)", 1, 2).Scan(&sum)
					if first { // both have read before either writes
						first = false
						both.Done()
						both.Wait()
					}
					if err != nil || sum < 1500 {
						return err
					}
					return add(id+1, -1500)(ctx, tx)
				}, txn.Options{Isolation: level})
				if err != nil {
					t.Error(err)
				}
			})
		}
		pair.Wait()
		retries += int(runs.Load()) - 2
		if one[int64](t, b, "SELECT sum(balance)::bigint FROM accounts WHERE id IN (1, 2)") < 0 {
			broken++
		}
	}
	return broken, retries
}

// TestHotRow is T5: many goroutines increment one row. No increment is lost, and
// backoff keeps them from meeting again and again: a loop that repeats at once
// needs more attempts. With SMRT_TEST_LONG there are ten times as many.
func TestHotRow(t *testing.T) {
	const goroutines, each = 32, 10
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		t.Run(string(level), func(t *testing.T) {
			b := newBank(t, testdb.MaxConns(16))
			o := txn.Options{Isolation: level, MaxAttempts: 100, MaxElapsed: testdb.Patience(time.Minute)}
			run := func(fn txn.Func) error { return txn.Run(t.Context(), b, fn, o) }
			atOnce, _ := hotRow(t, goroutines, each, func(fn txn.Func) error { return repeatAtOnce(t.Context(), b, level, fn) })
			attempts, p99 := hotRow(t, goroutines, each, run)
			t.Logf("%.2f attempts each, p99 %v; %.2f without backoff", attempts, p99, atOnce)
			if attempts >= atOnce {
				t.Errorf("%.2f attempts each, want fewer than %.2f, which is without backoff", attempts, atOnce)
			}
			sum := 1000 + 2*goroutines*each
			if check.Long() {
				attempts, p99 = hotRow(t, 64, 100, run)
				t.Logf("%.2f attempts of each of 64, p99 %v", attempts, p99)
				sum += 64 * 100
			}
			check.Same(t, "value", b.balance(t, 1), int64(sum))
			if limit := testdb.Patience(2 * time.Second); p99 > limit {
				t.Errorf("p99 is %v, want at most %v", p99, limit)
			}
		})
	}
	b := newBank(t, testdb.MaxConns(16))
	hotRow(t, 16, 50, func(fn txn.Func) error {
		return txn.Run(t.Context(), b, fn, txn.Options{Isolation: pgx.ReadCommitted})
	})
	if b.balance(t, 1) == 1000+800 {
		t.Error("control at read committed: no increment was lost")
	}
}

// repeatAtOnce is a retry loop as it is written by hand.
func repeatAtOnce(ctx context.Context, b *bank, level pgx.TxIsoLevel, fn txn.Func) error {
	for {
		err := pgx.BeginTxFunc(ctx, b, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error { return fn(ctx, tx) })
		if !isCode(err, "40001") {
			return err
		}
	}
}

// hotRow reads, adds and writes, in goroutines.
func hotRow(t *testing.T, goroutines, each int, run func(txn.Func) error) (attempts float64, p99 time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var runs atomic.Int64
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				start := time.Now()
				err := run(func(ctx context.Context, tx pgx.Tx) error {
					runs.Add(1)
					var balance int64
					if err := tx.QueryRow(ctx, "SELECT balance FROM accounts WHERE id = $1", 1).Scan(&balance); err != nil {
						return err
					}
					time.Sleep(time.Millisecond) // what a service does between both, so that all meet on machines with few processors, too
					_, err := tx.Exec(ctx, "UPDATE accounts SET balance = $2 WHERE id = $1", 1, balance+1)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(start))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	if len(took) == 0 {
		return 0, 0
	}
	return float64(runs.Load()) / float64(len(took)), took[len(took)*99/100]
}
