package txn_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/internal/wal"
	"github.com/smrt-go/smrt/txn"
)

// watchedConn tells of everything that is sent, which a tracer of pgx does not see of a COMMIT that asks for its
// position.
type watchedConn struct {
	net.Conn
	before, after func()
}

func (c watchedConn) Write(b []byte) (int, error) {
	c.before()
	n, err := c.Conn.Write(b)
	c.after()
	return n, err
}

// watchWrites calls before ahead of everything that is sent, and after behind it.
func watchWrites(before, after func()) testdb.Option {
	return testdb.Configure(func(cfg *pgxpool.Config) {
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return watchedConn{conn, before, after}, err
		}
	})
}

// keeper is a pool that keeps positions.
type keeper struct {
	*pgxpool.Pool
	kept []smrt.Position
}

func (k *keeper) KeepCommits(context.Context) func(smrt.Position) {
	return func(p smrt.Position) { k.kept = append(k.kept, p) }
}

// dbBeginner can begin and run statements, and lends nothing.
type dbBeginner struct {
	smrt.DB
	txn.Beginner
}

// telling begins transactions that tell their position by themselves.
type telling struct {
	b       *bank
	commits int
}

func (b *telling) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := b.b.Begin(ctx)
	return &tellingTx{tx, b}, err
}

type tellingTx struct {
	pgx.Tx
	of *telling
}

func (tx *tellingTx) CommitPosition(ctx context.Context) (smrt.Position, error) {
	tx.of.commits++
	return smrt.Position{System: 7, Timeline: 7, LSN: 7}, tx.Commit(ctx)
}

// TestPosition proves that the position of a commit is behind everything that it wrote and not ahead of the log, on
// every handle that can tell it, and that asking costs no round trip where the connection is at hand.
func TestPosition(t *testing.T) {
	var sent atomic.Int64
	b := newBank(t, testdb.MaxConns(2), watchWrites(func() { sent.Add(1) }, func() {}))
	conn, err := b.Acquire(t.Context())
	check.NoError(t, err)
	defer conn.Release()
	keys := 0
	for what, c := range map[string]struct {
		db    txn.Beginner
		o     txn.Options
		trips int64 // more than without
	}{
		"pool":                 {b, txn.Options{}, 0},
		"guarded pool":         {txn.Checked(b), txn.Options{}, 0},
		"connection of a pool": {conn, txn.Options{}, 0},
		"connection":           {conn.Conn(), txn.Options{}, 0},
		"with options":         {b, txn.Options{Isolation: pgx.Serializable, LockTimeout: time.Second}, 0},
		"with a key":           {b, txn.Options{Key: "k"}, 0},
		"with an id":           {conn, txn.Options{TrackID: true}, 0},
		"lends nothing":        {dbBeginner{b, plainBeginner{b}}, txn.Options{}, 1},
	} {
		t.Run(what, func(t *testing.T) {
			trips := map[bool]int64{}
			for range 3 { // until everything is prepared
				for _, track := range []bool{false, true} {
					o := c.o
					if o.TrackPosition = track; o.Key != "" {
						keys++
						o.Key = strings.Repeat("k", keys)
					}
					var written smrt.Position
					before := sent.Load()
					result, err := txn.RunResult(t.Context(), c.db, func(ctx context.Context, tx pgx.Tx) (err error) {
						if err := add(1, 1)(ctx, tx); err != nil {
							return err
						}
						written, err = wal.Now(ctx, tx)
						return err
					}, o)
					check.NoError(t, err)
					trips[track] = sent.Load() - before
					if !track {
						check.Same(t, "position that nobody asked for", result.Position, smrt.Position{})
						continue
					}
					end, err := wal.Now(t.Context(), conn)
					check.NoError(t, err)
					p := result.Position
					if p.LSN <= written.LSN || p.LSN > end.LSN || p.System != end.System || p.Timeline != end.Timeline {
						t.Errorf("position %v, want behind %v and not behind %v", p, written, end)
					}
				}
			}
			check.Same(t, "round trips", trips[true], trips[false]+c.trips)
		})
	}
	check.Same(t, "connections in use", b.Stat().AcquiredConns(), 1)
}

