package limit

import (
	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/handle"
)

// ownRows are the rows of a query by hand. They end its call.
type ownRows struct {
	pgx.Rows
	call  *Call
	ended bool
	err   error
}

func (r *ownRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.end()
	return false
}

func (r *ownRows) Close() {
	r.Rows.Close()
	r.end()
}

func (r *ownRows) Err() error {
	if r.ended {
		return r.err
	}
	return r.Rows.Err()
}

func (r *ownRows) Scan(dst ...any) error {
	err := r.Rows.Scan(dst...)
	if err != nil {
		r.end()
	}
	return err
}

func (r *ownRows) end() {
	if !r.ended {
		r.ended, r.err = true, r.Rows.Err()
		r.call.End(&r.err)
	}
}

// ownRow is the first row of a query by hand.
type ownRow struct {
	pgx.Row
	call *Call
}

func (r *ownRow) Scan(dst ...any) (err error) {
	defer r.call.End(&err)
	return r.Row.Scan(dst...)
}

// ownResults are those of a batch by hand.
type ownResults struct {
	pgx.BatchResults
	call *Call
}

func (r *ownResults) Query() (pgx.Rows, error) {
	rows, err := r.BatchResults.Query()
	if err != nil {
		return rows, err
	}
	return r.call.Result(rows, 0), nil
}

func (r *ownResults) QueryRow() pgx.Row {
	if !r.call.limits(Bytes) {
		return r.BatchResults.QueryRow()
	}
	rows, err := r.BatchResults.Query()
	return handle.FirstRow(r.call.Sized(nil, rows), err)
}

func (r *ownResults) Close() (err error) {
	defer r.call.End(&err)
	return r.BatchResults.Close()
}
