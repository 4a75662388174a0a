package handle_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/handle"
)

// TestFailedRows proves that rows of a query that was not sent have its error,
// and that so has their first row.
func TestFailedRows(t *testing.T) {
	cause := errors.New("not sent")
	rows := handle.FailedRows(cause)
	check.Same(t, "a row", rows.Next(), false)
	check.Error(t, "rows", rows.Err(), cause)
	rows.Close()
	check.Error(t, "the first of them", handle.FirstRow(handle.FailedRows(cause), nil).Scan(), cause)
	check.Error(t, "no rows at all", handle.FirstRow(nil, cause).Scan(), cause)
}

// TestClosedTx proves that a transaction that has ended refuses everything.
func TestClosedTx(t *testing.T) {
	ctx, tx := context.Background(), handle.ClosedTx()
	_, exec := tx.Exec(ctx, "SELECT 1")
	_, query := tx.Query(ctx, "SELECT 1")
	_, begin := tx.Begin(ctx)
	_, prepare := tx.Prepare(ctx, "a", "SELECT 1")
	_, copied := tx.CopyFrom(ctx, pgx.Identifier{"t"}, nil, nil)
	objects := tx.LargeObjects()
	_, object := objects.Create(ctx, 0)
	for what, err := range map[string]error{
		"Exec": exec, "Query": query, "QueryRow": tx.QueryRow(ctx, "SELECT 1").Scan(), "Begin": begin, "Prepare": prepare,
		"CopyFrom": copied, "SendBatch": tx.SendBatch(ctx, &pgx.Batch{}).Close(), "LargeObjects": object,
		"Commit": tx.Commit(ctx), "Rollback": tx.Rollback(ctx),
	} {
		check.Error(t, what, err, pgx.ErrTxClosed)
	}
	check.Same(t, "connection", tx.Conn(), nil)
}
