package txn

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// WithoutTx returns a context that is in no transaction, for what is to run
// outside of the one around it. Statements under it may use the pool: they take a
// second connection from it, and that transaction neither undoes nor sees them.
func WithoutTx(ctx context.Context) context.Context {
	if ctx == nil || handle.ScopeOf(ctx) == nil {
		return ctx
	}
	return handle.WithScope(ctx, nil)
}

// CheckedDB is a handle that refuses to be used outside of a transaction that is
// open on it: under the context of a closure, its methods return smrt.ErrTxBypass
// and send nothing. Repositories do the same by themselves; code that sqlc
// generates, and SQL by hand, does if it is given a CheckedDB:
//
//	db := txn.Checked(pool)
//	queries := shopdb.New(db)
//
// Run on a CheckedDB is Run on what it guards.
type CheckedDB struct{ db smrt.DB }

// Checked returns a CheckedDB for a pool, a connection, or a handle that stands for
// one. It is as safe for concurrent use as db is. A nil db is smrt.ErrBadOptions
// when the CheckedDB is used.
func Checked(db smrt.DB) *CheckedDB { return &CheckedDB{db} }

var (
	_ smrt.DB  = (*CheckedDB)(nil)
	_ Beginner = (*CheckedDB)(nil)
)

// Unwrap returns what is guarded.
func (h *CheckedDB) Unwrap() smrt.DB { return h.db }

func (h *CheckedDB) check(ctx context.Context) error {
	if isNil(h.db) {
		return errNilHandle
	}
	return handle.Check(ctx, h.db)
}

// Exec runs a statement and reports what it affected.
func (h *CheckedDB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := h.check(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return h.db.Exec(ctx, sql, args...)
}

// Query runs a statement and returns its rows.
func (h *CheckedDB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := h.check(ctx); err != nil {
		return handle.FailedRows(err), err
	}
	return h.db.Query(ctx, sql, args...)
}

// QueryRow runs a statement whose first row is wanted.
func (h *CheckedDB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := h.check(ctx); err != nil {
		return handle.FirstRow(nil, err)
	}
	return h.db.QueryRow(ctx, sql, args...)
}

// SendBatch sends several statements in one round trip.
func (h *CheckedDB) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := h.check(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return h.db.SendBatch(ctx, b)
}

// CopyFrom loads rows with the COPY protocol.
func (h *CheckedDB) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := h.check(ctx); err != nil {
		return 0, err
	}
	return h.db.CopyFrom(ctx, table, columns, rows)
}

// Begin begins a transaction by hand, whose end is up to the caller.
func (h *CheckedDB) Begin(ctx context.Context) (pgx.Tx, error) {
	return h.BeginTx(ctx, pgx.TxOptions{})
}

// BeginTx begins a transaction by hand with options. On a handle that has no
// BeginTx, options are smrt.ErrBadOptions.
func (h *CheckedDB) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if err := h.check(ctx); err != nil {
		return nil, err
	}
	return beginWith(ctx, h.db, options)
}
