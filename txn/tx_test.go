package txn_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/txn"
)

// TestConcurrentUse lets goroutines use one transaction: each call succeeds or
// answers the typed error, the wire stays in order, and the race detector is
// silent.
func TestConcurrentUse(t *testing.T) {
	b := newBank(t)
	var refused, done int
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					var n int
					err := tx.QueryRow(ctx, "SELECT $1::int", 7).Scan(&n)
					mu.Lock()
					switch {
					case err == nil && n == 7:
						done++
					case errors.Is(err, smrt.ErrTxConcurrentUse):
						refused++
					default:
						t.Errorf("got %d, %v", n, err)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		return nil
	}))
	t.Logf("%d done, %d refused", done, refused)
	check.Same(t, "done at all", done > 0, true)
	check.Same(t, "refused at all", refused > 0, true)
}

// TestOpenResults proves that a transaction whose rows or batch are open does
// nothing else, with every method.
func TestOpenResults(t *testing.T) {
	b := newBank(t)
	open := map[string]func(context.Context, pgx.Tx) func(){
		"rows": func(ctx context.Context, tx pgx.Tx) func() {
			rows, err := tx.Query(ctx, "SELECT id FROM accounts")
			check.NoError(t, err)
			check.Same(t, "a row", rows.Next(), true)
			return rows.Close
		},
		"row": func(ctx context.Context, tx pgx.Tx) func() {
			row := tx.QueryRow(ctx, "SELECT 1")
			return func() { check.NoError(t, row.Scan(new(int))) }
		},
		"batch": func(ctx context.Context, tx pgx.Tx) func() {
			batch := &pgx.Batch{}
			batch.Queue("SELECT 1")
			results := tx.SendBatch(ctx, batch)
			return func() { check.NoError(t, results.Close()) }
		},
	}
	for what, begin := range open {
		t.Run(what, func(t *testing.T) {
			check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
				end := begin(ctx, tx)
				for method, err := range methods(ctx, tx) {
					check.Error(t, method, err, smrt.ErrTxConcurrentUse)
				}
				end()
				return add(1, 1)(ctx, tx)
			}))
			err := txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error { begin(ctx, tx); return nil })
			check.Error(t, "left open", err, smrt.ErrTxConcurrentUse)
			err = txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error { begin(ctx, tx); return errOwn })
			check.Error(t, "left open with an error", err, errOwn)
		})
	}
	check.Same(t, "balance", b.balance(t, 1), 1003)
	check.Same(t, "connections opened", b.Stat().NewConnsCount(), 1)
}

// methods calls every method that sends something.
func methods(ctx context.Context, tx pgx.Tx) map[string]error {
	_, exec := tx.Exec(ctx, "SELECT 1")
	rows, query := tx.Query(ctx, "SELECT 1")
	rows.Close()
	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	_, copied := tx.CopyFrom(ctx, pgx.Identifier{"names"}, []string{"name"}, pgx.CopyFromRows(nil))
	_, prepared := tx.Prepare(ctx, "p", "SELECT 1")
	_, begun := tx.Begin(ctx)
	return map[string]error{
		"Exec": exec, "Query": query, "Rows": rows.Err(), "QueryRow": tx.QueryRow(ctx, "SELECT 1").Scan(new(int)),
		"SendBatch": tx.SendBatch(ctx, batch).Close(), "CopyFrom": copied, "Prepare": prepared, "Begin": begun,
		"Run": txn.Run(ctx, tx, nothing), "Savepoint": txn.Run(ctx, tx, nothing, txn.Options{Nested: txn.Savepoint}),
	}
}

// TestHandleAfterEnd proves that a handle that was kept does nothing.
func TestHandleAfterEnd(t *testing.T) {
	b := newBank(t)
	var tx pgx.Tx
	var inside context.Context
	var rows pgx.Rows
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, x pgx.Tx) (err error) {
		tx, inside = x, ctx
		rows, err = x.Query(ctx, "SELECT id FROM accounts")
		rows.Close()
		return err
	}))
	for method, err := range methods(t.Context(), tx) {
		check.Error(t, method, err, smrt.ErrTxDone, pgx.ErrTxClosed)
	}
	check.Error(t, "hook", txn.AfterCommit(inside, func(context.Context) {}), smrt.ErrTxDone)
	check.Same(t, "rows", rows.Next(), false)
	check.NoError(t, rows.Err())
}