// TestPositionElsewhere commits where the position comes from the transaction itself, or from nowhere.
func TestPositionElsewhere(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	o := txn.Options{TrackPosition: true}
	tells := &telling{b: b}
	result, err := txn.RunResult(t.Context(), tells, add(1, 1), o)
	check.NoError(t, err)
	check.Same(t, "position of a transaction that tells it", result.Position.LSN, 7)
	check.NoError(t, txn.Run(t.Context(), tells, add(1, 1)))
	check.Same(t, "commits that were asked for it", tells.commits, 1)

	result, err = txn.RunResult(t.Context(), plainBeginner{b}, add(1, 1), o)
	check.NoError(t, err)
	check.Same(t, "position from nowhere", result.Position, smrt.Position{})

	_, err = b.Exec(t.Context(), `REVOKE EXECUTE ON FUNCTION pg_control_system FROM public;
		DO $$ BEGIN CREATE ROLE txn_stranger; EXCEPTION WHEN duplicate_object THEN END $$`)
	check.NoError(t, err)
	result, err = txn.RunResult(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.NoError(t, add(1, 1)(ctx, tx))
		_, err := tx.Exec(ctx, "SET SESSION AUTHORIZATION txn_stranger")
		return err
	}, o)
	check.NoError(t, err)
	check.Same(t, "position that may not be read", result.Position, smrt.Position{})
	_, err = b.Exec(t.Context(), "RESET SESSION AUTHORIZATION")
	check.NoError(t, err)
	check.Same(t, "balance", b.balance(t, 1), 1004)
	check.Same(t, "connections opened", b.Stat().NewConnsCount(), 1)
}

// TestPositionKept proves that a handle which keeps positions is told of exactly the commits that are known to have
// happened, before the hooks run.
func TestPositionKept(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	k := &keeper{Pool: b.Pool}
	lost := testdb.Fault{Sent: -1, Received: -1, Statement: wal.CommitSQL}
	undone := lost
	undone.Instead = rollbackSQL
	for _, c := range []struct {
		what  string
		fault testdb.Fault
		fn    txn.Func
		o     txn.Options
		want  error
		kept  int
	}{
		{"commit", testdb.Fault{}, add(1, 1), txn.Options{}, nil, 1},
		{"commit with a key", testdb.Fault{}, add(1, 1), txn.Options{Key: "a"}, nil, 1},
		{"applied before", testdb.Fault{}, add(1, 1), txn.Options{Key: "a"}, smrt.ErrAlreadyApplied, 0},
		{"rollback", testdb.Fault{}, func(context.Context, pgx.Tx) error { return errOwn }, txn.Options{}, errOwn, 0},
		{"read-only", testdb.Fault{}, nothing, txn.Options{ReadOnly: true}, nil, 0},
		{"unknown", lost, add(1, 1), txn.Options{}, smrt.ErrCommitUnknown, 0},
		{"found out: committed", lost, add(1, 1), txn.Options{Key: "b"}, nil, 1},
		{"found out: not committed", undone, add(1, 1), txn.Options{Key: "c"}, nil, 1},
	} {
		k.kept = nil
		if c.fault.Statement != "" {
			b.balance(t, 1) // the connection of the last fault may still say goodbye
			b.link.Arm(c.fault)
		}
		hooked := -1
		result, err := txn.RunResult(t.Context(), txn.Checked(k), func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, txn.AfterCommit(ctx, func(context.Context) { hooked = len(k.kept) }))
			return c.fn(ctx, tx)
		}, c.o)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Fatalf("%s: got %v, want %v", c.what, err, c.want)
		}
		check.Same(t, c.what+": happened", b.link.Disarm(), c.fault.Statement != "")
		check.Same(t, c.what+": kept", len(k.kept), c.kept)
		if c.kept == 1 {
			check.Same(t, c.what+": kept before the hook", hooked, 1)
			check.Same(t, c.what+": position", k.kept[0].IsZero(), false)
			check.Same(t, c.what+": position of the result", result.Position, k.kept[0])
		} else {
			check.Same(t, c.what+": position of the result", result.Position, smrt.Position{})
		}
	}
	result, err := txn.RunResult(t.Context(), b, add(1, 1)) // nobody keeps it
	check.NoError(t, err)
	check.Same(t, "position that nobody asked for", result.Position, smrt.Position{})
}

// rollbackSQL is answered as a COMMIT that asks for its position is, but for what it does.
var rollbackSQL = strings.Replace(wal.CommitSQL, "COMMIT", "ROLLBACK", 1)

