package pool

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// A connection goes through these states. The pool is pgxpool's; what is done at
// each step by this package stands on the right:
//
//	waits for a place  gate.guard: the server still has as many as it may
//	is dialled         markDial tells it from a request to cancel; watch gives it a connState
//	is set up          beforeConnect has detected the server and chosen how statements are
//	                   sent; afterConnect calls the user's hook
//	is idle            nothing. pgxpool pings it before it lends it, and closes it when it is
//	                   too old or was idle for too long
//	is lent            the tracer sees each statement: note remembers what it leaves in the
//	                   session, or refuses it; begin and statementEnded follow cancellations
//	is given back      TraceRelease: a request to cancel may still arrive: it is closed
//	                                 in a transaction or busy: pgxpool closes it
//	                                 left nothing:             it is idle
//	                                 left something:           clean makes it as it was, or closes it
//	is closed          wire.Close waits for the server to close its end, then leaves the place
//
// A request to cancel travels on a connection of its own, so it may arrive when
// its statement is over, where something between closes its connection too early
// (cancel.go has the rule). Where it is, by cancelled and echo:
//
//	the context of a statement ends     HandleCancel sends it: cancelled is the time
//	it ends that statement              cancelArrived: its second signal may follow within echoTime
//	it ends a later statement           tookStray: the same; and the statement is run again
//	neither, within strayTime           begin forgets it

// connState is what the pool knows of one connection. But for the time of a
// cancellation, it belongs to whoever the connection is lent to.
type connState struct {
	pool *Pool

	left  bool // something that outlives its statement
	hears bool // notifications
	seen  map[string]verdict
	told  *traced.Conn // of a time that the borrower waited; nil: none
	place atomic.Pointer[classPlace]
	lent  time.Duration // when it was, by traced.Now; 0: nobody watches

	request   atomic.Pointer[request] // the last one to cancel, unless its end was seen
	cancelled atomic.Int64            // when cancelling was asked for, in nanoseconds, 0 if its effect was seen
	echo      time.Time               // until when it may be seen once more
	began     time.Time               // when the last statement began that a late request could meet

	// Made in blocks, as pgxpool does with its own: an allocation less for
	// each query.
	rows []rows
	row  []row
}

// stateKey is where a connection has its state.
const stateKey = "smrt/pool.state"

func stateOf(conn *pgconn.PgConn) *connState {
	s, _ := conn.CustomData()[stateKey].(*connState)
	return s
}

// strayTime is how late a request to cancel may arrive. A busy server needs a
// new process for each.
const strayTime = 10 * time.Second

// PostgreSQL signals a process twice for one request, itself and as a group
// (signal_child), and the second signal may meet another statement than the
// first, soon after.
const (
	signals  = 2
	echoTime = time.Second
)

// begin is called before a statement is sent, and forgets requests to cancel that
// can no longer meet it. It reads the clock only where a
// request to cancel may still arrive, and forgets those that are too late.
func (s *connState) begin() {
	at := s.cancelled.Load()
	if at == 0 && s.echo.IsZero() {
		return
	}
	s.began = time.Now()
	if at != 0 && s.began.Sub(time.Unix(0, at)) >= strayTime {
		s.cancelled.CompareAndSwap(at, 0)
	}
	if !s.began.Before(s.echo) {
		s.echo = time.Time{}
	}
}

// mayBeStray reports whether tookStray could be true.
func (s *connState) mayBeStray() bool { return s.cancelled.Load() != 0 || !s.echo.IsZero() }

// timedOut reports whether the last statement, which the server gave up, may have
// run into its statement_timeout. The session is asked for it; the second signal
// of a request may meet that question.
func (s *connState) timedOut(ctx context.Context, conn *pgconn.PgConn) bool {
	took := time.Since(s.began)
	limit, err := pgerr.AskTimeout(ctx, conn, "")
	for n := 1; n < signals && pgerr.IsCanceled(err); n++ {
		limit, err = pgerr.AskTimeout(ctx, conn, "")
	}
	return err != nil || pgerr.TimedOut(took, limit)
}

// tookStray reports whether a statement was cancelled in place of an earlier one.
func (s *connState) tookStray() bool {
	now := time.Now()
	if at := s.cancelled.Swap(0); at != 0 && now.Sub(time.Unix(0, at)) < strayTime {
		s.echo = now.Add(echoTime)
		return true
	}
	echo := now.Before(s.echo)
	s.echo = time.Time{}
	return echo
}

// cancelArrived is called when a request to cancel has ended its statement.
func (s *connState) cancelArrived() {
	s.cancelled.Store(0)
	s.echo = time.Now().Add(echoTime)
}

// Texts that are longer, and texts beyond this number, are read each time.
const (
	maxSeen     = 256
	maxSeenText = 4096
)

// verdict is that of scan, which is kept: most programs send the same texts again.
// That of a text whose literals end elsewhere if standard_conforming_strings is off
// depends on the session, which tells whenever that changes.
func (s *connState) verdict(conn *pgconn.PgConn, sql string) verdict {
	v, ok := s.seen[sql]
	if !ok {
		v = s.keep(sql)
	}
	if v.escapes && conn.ParameterStatus("standard_conforming_strings") == "off" {
		return scan(sql, true)
	}
	return v
}

// keep reads a text for the first time.
func (s *connState) keep(sql string) verdict {
	v := scan(sql, false)
	if len(sql) > maxSeenText {
		return v
	}
	if s.seen == nil || len(s.seen) >= maxSeen {
		s.seen = make(map[string]verdict)
	}
	s.seen[sql] = v
	return v
}

