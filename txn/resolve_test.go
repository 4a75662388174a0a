package txn_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

func poolOn(t *testing.T, server *testdb.Server) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), server.DSN("postgres"))
	check.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// TestResolve finds out what became of commits whose answer was lost.
func TestResolve(t *testing.T) {
	b := newBank(t)
	lost := testdb.Fault{Sent: -1, Received: -1, Statement: "commit"}
	for _, c := range []struct {
		instead string
		want    txn.Outcome
	}{{"", txn.Committed}, {"rollback", txn.NotCommitted}} {
		lost.Instead = c.instead
		b.link.Arm(lost)
		err := txn.Run(t.Context(), b, add(1, 1), txn.Options{TrackID: true})
		var doubt *smrt.CommitUnknownError
		if !errors.As(err, &doubt) || doubt.XID == "" || doubt.System == "" || doubt.Timeline == 0 || doubt.BackendPID == 0 || doubt.StartedAt.IsZero() {
			t.Fatalf("got %+v", err)
		}
		got, err := txn.Resolve(t.Context(), b, err)
		check.NoError(t, err)
		check.Same(t, "outcome", got, c.want)

		crashed := *doubt // the same doubt, after the server has recovered
		crashed.Epoch = "before"
		want := map[txn.Outcome]txn.Outcome{txn.Committed: txn.Unknown, txn.NotCommitted: txn.NotCommitted}[c.want]
		got, err = txn.Resolve(t.Context(), b, &crashed)
		check.NoError(t, err)
		check.Same(t, "outcome after a crash", got, want)

		future := crashed
		future.XID = "4000000"
		got, err = txn.Resolve(t.Context(), b, &future)
		check.NoError(t, err)
		check.Same(t, "id that was forgotten in a crash", got, txn.NotCommitted)
		elsewhere := *doubt
		elsewhere.System = "1"
		_, err = txn.Resolve(t.Context(), b, &elsewhere)
		check.Error(t, "another cluster", err, smrt.ErrBadOptions)
	}
	b.link.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: "commit"})
	got, err := txn.Resolve(t.Context(), b, txn.Run(t.Context(), b, add(1, 1)))
	check.NoError(t, err)
	check.Same(t, "without an id", got, txn.Unknown)
	_, err = txn.Resolve(t.Context(), b, errOwn)
	check.Error(t, "another error", err, smrt.ErrBadOptions)
	_, err = txn.Resolve(nil, b, errOwn) //nolint:staticcheck // that is tested
	check.Error(t, "nil context", err, smrt.ErrNilContext)
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		_, err := txn.Resolve(ctx, b, &smrt.CommitUnknownError{XID: "1", Err: errOwn})
		check.Error(t, "inside", err, smrt.ErrTxBypass)
		return nil
	}))
	for _, o := range []txn.Outcome{txn.Unknown, txn.InProgress, txn.Committed, txn.NotCommitted} {
		check.Same(t, "text", o.String() != "", true)
	}
}

// TestResolveInProgress asks about a transaction that has not ended.
func TestResolveInProgress(t *testing.T) {
	b := newBank(t)
	b.link.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: "commit"})
	err := txn.Run(t.Context(), b, add(1, 1), txn.Options{TrackID: true})
	var doubt *smrt.CommitUnknownError
	if !errors.As(err, &doubt) {
		t.Fatal(err)
	}
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		doubt.XID = one[string](t, tx, "SELECT pg_current_xact_id()::text")
		got, err := txn.Resolve(ctx, tx, doubt)
		check.NoError(t, err)
		check.Same(t, "outcome", got, txn.InProgress)
		return nil
	}))
}

