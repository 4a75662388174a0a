package txn_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// count is a step that counts names.
func count(n *int) txn.Step {
	return func(ctx context.Context, db smrt.DB) error {
		return db.QueryRow(ctx, "SELECT count(*) FROM names").Scan(n)
	}
}

// TestPipeline proves that steps share round trips, each with its own result.
func TestPipeline(t *testing.T) {
	b := newBank(t)
	steps := func(n *int, ids *[]int64, deleted *int64) []txn.Step {
		return []txn.Step{
			func(ctx context.Context, db smrt.DB) error { return name(ctx, db, "a") },
			count(n),
			func(ctx context.Context, db smrt.DB) error {
				rows, err := db.Query(ctx, "SELECT id FROM accounts WHERE id <= $1 ORDER BY id", 3)
				if err != nil {
					return err
				}
				*ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
				return err
			},
			func(ctx context.Context, db smrt.DB) error { // a second statement, which depends on the first
				var id int64
				if err := db.QueryRow(ctx, "SELECT max(id) FROM accounts").Scan(&id); err != nil {
					return err
				}
				tag, err := db.Exec(ctx, "DELETE FROM accounts WHERE id = $1", id)
				*deleted = tag.RowsAffected()
				return err
			},
			func(ctx context.Context, db smrt.DB) error { return nil },
		}
	}
	for range 2 { // the second time everything is prepared
		_, err := b.Exec(t.Context(), "TRUNCATE names")
		check.NoError(t, err)
		var n int
		var ids []int64
		var deleted int64
		b.sent.Reset()
		check.NoError(t, txn.Pipeline(t.Context(), b, steps(&n, &ids, &deleted)...))
		check.Same(t, "round trips", b.sent.Sends(), 2)
		check.Same(t, "names", n, 1)
		check.Same(t, "ids", len(ids), 3)
		check.Same(t, "deleted", deleted, 1)
	}
	check.NoError(t, txn.Pipeline(t.Context(), b))
	check.Error(t, "rolled back", txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		var n int
		check.NoError(t, txn.Pipeline(ctx, tx, count(&n), func(ctx context.Context, db smrt.DB) error { return name(ctx, db, "b") }))
		check.Same(t, "in a transaction", n, 1)
		return errOwn
	}), errOwn)
}

// TestPipelineFails proves that what is reported of each step is what became of
// it, on a pool and in a transaction.
func TestPipelineFails(t *testing.T) {
	b := newBank(t)
	var n int
	steps := []txn.Step{
		func(ctx context.Context, db smrt.DB) error { return name(ctx, db, "before") },
		func(ctx context.Context, db smrt.DB) error { _, err := db.Exec(ctx, "SELECT 1/$1::int", 0); return err },
		func(ctx context.Context, db smrt.DB) error { return name(ctx, db, "behind") },
		count(&n),
		func(context.Context, smrt.DB) error { return nil },
	}
	err := txn.Pipeline(t.Context(), b, steps...)
	var failed *smrt.PipelineError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	for i, want := range []error{smrt.ErrNotRun, nil, smrt.ErrNotRun, smrt.ErrNotRun} {
		check.Same(t, "failed at all", failed.Errors[i] != nil, true)
		check.Same(t, "not run", errors.Is(failed.Errors[i], smrt.ErrNotRun), want != nil)
		check.Same(t, "cause", isCode(failed.Errors[i], "22012"), true)
	}
	check.Same(t, "step without statements", failed.Errors[4], nil)
	check.Same(t, "names", b.names(t), "")

	check.Same(t, "in a transaction", isCode(txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		return txn.Pipeline(ctx, tx, steps...)
	}), "22012"), true)

	// A step that fails by itself keeps nobody else's statement from its effect.
	err = txn.Pipeline(t.Context(), b, func(ctx context.Context, db smrt.DB) error {
		return db.QueryRow(ctx, "SELECT 'text'").Scan(new(int))
	}, func(ctx context.Context, db smrt.DB) error { return name(ctx, db, "kept") })
	if !errors.As(err, &failed) || failed.Errors[0] == nil || failed.Errors[1] != nil {
		t.Errorf("got %v", err)
	}
	check.Same(t, "names", b.names(t), "kept")
	err = txn.Pipeline(t.Context(), b, func(ctx context.Context, db smrt.DB) error {
		_, err := db.Exec(ctx, "SELECT $1::int", "no number")
		return err
	}, count(&n))
	if !errors.As(err, &failed) || failed.Errors[0] == nil || failed.Errors[1] == nil {
		t.Errorf("argument that cannot be sent: got %v", err)
	}
}

