package txn

import (
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// rows hold the connection until they are closed.
type rows struct {
	pgx.Rows
	a       *attempt
	err     error       // instead of that of Rows
	ended   atomic.Bool // and err is final
	refused atomic.Bool // a call came while another was being made
}

func (r *rows) Next() (more bool) {
	if !r.a.retake(r) {
		r.lost()
		return false
	}
	defer func() {
		if more {
			r.a.reopen()
		} else {
			r.finish()
		}
	}()
	return r.Rows.Next()
}

func (r *rows) Scan(dst ...any) (err error) {
	if !r.a.retake(r) {
		return r.Rows.Scan(dst...) // closed: pgx has the error
	}
	defer r.read(&err)
	return r.Rows.Scan(dst...)
}

func (r *rows) Values() (_ []any, err error) {
	if !r.a.retake(r) {
		return r.Rows.Values()
	}
	defer r.read(&err)
	return r.Rows.Values()
}

// read ends a call that reads a row. pgx closes the rows after an error, but not
// after a panic in a type that scans itself.
func (r *rows) read(err *error) {
	if *err != nil {
		r.finish()
		return
	}
	r.a.reopen()
}

func (r *rows) Close() {
	if !r.a.retake(r) {
		r.lost()
		return
	}
	defer r.finish()
	r.Rows.Close()
}

func (r *rows) Err() error {
	if r.refused.Load() {
		return smrt.ErrTxConcurrentUse
	}
	if r.err != nil {
		return r.err
	}
	return r.Rows.Err()
}

// lost is for a call on rows that are not the ones that are open, or not now.
func (r *rows) lost() {
	if !r.ended.Load() && r.a.use.Load() < isEnded {
		r.refused.Store(true)
	}
}

// finish returns the connection. It is pgx that knows of errors first.
func (r *rows) finish() {
	r.conclude()
	_ = r.a.done(nil)
}

func (r *rows) shut() {
	r.Rows.Close()
	r.conclude()
}

func (r *rows) conclude() {
	r.err = r.a.note(r.Rows.Err())
	r.ended.Store(true)
}

// row holds the connection until it is scanned.
type row struct {
	inner pgx.Row
	a     *attempt
}

// begun leaves the row open, unless there was a panic instead of one.
func (r *row) begun() {
	if r.inner == nil {
		_ = r.a.give(nil)
		return
	}
	r.a.leaveOpen(r)
}

func (r *row) Scan(dst ...any) (err error) {
	if !r.a.retake(r) {
		return smrt.ErrTxDone
	}
	scanned := false
	defer func() {
		if !scanned { // a panic in a type that scans itself
			r.shut()
		}
		err = r.a.done(err)
	}()
	err = r.inner.Scan(dst...)
	scanned = true
	return err
}

// shut reads the row into nothing. pgx closes the result, whatever it says of
// the missing destination.
func (r *row) shut() { _ = r.inner.Scan(new(pgtype.DriverBytes)) }

// results hold the connection until they are closed.
type results struct {
	pgx.BatchResults
	a *attempt
}

// begun is that of a row.
func (r *results) begun() {
	if r.BatchResults == nil {
		_ = r.a.give(nil)
		return
	}
	r.a.leaveOpen(r)
}

func (r *results) Exec() (_ pgconn.CommandTag, err error) {
	if !r.a.retake(r) {
		return pgconn.CommandTag{}, smrt.ErrTxConcurrentUse
	}
	defer r.read(&err)
	return r.BatchResults.Exec()
}

func (r *results) Query() (_ pgx.Rows, err error) {
	if !r.a.retake(r) {
		return handle.FailedRows(smrt.ErrTxConcurrentUse), smrt.ErrTxConcurrentUse
	}
	defer r.read(&err)
	return r.BatchResults.Query()
}

// read ends a call that reads a result.
func (r *results) read(err *error) {
	*err = r.a.note(*err)
	r.a.reopen()
}

func (r *results) QueryRow() pgx.Row {
	return handle.FirstRow(r.Query())
}

func (r *results) Close() (err error) {
	if !r.a.retake(r) {
		return r.BatchResults.Close() // closed before: pgx gives the same answer again
	}
	closed := false
	defer func() {
		if !closed { // a panic in what was queued for a result: the others cannot be read any more
			r.a.cut()
		}
		err = r.a.done(err)
	}()
	err = r.BatchResults.Close()
	closed = true
	return err
}

func (r *results) shut() { _ = r.a.note(r.BatchResults.Close()) }
