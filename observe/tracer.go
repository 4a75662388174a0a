package observe

import (
	"context"
	"slices"
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
	case nil:
		cfg.Tracer = &tracer{}
	case *tracer:
	case *multitracer.Tracer:
		if !slices.ContainsFunc(other.QueryTracers, isOurs) {
			cfg.Tracer = multitracer.New(other, &tracer{})
		}
	default:
		cfg.Tracer = multitracer.New(other, &tracer{})
	}
}

func isOurs(t pgx.QueryTracer) bool {
	_, ours := t.(*tracer)
	return ours
}

// tracer implements pgx's hooks. It is unexported, so that they do not show in
// the documentation.
type tracer struct {
	callSites callSites
}

var (
	_ pgx.QueryTracer   = (*tracer)(nil)
	_ pgx.BatchTracer   = (*tracer)(nil)
	_ pgx.PrepareTracer = (*tracer)(nil)
)

// TraceQueryStart runs before every statement. Without a scope in the context it
// does nothing but look for it.
func (t *tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
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
func (t *tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if data.Err == nil {
		return
	}
	if s := scopeOf(ctx); s != nil {
		s.failed(ctx.Value(chargeKey{}), data.Err)
	}
}

// TraceBatchStart does nothing: the statements of a batch share a round trip.
func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery does nothing, see TraceBatchStart.
func (t *tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd counts failures of transactions whose statements went out in a
// batch, because they may be retried.
func (t *tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
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
