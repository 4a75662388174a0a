package slots

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// Count returns how many rows a query of sqlc has with its slots filled, whatever its slot
// for a limit says: for a page's "20 of 413". call calls the generated method on the handle
// it is given, once, and gets no rows from it:
//
//	n, err := slots.Count(ctx, pool, func(db smrt.DB) error {
//		_, err := shopdb.New(db).OrderReport(ctx, since)
//		return err
//	}, slots.For(Orders, q))
//
// A LIMIT of the statement without a slot, and its OFFSET, hold: what they leave out is not counted. A
// statement that writes, or that locks rows, is refused with smrt.ErrBadQuery, and so are
// batches.
func Count(ctx context.Context, db smrt.DB, call func(db smrt.DB) error, fills ...Fill) (int64, error) {
	c := &counting{filled: newFilled(db, fills)}
	err := call(c)
	switch {
	case c.err != nil:
		return 0, c.err
	case err != nil && (c.calls == 0 || !errors.Is(err, pgx.ErrNoRows)): // which a method for one row makes of no rows
		return 0, err
	case c.calls != 1:
		return 0, &smrt.QueryError{Reason: fmt.Sprintf("slots.Count counts the rows of one query, and %d were called", c.calls)}
	}
	return c.n, nil
}

// counting is a handle that counts in place of reading.
type counting struct {
	*filled
	calls int
	n     int64
	err   error
}

func (c *counting) count(ctx context.Context, sql string, args []any) {
	c.calls++
	sql, args, err := c.statement(ctx, sql, args, plans.BuildCount)
	if err == nil {
		err = c.db.QueryRow(ctx, sql, args...).Scan(&c.n)
	}
	if c.err == nil {
		c.err = err
	}
}

func (c *counting) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if c.count(ctx, sql, args); c.err != nil {
		return handle.FailedRows(c.err), c.err
	}
	return handle.NoRows(), nil
}

func (c *counting) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.count(ctx, sql, args)
	if c.err != nil {
		return handle.FirstRow(nil, c.err)
	}
	return handle.FirstRow(nil, pgx.ErrNoRows)
}

func (c *counting) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	c.err = errCount
	return pgconn.CommandTag{}, errCount
}

func (c *counting) SendBatch(_ context.Context, b *pgx.Batch) pgx.BatchResults {
	c.err = errCount
	return pgx.FailedBatchResults(b, errCount)
}

var errCount = &smrt.QueryError{Reason: "slots.Count counts the rows of a query, and this was none"}
