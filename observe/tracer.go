package observe

import (
	"context"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"

	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/traced"
)

// Attach adds this package's tracer to the configuration of a connection, next
// to a tracer that is there already. What repositories, sqlc's queries and raw
// SQL send is then counted wherever the context has a scope; see [WithScope]. A
// second call changes nothing.
//
//	cfg, err := pgxpool.ParseConfig(dsn)
//	observe.Attach(cfg.ConnConfig)
//	pool, err := pgxpool.NewWithConfig(ctx, cfg)
func Attach(cfg *pgx.ConnConfig) {
	switch other := cfg.Tracer.(type) {
	case *tracer:
		return
	case *multitracer.Tracer:
		if len(others(other.QueryTracers)) < len(other.QueryTracers) {
			return
		}
	}
	attach(cfg, &tracer{})
}

// tracer implements pgx's hooks. It is unexported, so that they do not show in
// the documentation.
type tracer struct {
	observer  *Observer // nil: only scopes are served
	callSites callSites
}

var (
	_ pgx.QueryTracer    = (*tracer)(nil)
	_ pgx.BatchTracer    = (*tracer)(nil)
	_ pgx.CopyFromTracer = (*tracer)(nil)
	_ pgx.PrepareTracer  = (*tracer)(nil)
	_ pgx.ConnectTracer  = (*tracer)(nil)
)

// TraceConnectStart does nothing.
func (t *tracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}

// TraceConnectEnd makes the state of a new connection, for which its first borrower
// may have waited.
func (t *tracer) TraceConnectEnd(_ context.Context, data pgx.TraceConnectEndData) {
	if t.observer != nil && data.Conn != nil && data.Err == nil {
		t.observer.stateOf(data.Conn)
	}
}

// TraceQueryStart runs before every statement.
func (t *tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s := scopeOf(ctx)
	if s != nil {
		ctx = t.count(ctx, s, conn, data)
	}
	if t.observer == nil || conn == nil {
		return ctx
	}
	return t.observer.queryStart(ctx, conn, data, s != nil)
}

// count counts a statement in the scope of its context.
func (t *tracer) count(ctx context.Context, s *scope, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s.seenBy(t.observer)
	text := textOf(conn, data.SQL)
	c := &charge{scope: s}
	if !readsCatalog(text) {
		t.use(ctx, s, text, 1)
		c.used = true
	}
	if !handle.IsUncounted(ctx) {
		c.to = t.charge(ctx, s, text, true)
	}
	c.began = traced.Now()
	return context.WithValue(ctx, chargeKey{}, c)
}

// charge charges a statement to its call site, and returns what it was charged to.
// Sent says that this goroutine is about to send it; else it has shared that of another.
func (t *tracer) charge(ctx context.Context, s *scope, text string, sent bool) any {
	st, repeated := s.see(text)
	if st == nil {
		return nil
	}
	if !repeated {
		var stack [firstStack]uintptr
		s.keepFirst(st, stack[:runtime.Callers(callersSkip, stack[:])], sent)
		return st
	}
	at, ok := t.callSites.locate(sent)
	if !ok {
		return nil
	}
	tries := 1
	if tx := handle.ScopeOf(ctx); tx != nil {
		tries = max(tries, tx.Attempt)
	}
	if first, sent := s.takeFirst(st); first != nil {
		if where, found := t.callSites.search(first, sent); found > 0 {
			if c, crossed := s.charge(st, where, tries); crossed {
				t.report(ctx, s, c)
			}
		}
	}
	c, crossed := s.charge(st, at, tries)
	if c == nil {
		return nil
	}
	if crossed {
		t.report(ctx, s, c)
	}
	return c
}

// report reports a loop to its scope, and remembers where it is.
func (t *tracer) report(ctx context.Context, s *scope, c *loop) {
	if o := s.observedBy(); o != nil {
		o.spots.add(spotID{loopSpot, c.statement.text, c.at, 0}, 0, 0)
	}
	s.report(ctx, c)
}

// firstStack is how much of the stack of the first time is kept.
const firstStack = 48

// TraceQueryEnd takes back what was charged for a statement that failed: sending
// it again is a retry and no loop over rows.
func (t *tracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	if t.observer != nil && conn != nil && !t.observer.queryEnd(ctx, conn, data) {
		return
	}
	endCharge(ctx, data.Err)
}

