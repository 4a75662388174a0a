package readreplica

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/handle"
)

// source is where a query is sent, and where else if that fails.
type source interface {
	query(ctx context.Context, sql string, args []any) (pgx.Rows, error)

	// ended is told how the query ended, once. If the caller has seen nothing
	// of it, which final denies, it may answer that it is to be sent again.
	ended(err error, final bool) (again bool)

	// rejected is the error to report for err.
	rejected(err error) error
}

// rows send their query again as long as the caller has seen nothing of it and
// the source says that it had no effect.
type rows struct {
	pgx.Rows
	source source
	ctx    context.Context
	sql    string
	args   []any
	begun  bool
	over   bool
	err    error
}

// openRows sends the query.
func openRows(r *rows) (pgx.Rows, error) {
	if err := r.send(); err != nil {
		return handle.FailedRows(err), err
	}
	return r, nil
}

func (r *rows) send() error {
	for {
		inner, err := r.source.query(r.ctx, r.sql, r.args)
		if err == nil {
			r.Rows = inner
			return nil
		}
		if !r.source.ended(err, false) {
			r.over = true
			return r.source.rejected(err)
		}
	}
}

// Next goes to the next row.
func (r *rows) Next() bool {
	for !r.over {
		if r.Rows.Next() {
			r.begun = true
			return true
		}
		if !r.finish() {
			return false
		}
		if r.err = r.send(); r.err != nil {
			return false
		}
	}
	return false
}

// finish takes in how the query ended. It returns true if it is to be sent
// again.
func (r *rows) finish() (again bool) {
	err := r.Rows.Err()
	if r.source.ended(err, r.begun) {
		return true
	}
	r.over = true
	if err != nil {
		r.err = r.source.rejected(err)
	}
	return false
}

// Close ends the rows.
func (r *rows) Close() {
	r.Rows.Close()
	if !r.over {
		r.over = true
		r.source.ended(r.Rows.Err(), true)
	}
}

// Err is the error that ended the rows.
func (r *rows) Err() error {
	if r.err != nil {
		return r.err
	}
	if err := r.Rows.Err(); err != nil {
		return r.source.rejected(err)
	}
	return nil
}

func (w *writing) query(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	return w.node.writes.Query(ctx, sql, args...)
}

func (w *writing) rejected(err error) error { return err }
