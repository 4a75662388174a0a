package observe

import (
	"cmp"
	"context"
	"net"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// What is known of a call while it is under way lies with its connection and not in
// its context: a connection does one thing at a time, so its memory is used again,
// and a call costs no allocation.
//
// What pgx calls, and what becomes of it:
//
//	TraceQueryStart    begins a flight in query. If one is there, rows are open and pgx is
//	                   about to refuse the query, which is only counted until its end
//	TraceQueryEnd      ends it: when Exec returns, or when rows are closed
//	TraceBatchStart    begins a flight in batch, whose name is found from its statements
//	TraceBatchQuery    records a statement of the batch, without a time
//	TraceBatchEnd      ends the batch: when its results are closed
//	                   of a statement behind a setting, these do what those of a query do
//	TraceCopyFrom...   the same in copy
//	wal.Commit         calls the hooks of a query itself, as pgx does not see its COMMIT
//
// In between, the packages that send say what they know; see [traced.Conn].

// flight is a call under way.
type flight struct {
	under  bool
	scoped bool            // its context may have a charge
	began  time.Duration   // by traced.Now
	outer  context.Context // whose labels are those of the goroutine after the call; nil: they are so now
	shape  *shape
	lately *recent // with that shape, or nil
	event  Event
	shown  Event // what a hook is shown
	args   []any

	commits bool // a batch with a COMMIT in it

	behind bool              // a setting, or before one, in a batch
	tag    pgconn.CommandTag // then, of its statement
}

// state is what an Observer knows of one connection. It belongs to whoever the
// connection is lent to.
type state struct {
	traced.Conn
	observer *Observer
	node     string
	database string

	query  flight
	batch  flight
	copy   flight
	queued flight // the statement of a batch that has just ended
	nested int    // queries that pgx refuses because rows are open
	tx     transaction

	standby bool          // as the server has said
	asked   time.Duration // when that was looked up, by traced.Now

	recent  [8]recent
	next    int
	batches map[string]*shape // by the table they are for
}

// recent is a text that the connection sent lately. Texts are constants for most, so
// that address and length tell them apart. The text is kept, so that its memory
// cannot be given to another.
type recent struct {
	text  string
	shape *shape

	first time.Duration // that its first row took to decode, when it was measured last
	calls uint          // since it is here
}

// Reading the clock twice takes half of the time of decoding one row, so of the calls
// that send a text one in so many is measured.
const measured = 8

func (o *Observer) stateOf(conn *pgx.Conn) *state {
	if c := traced.Bound(conn); c != nil {
		if s, ok := c.Owner.(*state); ok && s.observer == o {
			return s
		}
	}
	c := conn.Config()
	s := &state{observer: o, node: nodeOf(c), database: cmp.Or(c.Database, c.User)} // the server does the same
	s.Tracer, s.Owner, s.Hooked = &o.tracer, s, len(o.hooks) > 0
	traced.Bind(conn.PgConn(), &s.Conn)
	return s
}

// nodeOf returns the address of a server.
func nodeOf(c *pgx.ConnConfig) string {
	if strings.HasPrefix(c.Host, "/") {
		return c.Host + "/.s.PGSQL." + strconv.Itoa(int(c.Port))
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

// shapeOf returns the shape of a text that a connection sends, and where it is if the
// text was sent lately.
func (s *state) shapeOf(conn *pgx.Conn, sql string) (*shape, *recent) {
	at := unsafe.StringData(sql)
	for i := range s.recent {
		r := &s.recent[i]
		if unsafe.StringData(r.text) == at && len(r.text) == len(sql) && r.shape.state.Load() == settled {
			return r.shape, r
		}
	}
	text := textOf(conn, sql)
	as := traced.As(text)
	sh := s.observer.shapes.of(as, func() Name { return nameOf(text) })
	if sh == nil || len(as) != len(sql) || sh.state.Load() != settled { // a name may get another text
		return sh, nil
	}
	r := &s.recent[s.next]
	*r = recent{text: sql, shape: sh}
	s.next = (s.next + 1) % len(s.recent)
	return sh, r
}

// start begins a call, whose event has what is known of its kind. What it waited for
// is not in its time, nor is what hooks take.
func (s *state) start(ctx context.Context, conn *pgx.Conn, f *flight, args []any) context.Context {
	o, e := s.observer, &f.event
	e.Node, e.Database, e.InTx = s.node, s.database, conn.PgConn().TxStatus() != handle.StatusIdle
	e.Waited, e.Run, e.Callers = s.Waited, s.Again+1, 1
	s.Waited, s.Again = 0, 0
	s.Decoded, s.Answered, s.Stopped, s.Callers, s.Took, s.Sharers = 0, 0, false, 0, -1, nil
	s.First, s.FirstKnown = 0, f.lately.known()
	s.Widths.Clear()
	f.under, f.args = true, args
	if o.config.Args {
		e.Args = args
	}
	if len(o.hooks) > 0 {
		if s.asked == 0 {
			s.ask(conn, traced.Now())
		}
		s.surround(ctx, e)
		ctx = o.before(ctx, f)
	}
	if o.config.Labels {
		ctx = f.label(ctx)
	}
	f.began = traced.Now()
	return ctx
}

// known returns how long the first row of a text takes to decode, or 0 if that is to
// be measured.
func (r *recent) known() time.Duration {
	if r == nil {
		return 0
	}
	if r.calls++; r.calls%measured == 0 {
		return 0
	}
	return r.first
}

// is says what is sent: a text that has a shape, or one that has none.
func (e *Event) is(sh *shape, text string) {
	e.Prepared, e.Left, e.Unread = false, false, 0
	if sh != nil {
		e.Name, e.SQL, e.Shape = sh.name, sh.text, sh.id
		return
	}
	e.Name, e.SQL, e.Shape = nameOf(text), text, 0
}

// standbyFor is how long it is taken for true that the server is, or is not, a standby.
const standbyFor = 100 * time.Millisecond

// ask looks up whether the server is a standby. It tells when it no longer is.
func (s *state) ask(conn *pgx.Conn, now time.Duration) {
	s.standby, s.asked = conn.PgConn().ParameterStatus("in_hot_standby") == "on", now
}

// surround notes what only hooks and logs ask for.
func (s *state) surround(ctx context.Context, e *Event) {
	e.Standby, e.Tries = s.standby, 0
	if !e.InTx {
		return
	}
	if tx := handle.ScopeOf(ctx); tx != nil {
		e.Tries = tx.Attempt
	}
}

// end ends a call. Its time is split by what the packages that send have said: what was
// spent with decoding, and from when on a stream was the program's.
func (s *state) end(ctx context.Context, conn *pgx.Conn, f *flight, tag pgconn.CommandTag, err error) {
	if !f.under {
		return
	}
	now, e, rows := traced.Now(), &f.event, tag.RowsAffected()
	f.under = false
	if s.Stopped && pgerr.IsCanceled(err) {
		err = nil
	}
	e.ended(ctx, err)
	e.Rows, e.Callers, e.Sharers = rows, max(s.Callers, 1), s.Sharers
	e.Decoded, e.Held = s.Decoded, 0
	e.Server = now - f.began - s.Decoded
	if s.Answered > 0 {
		e.Server, e.Held = s.Answered-f.began, now-s.Answered-s.Decoded
	}
	e.Whole = e.Name.Operation == "" || e.Kind == Batch
	e.Server, e.Held = max(e.Server, 0), max(e.Held, 0)
	if f.lately != nil && s.First > 0 && f.lately.shape == f.shape {
		f.lately.first = s.First
	}
	if now-s.asked >= standbyFor {
		s.ask(conn, now)
	}
	e.Standby = s.standby
	s.account(f, rows)
	s.observer.finish(ctx, s, f)
	f.unlabel()
	s.follow(ctx, conn, f, tag, now)
	f.args, f.shape, f.lately, e.Args, e.Err = nil, nil, nil, nil, nil // not to keep what they refer to
	s.Sharers, e.Sharers = nil, nil
}

// account notes what a call that has ended did for nothing.
func (s *state) account(f *flight, rows int64) {
	e := &f.event
	if e.Left = s.Stopped; s.Took >= 0 && rows > s.Took {
		e.Left, e.Unread = true, rows-s.Took
	}
	if f.shape != nil && s.Widths.Fields != nil {
		f.shape.measure(&s.Widths)
	}
}

// queryStart begins a statement, whose context may have a scope.
func (o *Observer) queryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData, scoped bool) context.Context {
	s := o.stateOf(conn)
	if s.query.under { // rows are open: pgx is about to refuse it
		s.nested++
		return ctx
	}
	f := &s.query
	f.scoped, f.behind, f.tag = scoped, false, pgconn.CommandTag{}
	f.shape, f.lately = s.shapeOf(conn, data.SQL)
	f.event.is(f.shape, data.SQL)
	f.shape.sawOffset(data.Args)
	return s.start(ctx, conn, f, data.Args)
}

// queryEnd ends a statement, or one that pgx has refused because rows were open. It
// reports whether the context may have a charge, for which it would have to be searched.
func (o *Observer) queryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) bool {
	s := o.stateOf(conn)
	if s.nested > 0 {
		s.nested--
		return true
	}
	s.end(ctx, conn, &s.query, data.CommandTag, data.Err)
	return s.query.scoped
}

// copyStart begins a COPY. Its text is that which pgx sends, but for its options.
func (o *Observer) copyStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	s := o.stateOf(conn)
	sql := "COPY " + data.TableName.Sanitize() + " (" + strings.Join(data.ColumnNames, ", ") + ") FROM STDIN"
	named := traced.NameOfCopy(strings.Join(data.TableName, "."))
	n := Name{Table: named.Table, Operation: named.Operation}
	f := &s.copy
	f.shape, f.event = o.shapes.of(sql, func() Name { return n }), Event{Kind: Copy}
	f.event.is(f.shape, sql)
	f.event.Name = n
	return s.start(ctx, conn, f, nil)
}

// copyEnd ends a COPY.
func (o *Observer) copyEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	s := o.stateOf(conn)
	s.end(ctx, conn, &s.copy, data.CommandTag, data.Err)
}

// finish records a call that has ended, and tells hooks and the slow log.
func (o *Observer) finish(ctx context.Context, s *state, f *flight) {
	o.shapes.add(f.shape, &f.event)
	if len(o.hooks) > 0 {
		o.after(ctx, f)
	}
	if o.slow != nil && f.event.Server >= o.slow.Threshold {
		s.surround(ctx, &f.event)
		o.logSlow(ctx, f)
	}
}
