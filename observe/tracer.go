package observe

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"

	"github.com/smrt-go/smrt/internal/handle"
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
)

// TraceQueryStart runs before every statement.
func (t *tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	ctx = t.count(ctx, conn, data)
	if t.observer == nil || conn == nil {
		return ctx
	}
	return t.observer.queryStart(ctx, conn, data)
}

// count counts a statement in the scope of its context. Without one it does nothing
// but look for it.
func (t *tracer) count(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s := scopeOf(ctx)
	if s == nil || handle.IsUncounted(ctx) {
		return ctx
	}
	st, repeated := s.see(textOf(conn, data.SQL))
	if st == nil {
		return ctx
	}
	if !repeated {
		return context.WithValue(ctx, chargeKey{}, st)
	}
	at, ok := t.callSites.locate()
	if !ok {
		return ctx
	}
	tries := 1
	if tx := handle.ScopeOf(ctx); tx != nil {
		tries = max(tries, tx.Attempt)
	}
	c, crossed := s.charge(st, at, tries)
	if c == nil {
		return ctx
	}
	if crossed {
		s.report(ctx, c)
	}
	return context.WithValue(ctx, chargeKey{}, c)
}

// TraceQueryEnd takes back what was charged for a statement that failed: sending
// it again is a retry and no loop over rows.
func (t *tracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	if t.observer != nil && conn != nil {
		t.observer.queryEnd(ctx, conn, data)
	}
	if data.Err == nil {
		return
	}
	if s := scopeOf(ctx); s != nil {
		s.failed(ctx.Value(chargeKey{}), data.Err)
	}
}

// TraceBatchStart counts nothing: the statements of a batch share a round trip.
func (t *tracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
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
}

// TraceBatchEnd counts failures of transactions whose statements went out in a
// batch, because they may be retried.
func (t *tracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	if t.observer != nil && conn != nil {
		t.observer.batchEnd(ctx, conn, data)
	}
	if data.Err == nil {
		return
	}
	if s := scopeOf(ctx); s != nil {
		s.failed(nil, data.Err)
	}
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

// TracePrepareEnd does nothing.
func (t *tracer) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

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