// TestResolveAfterCrash makes the server recover, as the death of a backend
// does: its answer about a transaction from before counts no more.
func TestResolveAfterCrash(t *testing.T) {
	server := testdb.Primary(t, testdb.Config{})
	check.NoError(t, bankSchema.Apply(t.Context(), server.DSN("postgres")))
	cfg, err := pgxpool.ParseConfig(server.DSN("postgres"))
	check.NoError(t, err)
	link := testdb.LinkConnections(cfg)
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	check.NoError(t, err)
	defer pool.Close()
	link.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: "commit"})
	doubt := txn.Run(t.Context(), pool, add(1, 1), txn.Options{TrackID: true})
	check.Error(t, "doubt", doubt, smrt.ErrCommitUnknown)
	pid := one[int](t, pool, "SELECT pg_backend_pid()")
	check.NoError(t, check.Value(os.FindProcess(pid))(t).Kill())
	for deadline := time.Now().Add(testdb.Patience(10 * time.Second)); ; time.Sleep(10 * time.Millisecond) {
		got, err := txn.Resolve(t.Context(), pool, doubt)
		if err == nil {
			check.Same(t, "outcome", got, txn.Unknown)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestMarkers proves what a key means beyond one call.
func TestMarkers(t *testing.T) {
	b := newBank(t)
	ctx := t.Context()
	check.NoError(t, txn.Run(ctx, b, add(1, 1), txn.Options{Key: "k"}))
	ran := false
	err := txn.Run(ctx, b, func(context.Context, pgx.Tx) error { ran = true; return nil }, txn.Options{Key: "k"})
	check.Error(t, "again", err, smrt.ErrAlreadyApplied)
	check.Same(t, "ran again", ran, false)
	check.Error(t, "failed", txn.Run(ctx, b, func(context.Context, pgx.Tx) error { return errOwn }, txn.Options{Key: "f"}), errOwn)
	check.NoError(t, txn.Run(ctx, b, add(1, 1), txn.Options{Key: "f"})) // nothing was applied, so the key is free

	_, err = b.Exec(ctx, `CREATE SCHEMA "odd ""one"; CREATE TABLE "odd ""one".m (key text PRIMARY KEY, token text NOT NULL)`)
	check.NoError(t, err)
	elsewhere := txn.Options{Key: "k", Markers: pgx.Identifier{`odd "one`, "m"}}
	check.NoError(t, txn.Run(ctx, b, add(1, 1), elsewhere))
	check.Error(t, "in another table", txn.Run(ctx, b, add(1, 1), elsewhere), smrt.ErrAlreadyApplied)
	err = txn.Run(ctx, b, add(1, 1), txn.Options{Key: "k", Markers: pgx.Identifier{"missing"}})
	check.Error(t, "no table", err, smrt.ErrBadOptions)
	check.Same(t, "balance", b.balance(t, 1), 1003)
}

// TestMarkerWaits proves that a second transaction with a key waits for the
// first, at each isolation level, and not for ever.
func TestMarkerWaits(t *testing.T) {
	b := newBank(t, testdb.MaxConns(2))
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		o := txn.Options{Key: string(level), Isolation: level}
		second := make(chan error, 1)
		check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			limited := o
			limited.LockTimeout = 10 * time.Millisecond
			check.Error(t, "limited", txn.Run(txn.WithoutTx(ctx), b, add(1, 1), limited), smrt.ErrLockTimeout)
			go func() { second <- txn.Run(t.Context(), b, add(1, 1), o) }()
			time.Sleep(20 * time.Millisecond)
			return add(1, 1)(ctx, tx)
		}, o))
		check.Error(t, string(level), <-second, smrt.ErrAlreadyApplied)
	}
	check.Same(t, "balance", b.balance(t, 1), 1003)
}

// TestCommitTimeout lets COMMIT take longer than it may: it is given up, and its
// outcome unknown.
func TestCommitTimeout(t *testing.T) {
	b := newBank(t)
	_, err := b.Exec(t.Context(), `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(120); RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON names DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	check.NoError(t, err)
	start := time.Now()
	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error { return name(ctx, tx, "slow") },
		txn.Options{CommitTimeout: 50 * time.Millisecond})
	check.Error(t, "slow COMMIT", err, smrt.ErrCommitUnknown)
	if took := time.Since(start); took > testdb.Patience(2*time.Second) {
		t.Errorf("took %v", took)
	}
}

// TestDeferredConstraint proves that a constraint violated at COMMIT is a certain
// failure with its own error.
func TestDeferredConstraint(t *testing.T) {
	b := newBank(t)
	_, err := b.Exec(t.Context(), `CREATE TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)`)
	check.NoError(t, err)
	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO once VALUES (1), (1)")
		return err
	})
	check.Error(t, "COMMIT", err, smrt.ErrConflict)
	var violated *smrt.ConstraintError
	check.Same(t, "constraint", errors.As(err, &violated) && violated.Constraint == "once_n_key", true)
}