// endCharge takes back what was charged for a call that failed, and adds its time to
// its scope.
func endCharge(ctx context.Context, err error) {
	c, _ := ctx.Value(chargeKey{}).(*charge)
	if c == nil || c.ended {
		return
	}
	c.ended = true
	if c.used {
		c.scope.used(traced.Now()-c.began, err)
	}
	if err != nil {
		c.scope.failed(c.to, err)
	}
}

// useBatch counts a call with several statements, or a COPY, in the scope of its
// context.
func (t *tracer) useBatch(ctx context.Context, text string, statements int) context.Context {
	s := scopeOf(ctx)
	if s == nil {
		return ctx
	}
	s.seenBy(t.observer)
	t.use(ctx, s, text, statements)
	return context.WithValue(ctx, chargeKey{}, &charge{scope: s, used: true, began: traced.Now()})
}

// TraceBatchStart counts nothing: the statements of a batch share a round trip. What is
// one statement to its caller, beside a setting, is one here.
func (t *tracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	if q := traced.OfBehind(ctx, data.Batch); q != nil {
		ctx = t.TraceQueryStart(ctx, conn, pgx.TraceQueryStartData{SQL: q.SQL, Args: q.Arguments})
		if t.observer != nil && conn != nil {
			t.observer.behind(conn)
		}
		return ctx
	}
	if scopeOf(ctx) != nil {
		ctx = t.useBatch(ctx, "a batch", traced.Asked(data.Batch))
	}
	if t.observer == nil || conn == nil {
		return ctx
	}
	return t.observer.batchStart(ctx, conn, data)
}

// TraceBatchQuery runs when a statement of a batch has ended.
func (t *tracer) TraceBatchQuery(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	if t.observer != nil && conn != nil {
		t.observer.batchQuery(ctx, conn, data)
	}
}

// TraceCopyFromStart runs before a COPY.
func (t *tracer) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	ctx = t.useBatch(ctx, "COPY "+data.TableName.Sanitize(), 1)
	if t.observer == nil || conn == nil {
		return ctx
	}
	return t.observer.copyStart(ctx, conn, data)
}

// TraceCopyFromEnd runs after a COPY.
func (t *tracer) TraceCopyFromEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	if t.observer != nil && conn != nil {
		t.observer.copyEnd(ctx, conn, data)
	}
	endCharge(ctx, data.Err)
}

// TraceBatchEnd counts failures of transactions whose statements went out in a
// batch, because they may be retried.
func (t *tracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	if t.observer != nil && conn != nil {
		t.observer.batchEnd(ctx, conn, data)
	}
	endCharge(ctx, data.Err)
}

// preparedKey is where a connection keeps the texts of what was prepared by
// name.
const preparedKey = "github.com/smrt-go/smrt/observe: prepared"

// TracePrepareStart remembers the text of a statement that will be sent by its
// name, with the connection, whose lifetime is that of the name. What pgx
// prepares by itself is not sent by name.
func (t *tracer) TracePrepareStart(
	ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareStartData,
) context.Context {
	if data.Name == "" || data.Name == data.SQL || strings.HasPrefix(data.Name, "stmtcache_") {
		return ctx
	}
	texts, _ := conn.PgConn().CustomData()[preparedKey].(map[string]string)
	if texts == nil {
		texts = map[string]string{}
		conn.PgConn().CustomData()[preparedKey] = texts
	}
	texts[data.Name] = data.SQL
	return ctx
}

// TracePrepareEnd notes that the statement under way had to be prepared first.
func (t *tracer) TracePrepareEnd(_ context.Context, conn *pgx.Conn, data pgx.TracePrepareEndData) {
	if t.observer == nil || data.AlreadyPrepared {
		return
	}
	if s := t.observer.stateOf(conn); s.query.under {
		s.query.event.Prepared = true
	}
}

// textOf returns the text by which a statement is recognised: that of a
// prepared statement instead of its name, without comments around it.
func textOf(conn *pgx.Conn, sql string) string {
	if conn != nil && !strings.ContainsAny(sql, " \t\n") {
		if texts, _ := conn.PgConn().CustomData()[preparedKey].(map[string]string); texts[sql] != "" {
			sql = texts[sql]
		}
	}
	return trim(sql)
}