// TestHandleReads reads through the handle in every way.
func TestHandleReads(t *testing.T) {
	b := newBank(t)
	check.NoError(t, txn.Run(t.Context(), b, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT id FROM accounts ORDER BY id LIMIT 3")
		check.NoError(t, err)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		check.NoError(t, err)
		check.Same(t, "ids", len(ids), 3)

		rows, err = tx.Query(ctx, "SELECT id FROM accounts")
		check.NoError(t, err)
		rows.Next()
		values, err := rows.Values()
		check.NoError(t, err)
		check.Same(t, "values", len(values), 1)
		if err := rows.Scan(new(bool)); err == nil {
			t.Error("a number was scanned into a bool")
		}
		rows.Close() // the error has closed them, and the transaction goes on

		check.Error(t, "no row", tx.QueryRow(ctx, "SELECT 1 WHERE false").Scan(new(int)), pgx.ErrNoRows)
		if err := tx.QueryRow(ctx, "SELECT 1").Scan(new(pgtype.DriverBytes)); err == nil {
			t.Error("memory of the driver was given away")
		}
		batch := &pgx.Batch{}
		batch.Queue("SELECT 1")
		batch.Queue("SELECT id FROM accounts WHERE id = $1", 4)
		batch.Queue("SELECT id FROM accounts WHERE id = $1", 5)
		results := tx.SendBatch(ctx, batch)
		_, err = results.Exec()
		check.NoError(t, err)
		var id int64
		check.NoError(t, results.QueryRow().Scan(&id))
		check.Same(t, "id of the batch", id, 4)
		check.NoError(t, results.Close())
		check.NoError(t, results.Close())

		n, err := tx.CopyFrom(ctx, pgx.Identifier{"names"}, []string{"name"}, pgx.CopyFromRows([][]any{{"copied"}}))
		check.NoError(t, err)
		check.Same(t, "copied", n, 1)
		objects := tx.LargeObjects()
		oid, err := objects.Create(ctx, 0)
		check.NoError(t, err)
		object, err := objects.Open(ctx, oid, pgx.LargeObjectModeRead)
		check.NoError(t, err)
		_, err = object.Read(make([]byte, 1))
		check.Error(t, "empty object", err, io.EOF)
		_, err = tx.Prepare(ctx, "mine", "SELECT 2")
		check.NoError(t, err)
		check.Same(t, "prepared", one[int](t, tx, "mine"), 2)
		check.Same(t, "connection", tx.Conn().PgConn().TxStatus(), byte('T'))
		return nil
	}))
}

// TestBypass proves that the handle of an open transaction is refused under the
// context of its closure, and only there.
func TestBypass(t *testing.T) {
	b, other := newBank(t, testdb.MaxConns(2)), newBank(t)
	guarded, elsewhere := txn.Checked(b), txn.Checked(other)
	verify := func(ctx context.Context, what string, want error) {
		t.Helper()
		batch := &pgx.Batch{}
		batch.Queue("SELECT 1")
		_, exec := guarded.Exec(ctx, "SELECT 1")
		rows, query := guarded.Query(ctx, "SELECT 1")
		rows.Close()
		_, copied := guarded.CopyFrom(ctx, pgx.Identifier{"names"}, []string{"name"}, pgx.CopyFromRows(nil))
		tx, begun := guarded.Begin(ctx)
		if begun == nil {
			check.NoError(t, tx.Rollback(ctx))
		}
		for method, err := range map[string]error{
			"Exec": exec, "Query": query, "QueryRow": guarded.QueryRow(ctx, "SELECT 1").Scan(new(int)),
			"SendBatch": guarded.SendBatch(ctx, batch).Close(), "CopyFrom": copied, "Begin": begun,
			"Pipeline": txn.Pipeline(ctx, b), "repository": handle.Check(ctx, b),
		} {
			if !errors.Is(err, want) {
				t.Errorf("%s, %s: got %v, want %v", what, method, err, want)
			}
		}
		check.NoError(t, name(ctx, elsewhere, what))
	}
	verify(t.Context(), "outside", nil)
	check.NoError(t, txn.Run(t.Context(), guarded, func(ctx context.Context, tx pgx.Tx) error {
		verify(ctx, "inside", smrt.ErrTxBypass)
		verify(txn.WithoutTx(ctx), "detached", nil)
		check.NoError(t, handle.Check(ctx, tx))
		check.NoError(t, txn.Run(ctx, b, func(ctx context.Context, tx pgx.Tx) error { return add(1, 1)(ctx, tx) })) // joins
		return txn.Run(ctx, other, func(ctx context.Context, _ pgx.Tx) error {
			check2 := handle.Check(ctx, b)
			check.Error(t, "inside of another database's", check2, smrt.ErrTxBypass)
			return nil
		})
	}))
	verify(t.Context(), "afterwards", nil)
	check.Same(t, "balance", b.balance(t, 1), 1001)
	check.Same(t, "detach outside", txn.WithoutTx(t.Context()), t.Context())
	_, err := txn.Checked(onlyDB{b}).Begin(t.Context())
	check.Error(t, "begin on a handle that cannot", err, smrt.ErrBadOptions)
	tx, err := txn.Checked(struct {
		smrt.DB
		txn.Beginner
	}{b, plainBeginner{b}}).Begin(t.Context())
	check.NoError(t, err)
	check.NoError(t, tx.Rollback(t.Context()))
}
