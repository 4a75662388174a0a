package pool

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// Exec runs a statement and reports what it affected.
//
// Exec, Query and QueryRow run a statement again if it was hit by the
// cancellation of an earlier one, or if its plan had become stale, as long as
// no row was handed out: nothing has happened then.
func (p *Pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c, err := p.Acquire(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer c.Release()
	tag, err := c.Exec(ctx, sql, args...)
	for n := 0; err != nil && p.again(ctx, c, sql, err, n); n++ {
		tag, err = c.Exec(ctx, sql, args...)
	}
	return tag, p.explain(pgerr.Canceled(ctx.Err(), err))
}

// Query runs a statement and returns its rows, which give the connection back
// when they are closed. Rows that were read to the end are closed.
func (p *Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c, err := p.Acquire(ctx)
	if err != nil {
		return handle.FailedRows(err), err
	}
	inner, err := c.Query(ctx, sql, args...)
	runs := 0
	for ; err != nil && p.again(ctx, c, sql, err, runs); runs++ {
		inner, err = c.Query(ctx, sql, args...)
	}
	if err != nil {
		c.Release()
		err = p.explain(pgerr.Canceled(ctx.Err(), err))
		return handle.FailedRows(err), err
	}
	r := stateOf(c.Conn().PgConn()).newRows()
	*r = rows{Rows: inner, call: call{pool: p, conn: c, ctx: ctx, sql: sql, args: args, runs: runs}, fresh: true}
	return r, nil
}

// QueryRow runs a statement whose first row is wanted. Its Scan gives the
// connection back, and must be called.
func (p *Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c, err := p.Acquire(ctx)
	if err != nil {
		return handle.FirstRow(nil, err)
	}
	r := stateOf(c.Conn().PgConn()).newRow()
	*r = row{inner: c.QueryRow(ctx, sql, args...), call: call{pool: p, conn: c, ctx: ctx, sql: sql, args: args}}
	return r
}

// CopyFrom loads rows with the COPY protocol and returns how many. It loads all of
// them or none, and is not run again.
func (p *Pool) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	c, err := p.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer c.Release()
	n, err := c.CopyFrom(ctx, table, columns, source)
	return n, p.explain(pgerr.Canceled(ctx.Err(), err))
}

// staleRuns is how often a statement is run again because of a stale plan. On a
// busy machine five of 1,508 reads met two changes of a table that was altered
// every 150 ms.
const staleRuns = 3

// again reports whether a statement that failed with err is to be run again,
// after it was n times. Running it again is safe and useful only if all of these
// hold:
//
//	the connection is open and in no transaction  the statement was one by itself, and rolled back
//	scan knows no trait of its text               it leaves nothing that lasts in spite of an error
//	no row was handed out                         the callers see to that
//	the error is that of a stale plan, thrice; or it is prepared anew, and the table may change meanwhile
//	of a cancellation that was meant for another  it was not its own timeout, and a request is
//	statement, as often as one request signals    still on its way
func (p *Pool) again(ctx context.Context, c *pgxpool.Conn, sql string, err error, n int) bool {
	var pg *pgconn.PgError
	if ctx.Err() != nil || !errors.As(err, &pg) {
		return false
	}
	conn := c.Conn().PgConn()
	s := stateOf(conn)
	if conn.IsClosed() || conn.TxStatus() != handle.StatusIdle || s.verdict(conn, sql).trait != 0 {
		return false
	}
	switch {
	case pgerr.FaultOf(err) == pgerr.StalePlan && n < staleRuns:
		p.counts.stale.Add(1)
		traced.Of(c.Conn()).Rerun(n + 1)
		return true
	case pgerr.IsCanceled(err) && n < signals && s.mayBeStray() && !s.timedOut(ctx, conn) && s.tookStray():
		p.counts.strays.Add(1)
		traced.Of(c.Conn()).Rerun(n + 1)
		return true
	}
	return false
}
