package traced

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Conn is where a connection keeps what its observer is to know. It is used by
// whoever the connection is lent to, as the connection is.
type Conn struct {
	// Of the next statement. The observer takes them when it begins.
	Waited time.Duration // for the connection
	Again  int           // how often the call was run before, on this connection

	// Of the statement under way. The observer clears them when it begins.
	Decoded  time.Duration     // what of the time so far was spent with decoding
	Answered time.Duration     // by Now, when the first row of a stream was there; 0: it is no stream
	Stopped  bool              // the program has left a stream before its end
	Callers  int               // how many calls share the statement; 0 and 1: one
	Sharers  []context.Context // of these calls, if Hooked
	Took     int64             // how many of its rows the program has read; -1: that is not known
	Widths   Widths            // of its columns

	// Of the transaction, if it is a further attempt. The observer clears them when it ends.
	Attempt int    // from 2
	Cause   string // the SQLSTATE that the attempt before ended with

	// What the first row takes to decode: as the observer knows it, so that it need not
	// be measured, or 0; and as it was measured, or 0.
	FirstKnown, First time.Duration

	Hooked bool            // somebody is told of each call
	Tracer pgx.QueryTracer // of the observer, for what is sent past pgx's hooks
	Owner  any             // what the observer knows of the connection
}

// key is where a connection has its Conn.
const key = "smrt.traced"

// Bind lets a connection keep c.
func Bind(conn *pgconn.PgConn, c *Conn) { conn.CustomData()[key] = c }

// Of returns what a connection keeps, nil if nobody observes it.
func Of(conn *pgx.Conn) *Conn {
	if !observed.Load() || conn == nil {
		return nil
	}
	return Bound(conn)
}

// Bound is Of for the observer. There is one key for all, as looking for it is what
// takes the most of an observer's time but for the clock.
func Bound(conn *pgx.Conn) *Conn {
	c, _ := conn.PgConn().CustomData()[key].(*Conn)
	return c
}

// OfRows is Of for the connection that rows come from.
func OfRows(rows pgx.Rows) *Conn {
	if !observed.Load() {
		return nil
	}
	return Of(rows.Conn())
}

// start is when the process began, more or less.
var start = time.Now()

// Now returns the time since the process began. It takes half of the time that
// time.Now takes.
func Now() time.Duration { return time.Since(start) }

// Streams says that the program works between the rows from now on.
func (c *Conn) Streams() {
	if c != nil && c.Answered == 0 {
		c.Answered = Now()
	}
}

// Shares says how many calls share the statement under way, and what the context of each
// is, which is looked up only if somebody is told.
func (c *Conn) Shares(callers int, of func(i int) context.Context) {
	if c == nil {
		return
	}
	c.Callers = callers
	if !c.Hooked {
		return
	}
	c.Sharers = make([]context.Context, callers) // hooks may keep it
	for i := range callers {
		c.Sharers[i] = of(i)
	}
}

// Rerun says that the call whose statement comes next was run so often before.
func (c *Conn) Rerun(times int) {
	if c != nil {
		c.Again = times
	}
}

// Retries says which attempt the transaction is that has begun, or is about to, and the
// SQLSTATE for which it is made.
func (c *Conn) Retries(attempt int, cause string) {
	if c != nil && attempt > 1 {
		c.Attempt, c.Cause = attempt, cause
	}
}

// Stop says that the program has left a stream before its end, which is no error.
func (c *Conn) Stop() {
	if c != nil {
		c.Stopped = true
	}
}

// Takes says how many rows the program has read, before they are closed.
func (c *Conn) Takes(rows int64) {
	if c != nil {
		c.Took = rows
	}
}

// maxWidths is how many columns of a result are measured. Others are not in the sums.
const maxWidths = 32

// Widths are the bytes of the columns of one result, of those rows whose time was measured
// and of those that they stand for.
type Widths struct {
	Fields []pgconn.FieldDescription // nil if no row was measured
	Rows   int
	Bytes  [maxWidths]uint64
}

// Clear makes w the widths of no result.
func (w *Widths) Clear() {
	if w.Fields != nil {
		*w = Widths{}
	}
}

// add adds a row that stands for several. Where two decoders share a result the first is
// measured.
func (w *Widths) add(fields []pgconn.FieldDescription, values [][]byte, rows int) {
	if len(fields) == 0 || w.Fields != nil && &w.Fields[0] != &fields[0] {
		return
	}
	w.Fields = fields
	w.Rows += rows
	for i := range min(len(values), len(fields), maxWidths) {
		w.Bytes[i] += uint64(len(values[i]) * rows)
	}
}

// Begin is called before a statement is sent past pgx's hooks, and End with what it
// returns when the statement has ended.
func (c *Conn) Begin(ctx context.Context, conn *pgx.Conn, sql string) context.Context {
	if c == nil || c.Tracer == nil {
		return ctx
	}
	return c.Tracer.TraceQueryStart(ctx, conn, pgx.TraceQueryStartData{SQL: sql})
}

// End is called when a statement has ended that began with Begin.
func (c *Conn) End(ctx context.Context, conn *pgx.Conn, err error) {
	if c != nil && c.Tracer != nil {
		c.Tracer.TraceQueryEnd(ctx, conn, pgx.TraceQueryEndData{Err: err})
	}
}

// Decoding measures how long the rows of a result take to decode. Reading the clock
// for each of them would take as long as decoding a small row. So the first four are
// measured, and then ever fewer, each of which stands for those since the one before:
// the sum misses a fifth at most. Where the observer knows what the first row takes,
// of the calls before, it is not measured either. The zero Decoding measures nothing.
type Decoding struct {
	conn  *Conn
	began time.Duration
	rows  int // that a sum was made for
	step  int // from there to the row that is measured next
	left  int // of the step
}

// Decode begins to measure the rows of a result.
func Decode(rows pgx.Rows) Decoding { return Decoding{conn: OfRows(rows)} }

// Row is called before each row is decoded.
func (d *Decoding) Row() {
	if d.conn != nil && d.left == 0 && !d.known() {
		d.began = Now()
	}
}

// known reports whether the row is one whose time is known.
func (d *Decoding) known() bool { return d.rows == 0 && d.conn.FirstKnown > 0 }

// Done is called after each row, with its columns and values.
func (d *Decoding) Done(fields []pgconn.FieldDescription, values [][]byte) {
	if d.conn == nil {
		return
	}
	if d.left > 0 {
		d.left--
		return
	}
	switch {
	case d.known():
		d.conn.Decoded += d.conn.FirstKnown
	case d.rows == 0:
		d.conn.First = Now() - d.began
		d.conn.Decoded += d.conn.First
		d.conn.Widths.add(fields, values, 1)
	default:
		d.conn.Decoded += (Now() - d.began) * time.Duration(d.step+1)
		d.conn.Widths.add(fields, values, d.step+1)
	}
	d.rows += d.step + 1
	d.step = max(d.rows/4-1, 0)
	d.left = d.step
}
