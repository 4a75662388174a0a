package cache_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/testdb"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/slots"
	"github.com/smrt-go/smrt/txn"
)

// A statement that says which tables it writes makes them void when it has ended, on
// transactions as on pools, beside slots, and while its rows are read not yet.
func TestStatementsSayWhatTheyWrite(t *testing.T) {
	f := setup(t, testdb.MaxConns(2))
	served := func(what string, want bool) {
		t.Helper()
		check.Same(t, "served "+what, f.served(func() { check.Value(f.stalls.Get(f.ctx, 3))(t) }), want)
	}
	const raise = "UPDATE stalls /* smrt:writes stalls */ SET n = n + 1 WHERE id = 3"
	other := cache.On(f.other)
	served("at first", false)
	check.Value(other.Exec(f.ctx, "UPDATE stalls /* smrt:writes items */ SET n = n + 1 WHERE id = 4"))(t)
	served("after a write of another table", true)

	rows := check.Value(other.Query(f.ctx, raise+" RETURNING n"))(t)
	served("before the statement has ended", true)
	check.Same(t, "numbers", check.Value(pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64]))(t), 1)
	served("after it", false)
	rows.Close()
	served("after it is closed again", true)

	check.NoError(t, txn.Run(f.ctx, f.other, func(ctx context.Context, tx pgx.Tx) error {
		on := cache.Tx(tx)
		if _, err := on.Exec(ctx, raise); err != nil {
			return err
		}
		served("before the commit", true)
		return nil
	}))
	check.Same(t, "number", check.Value(f.stalls.Get(f.ctx, 3))(t).N, 2)

	tx := check.Value(f.other.Begin(f.ctx))(t)
	inner := check.Value(cache.Tx(tx).Begin(f.ctx))(t)
	check.Value(inner.Exec(f.ctx, raise))(t)
	check.NoError(t, inner.Commit(f.ctx))
	check.NoError(t, tx.Commit(f.ctx))
	check.Same(t, "number", check.Value(f.stalls.Get(f.ctx, 3))(t).N, 3)

	slot := slots.For(stalls, query.Where(stallID.Eq(3)))
	check.Value(f.stalls.Get(f.ctx, 3))(t)
	check.Value(slots.On(other, slot).Exec(f.ctx, "UPDATE stalls /* smrt:writes stalls */ SET n = 9 WHERE false /* smrt:where stalls */"))(t)
	check.Same(t, "number", check.Value(f.stalls.Get(f.ctx, 3))(t).N, 9)

	_, err := f.stalls.Get(f.ctx, absent)
	check.Error(t, "a row that is absent", err, smrt.ErrNotFound)
	check.Value(other.CopyFrom(f.ctx, pgx.Identifier{"public", "stalls"}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{int64(absent), "copied"}})))(t)
	check.Value(f.stalls.Get(f.ctx, absent))(t)
}

// A comment that names no tables is refused before anything is sent.
func TestCommentsThatAreRefused(t *testing.T) {
	f := setup(t)
	on := cache.On(f.pool)
	sent := f.count.Len()
	const bad = "UPDATE stalls /* smrt:writes */ SET n = 0"
	_, err := on.Exec(f.ctx, bad)
	check.Error(t, "Exec", err, smrt.ErrBadQuery)
	_, err = on.Query(f.ctx, bad)
	check.Error(t, "Query", err, smrt.ErrBadQuery)
	check.Error(t, "QueryRow", on.QueryRow(f.ctx, bad).Scan(), smrt.ErrBadQuery)
	b := &pgx.Batch{}
	b.Queue("DELETE FROM stalls")
	b.Queue(bad)
	check.Error(t, "SendBatch", on.SendBatch(f.ctx, b).Close(), smrt.ErrBadQuery)
	check.Same(t, "statements", f.count.Len(), sent)
	tx := check.Value(f.other.Begin(f.ctx))(t)
	err = txn.Run(f.ctx, cache.Tx(tx), func(context.Context, pgx.Tx) error { return nil })
	check.Error(t, "a transaction that would not look", err, smrt.ErrBadOptions)
	check.NoError(t, tx.Rollback(f.ctx))
	check.Value(repo.New(on, stalls).Get(f.ctx, 1))(t)
}