// TestPositionCutOff loses the end of the answer: the commit is certain, its position is not known.
func TestPositionCutOff(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	committed := message(&pgproto3.CommandComplete{CommandTag: []byte("COMMIT")})
	b.link.Arm(testdb.Fault{Sent: -1, Received: -1, Statement: wal.CommitSQL, Answer: func(a []byte) []byte {
		i := strings.Index(string(a), string(committed))
		return a[:i+len(committed)]
	}})
	k := &keeper{Pool: b.Pool}
	result, err := txn.RunResult(t.Context(), k, add(1, 1), txn.Options{CommitTimeout: 2 * time.Second})
	check.NoError(t, err)
	check.Same(t, "happened", b.link.Disarm(), true)
	check.Same(t, "position", result.Position, smrt.Position{})
	check.Equal(t, "kept", k.kept, []smrt.Position{{}}) // so that the handle knows that there was a commit
	check.Same(t, "doubts", result.Doubts, 0)
	check.Same(t, "balance", b.balance(t, 1), 1001)
}

// TestPositionRefused proves that a closure inside another transaction is told where to ask.
func TestPositionRefused(t *testing.T) {
	b := newBank(t)
	o := txn.Options{TrackPosition: true}
	savepoint := txn.Options{TrackPosition: true, Nested: txn.Savepoint}
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		check.Error(t, "joined", txn.Run(ctx, b, nothing, o), smrt.ErrBadOptions)
		check.Error(t, "in a savepoint", txn.Run(ctx, tx, nothing, savepoint), smrt.ErrBadOptions)
		return nil
	}, o))
	tx, err := b.Begin(t.Context())
	check.NoError(t, err)
	check.Error(t, "by hand", txn.Run(t.Context(), tx, nothing, o), smrt.ErrBadOptions)
	check.NoError(t, tx.Rollback(t.Context()))
}

// TestPositionWithLargeObjects proves that large objects that were kept do nothing on a connection that serves somebody
// else, which only pgx's own COMMIT makes sure of.
func TestPositionWithLargeObjects(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	var kept pgx.LargeObjects
	result, err := txn.RunResult(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		kept = tx.LargeObjects()
		_, err := kept.Create(ctx, 0)
		return err
	}, txn.Options{TrackPosition: true})
	check.NoError(t, err)
	check.Same(t, "position", result.Position.IsZero(), false)
	_, err = kept.Create(t.Context(), 0)
	check.Error(t, "afterwards", err, pgx.ErrTxClosed)
	check.Same(t, "objects", one[int](t, b, "SELECT count(*) FROM pg_largeobject_metadata"), 1)
}

// TestPositionEnds ends transactions that track their position in every other way: the connection is given back.
func TestPositionEnds(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	o := txn.Options{TrackPosition: true, MaxAttempts: 1}
	for what, fn := range map[string]txn.Func{
		"error": func(context.Context, pgx.Tx) error { return errOwn },
		"swallowed": func(ctx context.Context, tx pgx.Tx) error {
			check.NoError(t, name(ctx, tx, "x"))
			_ = name(ctx, tx, "x")
			return nil
		},
		"panic":    func(context.Context, pgx.Tx) error { panic("help") },
		"ended":    func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, "COMMIT"); return err },
		"conflict": raise("40001"),
		"killed":   terminate,
	} {
		func() {
			defer func() { _ = recover() }()
			if err := txn.Run(t.Context(), b, fn, o); err == nil {
				t.Errorf("%s: no error", what)
			}
		}()
		free(t, b)
	}
	_, err := b.Exec(t.Context(), `CREATE TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)`)
	check.NoError(t, err)
	err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO once VALUES (1), (1)")
		return err
	}, o)
	check.Error(t, "constraint at COMMIT", err, smrt.ErrConflict)
	missing := o
	missing.Key, missing.Markers = "k", pgx.Identifier{"missing"}
	check.Error(t, "begin that fails", txn.Run(t.Context(), b, nothing, missing), smrt.ErrBadOptions)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	check.Error(t, "ended context", txn.Run(ended, b, nothing, o), context.Canceled)
	b.Close()
	if err := txn.Run(t.Context(), b, nothing, o); err == nil {
		t.Error("a closed pool lent a connection")
	}
	check.Same(t, "rolled back", slices.Contains(b.sent.Statements(), "rollback"), true)
}