// note is called before a text is sent. The context it returns is that of the
// statement; one that has ended keeps it from being sent.
func (s *connState) note(ctx context.Context, v verdict) context.Context {
	if v.trait == 0 {
		return ctx
	}
	if err := s.pool.refuse(v); err != nil {
		return &refusal{Context: ctx, err: err}
	}
	s.left = s.left || v.trait&leaves != 0
	s.hears = s.hears || v.trait&hears != 0
	return ctx
}

// refusal is a context that has ended with an error of its own. The hooks of
// pgx cannot refuse a statement in any other way.
type refusal struct {
	context.Context
	err error
}

var ended = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (*refusal) Done() <-chan struct{} { return ended }
func (r *refusal) Err() error          { return r.err }

// clean makes a session as it was when it was new, or closes its connection. It
// is called while the connection is given back.
func (s *connState) clean(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), s.pool.settings.PingTimeout)
	defer cancel()
	server := s.pool.server.Load()
	pooled := server != nil && server.Mode != Direct // it has set parameters that DISCARD ALL would lose
	if s.hears || pooled || s.reset(ctx, conn) != nil {
		s.pool.discard(conn)
		return
	}
	s.left = false
	s.pool.counts.reset.Add(1)
}

// discard closes a connection that is given back, which pgxpool then destroys.
func (p *Pool) discard(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), p.settings.PingTimeout)
	defer cancel()
	_ = conn.Close(ctx)
	p.counts.destroyed.Add(1)
}

// reset makes the server and pgx forget what was in the session, and lets the
// user's hook set it up again.
func (s *connState) reset(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.PgConn().Exec(ctx, "DISCARD ALL").ReadAll(); err != nil {
		return err
	}
	if err := conn.DeallocateAll(ctx); err != nil { // pgx must forget its statements, too
		return err
	}
	if hook := s.pool.userAfterConnect; hook != nil {
		return hook(ctx, conn)
	}
	return nil
}

// tracer is the pool's part in pgx's hooks. It is unexported so that they are in
// nobody's way.
type tracer struct{ pool *Pool }

var (
	_ pgx.QueryTracer       = (*tracer)(nil)
	_ pgx.BatchTracer       = (*tracer)(nil)
	_ pgx.CopyFromTracer    = (*tracer)(nil)
	_ pgx.PrepareTracer     = (*tracer)(nil)
	_ pgx.ConnectTracer     = (*tracer)(nil)
	_ pgxpool.ReleaseTracer = (*tracer)(nil)
)

func (*tracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return markDial(ctx)
}

func (t *tracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	if data.Err != nil {
		t.pool.connectFailed(data.Err)
		return
	}
	began, _ := ctx.Value(dialKey{}).(time.Duration)
	t.pool.opened(traced.Now() - began)
}

func (*tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if s := stateOf(conn.PgConn()); s != nil {
		s.begin()
		return s.note(ctx, s.verdict(conn.PgConn(), data.SQL))
	}
	return ctx
}

func (*tracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	statementEnded(ctx, conn, data.Err)
}

// statementEnded sees whether a request to cancel has met its statement. If
// statement_timeout was quicker the request is still to come: echoTime covers it.
func statementEnded(ctx context.Context, conn *pgx.Conn, err error) {
	if err == nil || ctx.Err() == nil || !pgerr.IsCanceled(err) {
		return
	}
	if s := stateOf(conn.PgConn()); s != nil {
		s.cancelArrived()
	}
}

func (*tracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	s := stateOf(conn.PgConn())
	if s == nil {
		return ctx
	}
	for _, q := range data.Batch.QueuedQueries {
		ctx = s.note(ctx, s.verdict(conn.PgConn(), q.SQL))
	}
	return ctx
}

func (*tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (*tracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	statementEnded(ctx, conn, data.Err)
}

func (*tracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return ctx
}

func (*tracer) TraceCopyFromEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	statementEnded(ctx, conn, data.Err)
}

// cachePrefix begins the names of statements that pgx prepares by itself.
const cachePrefix = "stmtcache_"

// TracePrepareStart notes statements that are prepared by hand: the next
// borrower would have them too, by the same name.
func (t *tracer) TracePrepareStart(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareStartData) context.Context {
	s := stateOf(conn.PgConn())
	if s == nil || data.Name == "" || strings.HasPrefix(data.Name, cachePrefix) {
		return ctx
	}
	v := verdict{trait: leaves}
	if server := t.pool.server.Load(); server != nil && !server.Prepares {
		v.bind("a prepared statement")
	}
	return s.note(ctx, v)
}

func (*tracer) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

// TraceRelease is called before pgx decides what becomes of a connection.
func (t *tracer) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	conn := data.Conn
	s := stateOf(conn.PgConn())
	if s != nil {
		s.back()
		defer s.leaveClass()
	}
	if s != nil && s.told != nil {
		s.told.Waited, s.told = 0, nil
	}
	if s != nil && s.request.Load() != nil && !conn.IsClosed() && !s.awaitRequest() {
		t.pool.discard(conn)
		return
	}
	always := t.pool.settings.Reset == ResetAlways && t.pool.server.Load().hasSessions()
	if s == nil || !s.left && !always {
		return
	}
	if conn.IsClosed() || conn.PgConn().IsBusy() || conn.PgConn().TxStatus() != handle.StatusIdle {
		return // pgx destroys it
	}
	s.clean(conn)
}

// refuse returns the error of what cannot work through the pooler, or nil.
func (p *Pool) refuse(v verdict) error {
	server := p.server.Load()
	if server == nil || server.hasSessions() {
		return nil
	}
	switch {
	case v.trait&binds != 0:
		return &smrt.PoolerError{Mode: string(server.Mode), Feature: v.feature, Hint: hintSession}
	case v.trait&begins != 0 && server.Mode == Statement:
		return &smrt.PoolerError{Mode: string(server.Mode), Feature: "a transaction", Hint: hintTransaction}
	}
	return nil
}