// TestPipelineMisuse proves that what a step must not do is an error or harmless.
func TestPipelineMisuse(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	var kept smrt.DB
	var n int
	err := txn.Pipeline(t.Context(), b,
		func(ctx context.Context, db smrt.DB) error {
			kept = db
			batch := &pgx.Batch{}
			batch.Queue("SELECT 1")
			check.Error(t, "batch", db.SendBatch(ctx, batch).Close(), smrt.ErrBadQuery)
			_, err := db.CopyFrom(ctx, pgx.Identifier{"names"}, []string{"name"}, pgx.CopyFromRows(nil))
			check.Error(t, "COPY", err, smrt.ErrBadQuery)
			_, err = db.Query(ctx, "SELECT id FROM accounts") // left open
			check.NoError(t, err)
			rows, err := db.Query(ctx, "SELECT id FROM accounts", pgx.QueryExecModeExec)
			check.NoError(t, err)
			check.Same(t, "next", rows.Next(), true)
			_, err = rows.Values()
			check.NoError(t, err)
			check.Same(t, "raw", len(rows.RawValues()), 1)
			check.Same(t, "connection", rows.Conn(), nil)
			rows.Close()
			check.Same(t, "tag", rows.CommandTag().Select(), true)
			check.Error(t, "scan after close", rows.Scan(new(int)), smrt.ErrTxDone)
			ended, cancel := context.WithCancel(ctx)
			cancel()
			_, err = db.Exec(ended, "SELECT 1")
			check.Error(t, "ended context", err, context.Canceled)
			_, err = db.Exec(nil, "SELECT 1") //nolint:staticcheck // that is tested
			check.Error(t, "nil context", err, smrt.ErrNilContext)
			check.Error(t, "no row", db.QueryRow(ctx, "SELECT 1 WHERE false").Scan(new(int)), pgx.ErrNoRows)
			return nil
		},
		func(ctx context.Context, db smrt.DB) error { // two goroutines
			errs := make([]error, 2)
			var both sync.WaitGroup
			for i := range errs {
				both.Go(func() { _, errs[i] = db.Exec(ctx, "SELECT 1") })
			}
			both.Wait()
			for _, err := range errs {
				if err != nil {
					check.Error(t, "goroutine", err, smrt.ErrTxConcurrentUse)
				}
			}
			return nil
		}, count(&n))
	check.NoError(t, err)
	_, err = kept.Exec(t.Context(), "SELECT 1")
	check.Error(t, "afterwards", err, smrt.ErrTxDone)
	check.Error(t, "nil step", txn.Pipeline(t.Context(), b, nil), smrt.ErrBadOptions)
	check.Error(t, "nil handle", txn.Pipeline(t.Context(), nil), smrt.ErrBadOptions)
	check.Error(t, "nil context", txn.Pipeline(nil, b), smrt.ErrNilContext) //nolint:staticcheck // that is tested

	func() {
		defer func() { check.Same(t, "panic", recover(), any("step")) }()
		_ = txn.Pipeline(t.Context(), b, count(&n), func(context.Context, smrt.DB) error { panic("step") }, count(&n))
	}()
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = txn.Pipeline(t.Context(), b, count(&n), func(ctx context.Context, db smrt.DB) error {
			_, _ = db.Exec(ctx, "SELECT 1")
			runtime.Goexit()
			return nil
		})
		t.Error("the pipeline went on")
	}()
	<-exited
}

// TestPipelineOfMany runs ten thousand steps.
func TestPipelineOfMany(t *testing.T) {
	const many = 10_000
	b := newBank(t, testdb.MaxConns(1))
	var got [many]int
	steps := make([]txn.Step, many)
	for i := range steps {
		steps[i] = func(ctx context.Context, db smrt.DB) error {
			return db.QueryRow(ctx, "SELECT $1::int", i).Scan(&got[i])
		}
	}
	for range 2 { // the second time everything is prepared
		b.sent.Reset()
		check.NoError(t, txn.Pipeline(t.Context(), b, steps...))
	}
	check.Same(t, "round trips", b.sent.Sends(), 1)
	for i := range got {
		if got[i] != i {
			t.Fatalf("step %d got %d", i, got[i])
		}
	}
}

// TestPipelinePanicsBelow lets an argument panic when it is sent: all steps end, and the connection is given back.
func TestPipelinePanicsBelow(t *testing.T) {
	b := newBank(t, testdb.MaxConns(1))
	var ended atomic.Int64
	step := func(arg any) txn.Step {
		return func(ctx context.Context, db smrt.DB) error {
			defer ended.Add(1)
			_, err := db.Exec(ctx, "SELECT $1::text", arg)
			check.Error(t, "statement", err, smrt.ErrNotRun)
			return err
		}
	}
	inTx := func() error {
		return txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
			return txn.Pipeline(ctx, tx, step("x"), step(bomb{}), step("y"))
		})
	}
	func() {
		defer func() { check.Same(t, "panic", recover() != nil, true) }() // pgx with a tracer panics on top of it
		_ = inTx()
	}()
	check.Same(t, "steps that ended", ended.Load(), 3)
	free(t, b)
	check.NoError(t, txn.Run(t.Context(), b, add(1, 1)))
}
