package pool

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// call is a statement on a borrowed connection.
type call struct {
	pool *Pool
	conn *pgxpool.Conn // nil when it was given back
	ctx  context.Context
	sql  string
	args []any
	runs int // besides the first

	ended error // of the context, when the connection was given back
}

// again reports whether the call is to be run again after err, and counts it.
func (c *call) again(err error) bool {
	if c.conn == nil || !c.pool.again(c.ctx, c.conn, c.sql, err, c.runs) {
		return false
	}
	c.runs++
	return true
}

// release gives the connection back. What the call refers to is let go, as its
// block may live longer.
func (c *call) release() {
	if c.conn != nil {
		c.ended = c.ctx.Err()
		c.conn.Release()
		c.conn, c.ctx, c.args = nil, nil, nil
	}
}

// rows are the rows of a query.
type rows struct {
	pgx.Rows
	call
	took      int64
	fresh     bool // no row was handed out
	described bool // the columns were
}

// blockSize is how many rows are made at a time.
const blockSize = 64

func (s *connState) newRows() *rows {
	if len(s.rows) == 0 {
		s.rows = make([]rows, blockSize)
	}
	r := &s.rows[0]
	s.rows = s.rows[1:]
	return r
}

// Next goes to the next row. At the end it closes the rows.
func (r *rows) Next() bool {
	for again := true; again; again = r.rerun() {
		if r.Rows.Next() {
			r.fresh = false
			r.took++
			return true
		}
	}
	r.Close()
	return false
}

// rerun runs the query again if it had no effect and nobody has seen anything of
// it.
func (r *rows) rerun() bool {
	err := r.Rows.Err()
	if !r.fresh || err == nil || !r.again(err) {
		return false
	}
	old := r.Rows.FieldDescriptions()
	again, _ := r.conn.Query(r.ctx, r.sql, r.args...) // its error is that of the rows, too
	if r.described && !sameColumns(old, again.FieldDescriptions()) {
		again.Close() // the caller reads by the columns that it was told
		r.fresh = false
		return false
	}
	r.Rows = again
	return true
}

func sameColumns(a, b []pgconn.FieldDescription) bool {
	return slices.EqualFunc(a, b, func(a, b pgconn.FieldDescription) bool {
		return a.Name == b.Name && a.DataTypeOID == b.DataTypeOID && a.Format == b.Format
	})
}

// Close reads what is left, and gives the connection back.
func (r *rows) Close() {
	if r.conn != nil {
		traced.Of(r.conn.Conn()).Takes(r.took)
	}
	for again := true; again; again = r.rerun() {
		r.Rows.Close()
	}
	r.release()
}

// Err is the error that ended the rows.
func (r *rows) Err() error { return r.pool.explain(pgerr.Canceled(r.ended, r.Rows.Err())) }

// FieldDescriptions describes the columns.
func (r *rows) FieldDescriptions() []pgconn.FieldDescription {
	r.described = r.described || r.fresh
	return r.Rows.FieldDescriptions()
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

// row is the first row of a query.
type row struct {
	inner pgx.Row
	call
}

func (s *connState) newRow() *row {
	if len(s.row) == 0 {
		s.row = make([]row, blockSize)
	}
	r := &s.row[0]
	s.row = s.row[1:]
	return r
}

// Scan reads the row, and gives the connection back.
func (r *row) Scan(dst ...any) error {
	defer r.release() // also if a Scanner panics
	if r.conn != nil {
		traced.Of(r.conn.Conn()).Takes(1)
	}
	err := r.inner.Scan(dst...)
	for err != nil && r.again(err) {
		err = r.conn.QueryRow(r.ctx, r.sql, r.args...).Scan(dst...)
	}
	if err != nil && r.ctx != nil {
		err = pgerr.Canceled(r.ctx.Err(), err)
	}
	return r.pool.explain(err)
}
