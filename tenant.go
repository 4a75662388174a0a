package smrt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
)

var (
	// ErrNoTenant means that a table was declared with query.Tenant and the context
	// of the call has no tenant. Nothing was sent. See [WithTenant].
	ErrNoTenant = errors.New("there is no tenant in the context: set one with smrt.WithTenant where the request begins")

	// ErrTenantMismatch means a row, a key or a transaction of another tenant than
	// that of the context. Nothing was sent. See [TenantError].
	ErrTenantMismatch = errors.New("of another tenant than that of the context")
)

// TenantError reports what is not of the tenant of the context. It has no value
// of the row. errors.Is(err, ErrTenantMismatch), or ErrNoTenant.
type TenantError struct {
	Table  string // as declared; empty if it is about no row
	Column string // that says whose row it is
	Row    int    // index in the slice that was given, -1 elsewhere
	What   string // "entity", "key", "assignment" or "context"; "transaction", "snapshot", "pipeline" or "loader" that was begun under another tenant
	Err    error  // ErrTenantMismatch or ErrNoTenant
}

// Error says what, and of which table.
func (e *TenantError) Error() string {
	what := e.What + " "
	switch {
	case e.Table == "":
		return fmt.Sprintf("the %s is %v", e.What, e.Err)
	case e.What == "context":
		what = ""
	case e.Row >= 0:
		what += strconv.Itoa(e.Row) + " of "
	default:
		what += "for "
	}
	return fmt.Sprintf("%stable %q, tenant column %q: %v", what, e.Table, e.Column, e.Err)
}

// Unwrap gives ErrTenantMismatch or ErrNoTenant.
func (e *TenantError) Unwrap() error { return e.Err }

// WithTenant returns a context under which calls see and change the rows of one
// tenant only, in tables declared with query.Tenant. It belongs where a request is
// authenticated, before anything else:
//
//	ctx := smrt.WithTenant(r.Context(), session.TenantID)
//
// The id has the type of the columns that say whose a row is, or one that differs
// in its name or its size only. Its zero value is no tenant: calls return
// [ErrNoTenant], as they do without WithTenant. A second call replaces the first.
func WithTenant[V comparable](ctx context.Context, id V) context.Context {
	return withTenant(ctx, Tenant{ID: id})
}

// AllTenants returns a context under which calls see and change the rows of all
// tenants, for reports, repairs and the like. It is logged with the reason and the
// place of the call, at level Info of slog.Default. Rows that are created must have
// their tenant. An empty reason is none: the context has no tenant then.
func AllTenants(ctx context.Context, reason string) context.Context {
	if reason == "" {
		return withTenant(ctx, Tenant{})
	}
	place := "unknown"
	if _, file, line, ok := runtime.Caller(1); ok {
		place = file + ":" + strconv.Itoa(line)
	}
	slog.InfoContext(ctx, "smrt: acting for all tenants", "reason", reason, "at", place)
	return withTenant(ctx, Tenant{All: true, Reason: reason})
}

// Tenant is whose rows a context is about.
type Tenant struct {
	ID     any    // of the one tenant, as it was given to [WithTenant]; nil: there is none
	All    bool   // rows of all tenants
	Reason string // that was given to [AllTenants]
}

type tenantKey struct{}

func withTenant(ctx context.Context, t Tenant) context.Context {
	return context.WithValue(ctx, tenantKey{}, &t)
}

// TenantOf returns the tenant of a context, for statements that are written by hand.
// It is the zero Tenant where the context, which may be nil, has none.
func TenantOf(ctx context.Context) Tenant {
	if ctx == nil {
		return Tenant{}
	}
	if t, ok := ctx.Value(tenantKey{}).(*Tenant); ok {
		return *t
	}
	return Tenant{}
}
