package pool_test

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// hooks notes which hooks of a user were called, once each.
type hooks struct {
	mu    sync.Mutex
	names []string
}

func (h *hooks) call(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.names, name) {
		h.names = append(h.names, name)
	}
}

// list is in an order of its own, as that of acquiring and connecting is not
// certain.
func (h *hooks) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	order := []string{"BeforeConnect", "AfterConnect", "TraceAcquireStart", "TraceQueryStart", "OnNotice"}
	return slices.DeleteFunc(order, func(name string) bool { return !slices.Contains(h.names, name) })
}

func (h *hooks) set(c *pgxpool.Config) {
	c.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { h.call("BeforeConnect"); return nil }
	c.AfterConnect = func(context.Context, *pgx.Conn) error { h.call("AfterConnect"); return nil }
	c.ConnConfig.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) { h.call("OnNotice") }
	c.ConnConfig.Tracer = h
}

// TraceQueryStart is pgx's hook.
func (h *hooks) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	h.call("TraceQueryStart")
	return ctx
}

// TraceQueryEnd is pgx's hook.
func (h *hooks) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceAcquireStart is pgx's hook.
func (h *hooks) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	h.call("TraceAcquireStart")
	return ctx
}

// TraceAcquireEnd is pgx's hook.
func (h *hooks) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {}
