package rowsecurity

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// rows are the rows of a statement. Closing them ends what was sent around it: the
// results of a batch, or a transaction. A reader may close them, read them to the end,
// or meet an error in a row; each gives the connection back.
type rows struct {
	pgx.Rows
	tenant tenant
	ctx    context.Context   // of the statement, until it has ended
	end    func(error) error // nil: nothing was, or it has ended. It is given the error of the rows
	err    error             // of the end
}

// Next goes to the next row. At the end it closes the rows.
func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close reads what is left, and gives the connection back.
func (r *rows) Close() {
	r.Rows.Close()
	if end := r.end; end != nil {
		r.end = nil
		err := r.Rows.Err()
		if r.err = end(err); err != nil {
			r.err = err
		}
		r.err = pgerr.Canceled(r.ctx.Err(), r.err)
		r.ctx = nil
	}
}

// Err is the error that ended the rows.
func (r *rows) Err() error {
	if r.err != nil {
		return r.tenant.typed(r.err)
	}
	return r.tenant.typed(r.Rows.Err())
}

// Scan reads the row. An error closes the rows.
func (r *rows) Scan(dst ...any) error {
	err := r.Rows.Scan(dst...)
	if err != nil {
		r.Close()
	}
	return err
}

// Values decodes the row. An error closes the rows.
func (r *rows) Values() ([]any, error) {
	values, err := r.Rows.Values()
	if err != nil {
		r.Close()
	}
	return values, err
}

// results are those of a batch, without that of the setting, which no caller has asked
// for. Callbacks are called by pgx with results of its own (see typed); the setting has
// none.
type results struct {
	pgx.BatchResults
	ctx    context.Context
	db     *DB
	tenant tenant
	before int   // results before that of the setting; less than 0: it was read, or there is none
	failed error // the setting
}

// skip reads the result of the setting if it comes next.
func (r *results) skip() error {
	if r.before == 0 {
		_, r.failed = r.BatchResults.Exec()
	}
	r.before--
	return r.failed
}

// Exec reads the next result.
func (r *results) Exec() (pgconn.CommandTag, error) {
	if err := r.skip(); err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := r.BatchResults.Exec()
	return tag, r.tenant.typed(err)
}

// Query reads the next result.
func (r *results) Query() (pgx.Rows, error) {
	if err := r.skip(); err != nil {
		return r.BatchResults.Query() // which has the same error
	}
	inner, err := r.BatchResults.Query()
	if err != nil {
		err = r.tenant.typed(err)
		return handle.FailedRows(err), err
	}
	return &rows{Rows: inner, tenant: r.tenant}, nil
}

// QueryRow reads the first row of the next result.
func (r *results) QueryRow() pgx.Row { return handle.FirstRow(r.Query()) }

// Close reads what is left, and gives the connection back.
func (r *results) Close() error {
	return r.tenant.typed(pgerr.Canceled(r.ctx.Err(), r.BatchResults.Close()))
}

// Tx is the transaction that the batch began, or nil.
func (r *results) Tx() pgx.Tx {
	inner := r.BatchResults.Tx()
	if inner == nil {
		return nil
	}
	return &tx{inner, r.db, r.tenant}
}

// typed returns a copy of b whose callbacks see the errors of row security as everybody
// else does. It keeps the options of a transaction.
func typed(ctx context.Context, t tenant, b *pgx.Batch) *pgx.Batch {
	out := *b
	out.QueuedQueries = slices.Clone(b.QueuedQueries)
	for i, q := range b.QueuedQueries {
		if fn := q.Fn; fn != nil {
			own := *q
			own.Fn = func(in pgx.BatchResults) error {
				return fn(&results{BatchResults: in, ctx: ctx, tenant: t, before: -1})
			}
			out.QueuedQueries[i] = &own
		}
	}
	return &out
}
