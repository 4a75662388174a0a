package txn

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// Detach returns a context that is in no transaction, for what is to run beside
// the one around it: it may use the pool, takes a second connection from it, and
// is neither undone nor seen by that transaction.
func Detach(ctx context.Context) context.Context {
	if ctx == nil || handle.ScopeOf(ctx) == nil {
		return ctx
	}
	return handle.WithScope(ctx, nil)
}

// Handle is a handle that refuses to be used beside a transaction that is open
// on it. Repositories look for that themselves; code that sqlc generates, and
// SQL by hand, sees it if it is given a Handle:
//
//	db := txn.Guard(pool)
//	queries := shopdb.New(db)
//
// Run on a Handle is Run on what it guards.
type Handle struct{ db smrt.DB }

// Guard makes a Handle of a pool, a connection or whatever stands for one. It is
// as safe for concurrent use as that.
func Guard(db smrt.DB) *Handle { return &Handle{db} }

var (
	_ smrt.DB  = (*Handle)(nil)
	_ Beginner = (*Handle)(nil)
)

// Unwrap returns what is guarded.
func (h *Handle) Unwrap() smrt.DB { return h.db }

func (h *Handle) check(ctx context.Context) error {
	if isNil(h.db) {
		return errNilHandle
	}
	return handle.Check(ctx, h.db)
}

// Exec runs a statement and reports what it affected.
func (h *Handle) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := h.check(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return h.db.Exec(ctx, sql, args...)
}

// Query runs a statement and returns its rows.
func (h *Handle) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := h.check(ctx); err != nil {
		return handle.FailedRows(err), err
	}
	return h.db.Query(ctx, sql, args...)
}

// QueryRow runs a statement whose first row is wanted.
func (h *Handle) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := h.check(ctx); err != nil {
		return handle.FirstRow(nil, err)
	}
	return h.db.QueryRow(ctx, sql, args...)
}

// SendBatch sends several statements in one round trip.
func (h *Handle) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := h.check(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return h.db.SendBatch(ctx, b)
}

// CopyFrom loads rows with the COPY protocol.
func (h *Handle) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := h.check(ctx); err != nil {
		return 0, err
	}
	return h.db.CopyFrom(ctx, table, columns, rows)
}

// Begin begins a transaction by hand.
func (h *Handle) Begin(ctx context.Context) (pgx.Tx, error) {
	return h.BeginTx(ctx, pgx.TxOptions{})
}

// BeginTx begins a transaction by hand.
func (h *Handle) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if err := h.check(ctx); err != nil {
		return nil, err
	}
	if db, ok := h.db.(modal); ok {
		return db.BeginTx(ctx, options)
	}
	db, ok := h.db.(Beginner)
	if !ok || options != (pgx.TxOptions{}) {
		return nil, &smrt.OptionsError{Option: "options", Reason: fmt.Sprintf("cannot be used on a %T, which has no BeginTx", h.db)}
	}
	return db.Begin(ctx)
}
