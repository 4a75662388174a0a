package readreplica

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/handle"
)

// source is where a query is sent, and where else if that fails.
type source interface {
	query(ctx context.Context, sql string, args []any) (pgx.Rows, error)

	// ended is called once for each time that the query was sent, with how it
	// ended. It returns true if the query is to be sent again, which is possible
	// only if the caller has seen nothing of it; final says that it has.
	ended(err error, final bool) (again bool)

	// rejected is the error to report for err.
	rejected(err error) error
}

// rows send their query again as long as the caller has seen nothing of it and
// the source says that it had no effect:
//
//	sent        begun false, over false  a failure may be repaired by sending it again
//	a row read  begun true               its end is final
//	ended       over true                the source was told; err is the error to report, if
//	                                     the source has another one than the rows
//
// For each time that the query is sent the source is told once how it ended.
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

// send sends the query until that succeeds, or the source has no other place.
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

// finish tells the source how the query ended, and reports whether it is to be sent
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

// query sends the statement to the primary, or to the server that a redirect has
// found. A write's error is reported as it is (rejected).
func (w *writing) query(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	return w.node.writes.Query(ctx, sql, args...)
}

func (w *writing) rejected(err error) error { return err }
