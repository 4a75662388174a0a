package rowsecurity

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// What is sent outside of a transaction, and in how many round trips once the texts
// are prepared:
//
//	a statement, a batch        the setting and it, as one implicit transaction (1)
//	a statement with an option  BEGIN and the setting, it, COMMIT (3): a batch has no options
//	  of pgx, several in one
//	  text, a text with none
//	COPY                        the same (3): no batch has it

// Exec runs a statement and reports what it affected.
//
// Exec, Query and QueryRow run a statement again if its plan had become stale: nothing
// has happened then.
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	text := newText(sql)
	if err := d.refuse(&text, false); err != nil {
		return tag, err
	}
	tag, err = d.exec(ctx, &text, args)
	for n := 0; n < staleRuns && isStale(ctx, err); n++ {
		tag, err = d.exec(ctx, &text, handle.Described(args))
	}
	return tag, err
}

// exec is Exec of a text that was looked at.
func (d *DB) exec(ctx context.Context, text *text, args []any) (tag pgconn.CommandTag, err error) {
	if !text.fits(args) {
		err = d.inTx(ctx, func(t *tx) error {
			tag, err = t.exec(ctx, text.sql, text.alone(args))
			return err
		})
		return tag, err
	}
	results, tenant, err := d.send(ctx, text.sql, args)
	if err != nil {
		return tag, err
	}
	tag, err = results.Exec()
	if closing := results.Close(); err == nil {
		err = closing
	}
	return tag, tenant.typed(pgerr.Canceled(ctx.Err(), err))
}

// Query runs a statement and returns its rows, which must be closed or read to the end.
func (d *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	text := newText(sql)
	if err := d.refuse(&text, false); err != nil {
		return handle.FailedRows(err), err
	}
	rows, err := d.query(ctx, &text, args)
	for n := 0; n < staleRuns && isStale(ctx, err); n++ {
		rows, err = d.query(ctx, &text, handle.Described(args))
	}
	return rows, err
}

// query is Query of a text that was looked at.
func (d *DB) query(ctx context.Context, text *text, args []any) (pgx.Rows, error) {
	if !text.fits(args) {
		return d.queryInTx(ctx, text.sql, text.alone(args))
	}
	results, tenant, err := d.send(ctx, text.sql, args)
	if err != nil {
		return handle.FailedRows(err), err
	}
	inner, err := results.Query()
	if err != nil {
		_ = results.Close() // it has the same error
		err = tenant.typed(pgerr.Canceled(ctx.Err(), err))
		return handle.FailedRows(err), err
	}
	return &rows{Rows: inner, tenant: tenant, ctx: ctx, end: func(error) error { return results.Close() }}, nil
}

// staleRuns is how often a statement is run again because of a stale plan, as on a
// pool.Pool: its table may be altered once more meanwhile.
const staleRuns = 3

// isStale reports whether a statement failed because its own plan had become stale. That
// of a statement in a function has a context (PL/pgSQL function ...), and something else
// may have run before it.
func isStale(ctx context.Context, err error) bool {
	var pg *pgconn.PgError
	return ctx.Err() == nil && pgerr.FaultOf(err) == pgerr.StalePlan && errors.As(err, &pg) && pg.Where == ""
}

// QueryRow runs a statement whose first row is wanted. Its Scan must be called.
func (d *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return handle.FirstRow(d.Query(ctx, sql, args...))
}

// send sends a statement behind the setting, which has been answered when it returns. An
// error of the setting ends the transaction, so that nothing runs without it.
func (d *DB) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, tenant, error) {
	tenant, err := d.enter(ctx)
	if err != nil {
		return nil, tenant, err
	}
	var b pgx.Batch
	d.front(ctx, tenant).Queue(&b)
	asked := b.Queue(sql, args...)
	results := d.pool.SendBatch(traced.Behind(ctx, &b, asked), &b)
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // it has the same error
		return nil, tenant, pgerr.Canceled(ctx.Err(), err)
	}
	return results, tenant, nil
}

// SendBatch sends several statements in one round trip. Closing the results gives the
// connection back, unless the batch begins a transaction: then its end does.
func (d *DB) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	tenant, err := d.enter(ctx)
	if err == nil {
		err = d.refuseBatch(b, false)
	}
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	if b.Len() == 0 {
		return d.pool.SendBatch(ctx, b)
	}
	var first pgx.Batch
	at := 0
	if begins(b.QueuedQueries[0].SQL) {
		at = 1
		d.opening(tenant).Queue(&first)
	} else {
		d.front(ctx, tenant).Queue(&first)
	}
	out := typed(ctx, tenant, b)
	out.QueuedQueries = slices.Insert(out.QueuedQueries, at, first.QueuedQueries...)
	return &results{BatchResults: d.pool.SendBatch(ctx, out), ctx: ctx, db: d, tenant: tenant, before: at}
}

// CopyFrom loads rows with COPY, which PostgreSQL does not do for a table whose
// policies hold the role: then the error is smrt.ErrRowSecurity.
func (d *DB) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (n int64, err error) {
	err = d.inTx(ctx, func(t *tx) error {
		n, err = t.CopyFrom(ctx, table, columns, src)
		return err
	})
	return n, err
}

// Begin begins a transaction, see BeginTx.
func (d *DB) Begin(ctx context.Context) (pgx.Tx, error) { return d.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx begins a transaction of the tenant of ctx, in one round trip. What is sent in
// it under the context of another tenant returns smrt.ErrTenantMismatch.
func (d *DB) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	t, err := d.beginTx(ctx, options, nil)
	if err != nil {
		return nil, err // not a nil pointer in an interface
	}
	return t, nil
}

// Start is for package txn: settings follow BEGIN in the same round trip.
func (t traits) Start(ctx context.Context, b handle.Begin) (pgx.Tx, error) {
	begun, err := t.d.beginTx(ctx, b.Modes, b.Settings)
	if err != nil {
		return nil, err
	}
	return begun, nil
}

// beginTx begins a transaction with BEGIN, settings and the tenant in one round trip.
func (d *DB) beginTx(ctx context.Context, options pgx.TxOptions, settings []string) (*tx, error) {
	tenant, err := d.enter(ctx)
	if err != nil {
		return nil, err
	}
	if options.BeginQuery != "" { // may be several statements, which no batch takes
		inner, err := d.begin.BeginTx(ctx, options)
		if err != nil {
			return nil, err
		}
		begun := &tx{inner, d, tenant}
		first := d.opening(tenant)
		if _, err := inner.Exec(ctx, first.SQL, first.Args...); err != nil {
			begun.abandon(ctx)
			return nil, err
		}
		return begun, nil
	}
	var b pgx.Batch
	b.BeginTx(options)
	for _, s := range settings {
		b.Queue(s)
	}
	d.opening(tenant).Queue(&b)
	results := d.pool.SendBatch(traced.Behind(ctx, &b, b.QueuedQueries[0]), &b)
	begun := &tx{results.Tx(), d, tenant}
	if err := results.Close(); err != nil {
		if begun.Tx != nil {
			begun.abandon(ctx)
		}
		return nil, err
	}
	if begun.Tx == nil {
		return nil, errNoTx
	}
	return begun, nil
}

var errNoTx = errors.New("the pool's SendBatch does not begin transactions: its results must pass on the Tx of pgx's")
