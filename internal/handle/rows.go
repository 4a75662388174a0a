package handle

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// FirstRow returns the first of rows, or err if that is not nil. Scanning it
// closes rows. Handles of smrt implement QueryRow with it.
func FirstRow(rows pgx.Rows, err error) pgx.Row { return &row{rows: rows, err: err} }

type row struct {
	rows pgx.Rows
	err  error
}

func (r *row) Scan(dst ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		r.rows.Close()
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dst...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// FailedRows returns the rows of a query that was not sent.
func FailedRows(err error) pgx.Rows {
	rows, _ := pgx.FailedBatchResults(&pgx.Batch{}, err).Query()
	return rows
}

// ClosedTx returns a transaction that has ended: its methods return
// pgx.ErrTxClosed, and it has no connection. It is always the same one.
func ClosedTx() pgx.Tx { return closedTx }

var closedTx = func() pgx.Tx {
	var b pgx.Batch
	b.BeginTx(pgx.TxOptions{})
	return pgx.FailedBatchResults(&b, pgx.ErrTxClosed).Tx()
}()

// NoRows returns the rows of a query that has none, and was not sent.
func NoRows() pgx.Rows { return noRows{} }

type noRows struct{}

func (noRows) Close()                                       {}
func (noRows) Err() error                                   { return nil }
func (noRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (noRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (noRows) Next() bool                                   { return false }
func (noRows) Scan(...any) error                            { return pgx.ErrNoRows }
func (noRows) Values() ([]any, error)                       { return nil, pgx.ErrNoRows }
func (noRows) RawValues() [][]byte                          { return nil }
func (noRows) Conn() *pgx.Conn                              { return nil }
func (noRows) TypeMap() *pgtype.Map                         { return nil }

const cancelTimeout = 2 * time.Second

// Stop ends a result before its end. Outside a transaction the server is asked
// to stop sending: reading a million rows only to drop them takes longer than
// the request. The request is complete before the connection is used again, so
// it cannot hit a later statement. Inside a transaction, which it would abort,
// the rest is read.
func Stop(ctx context.Context, rows pgx.Rows) {
	defer rows.Close()
	conn := rows.Conn()
	if conn == nil || conn.PgConn().TxStatus() != StatusIdle {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer cancel()
	_ = conn.PgConn().CancelRequest(ctx) // if it fails, the rest is read
}
