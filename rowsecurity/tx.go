package rowsecurity

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// tx is a transaction of one tenant. The setting was made behind BEGIN, before any
// savepoint, so that no rollback to one takes it back.
type tx struct {
	pgx.Tx
	db     *DB
	tenant tenant
}

// check refuses the context of another tenant.
func (t *tx) check(ctx context.Context) error {
	switch tenant, err := tenantOf(ctx); {
	case err != nil:
		return err
	case tenant.text != t.tenant.text:
		return &smrt.TenantError{Row: -1, What: "transaction", Err: smrt.ErrTenantMismatch}
	}
	return nil
}

// Exec runs a statement.
func (t *tx) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	if err := t.refuse(ctx, sql); err != nil {
		return tag, err
	}
	return t.exec(ctx, sql, args)
}

// exec is Exec of a text that was looked at.
func (t *tx) exec(ctx context.Context, sql string, args []any) (pgconn.CommandTag, error) {
	tag, err := t.Tx.Exec(ctx, sql, args...)
	return tag, t.tenant.typed(err)
}

// refuse refuses the context of another tenant, and a text after which the server would
// not know the tenant.
func (t *tx) refuse(ctx context.Context, sql string) error {
	if err := t.check(ctx); err != nil {
		return err
	}
	text := newText(sql)
	return t.db.refuse(&text, false)
}

// Query runs a query.
func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.refuse(ctx, sql); err != nil {
		return handle.FailedRows(err), err
	}
	inner, err := t.Tx.Query(ctx, sql, args...)
	if err != nil {
		err = t.tenant.typed(err)
		return handle.FailedRows(err), err
	}
	return &rows{Rows: inner, tenant: t.tenant}, nil
}

// QueryRow runs a query whose first row is wanted.
func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return handle.FirstRow(t.Query(ctx, sql, args...))
}

// SendBatch sends several statements.
func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	err := t.check(ctx)
	if err == nil {
		err = t.db.refuseBatch(b, true)
	}
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return &results{BatchResults: t.Tx.SendBatch(ctx, typed(ctx, t.tenant, b)), ctx: ctx, db: t.db, tenant: t.tenant, before: -1}
}

// CopyFrom loads rows with COPY.
func (t *tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := t.check(ctx); err != nil {
		return 0, err
	}
	n, err := t.Tx.CopyFrom(ctx, table, columns, src)
	return n, t.tenant.typed(err)
}

// Begin makes a savepoint.
func (t *tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	inner, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &tx{inner, t.db, t.tenant}, nil
}

// endTimeout is how long ending a transaction may take when the call that it belongs to
// was given up.
const endTimeout = 5 * time.Second

// abandon rolls back.
func (t *tx) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	_ = t.Rollback(ctx) // if it fails the pool drops the connection
}

// inTx runs fn in a transaction of its own.
func (d *DB) inTx(ctx context.Context, fn func(*tx) error) error {
	t, err := d.beginTx(ctx, pgx.TxOptions{}, nil)
	if err != nil {
		return err
	}
	if err := fn(t); err != nil {
		t.abandon(ctx)
		return err
	}
	return t.Commit(ctx)
}

// queryInTx runs a query in a transaction of its own, which ends with its rows.
func (d *DB) queryInTx(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	t, err := d.beginTx(ctx, pgx.TxOptions{}, nil)
	if err != nil {
		return handle.FailedRows(err), err
	}
	inner, err := t.Tx.Query(ctx, sql, args...)
	if err != nil {
		t.abandon(ctx)
		err = t.tenant.typed(err)
		return handle.FailedRows(err), err
	}
	return &rows{Rows: inner, tenant: t.tenant, ctx: ctx, end: func(err error) error {
		if err != nil {
			t.abandon(ctx)
			return nil
		}
		return t.Commit(ctx)
	}}, nil
}
