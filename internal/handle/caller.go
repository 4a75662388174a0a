package handle

import (
	"context"
	"reflect"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Sharer is a handle that says whose calls may share a statement.
type Sharer interface {
	// Sharing reports whether a statement on the handle does the same for all
	// callers, because nothing looks at their contexts, and returns what
	// identifies a caller, nil if that is not named.
	Sharing() (all bool, caller func(context.Context) any)
}

// CallerOf returns what identifies a caller on db, nil if that is not named.
func CallerOf(db any) func(context.Context) any {
	if s, ok := traits(db).(Sharer); ok {
		_, caller := s.Sharing()
		return caller
	}
	return nil
}

// SharedByAll reports whether a statement on db does the same whoever sends it.
// A handle that does not show its hooks may bind a tenant to each statement, so
// that the answer is no. It copies the settings of a pool: ask once.
func SharedByAll(db any) bool {
	switch h := traits(db).(type) {
	case Sharer:
		all, _ := h.Sharing()
		return all
	case *pgxpool.Pool:
		return h != nil && !LooksAtContexts(h.Config())
	}
	return false
}

// LooksAtContexts reports whether hooks of a pool can bind to a connection what
// they find in the context of its borrower. Hooks of a new connection can if the
// connection may be closed by its first borrower; other connections are lent to
// anybody.
func LooksAtContexts(c *pgxpool.Config) bool {
	//nolint:staticcheck // a deprecated hook is a hook
	whenLent := c.PrepareConn != nil || c.BeforeAcquire != nil || c.ShouldPing != nil
	return whenLent || c.AfterRelease != nil && (c.BeforeConnect != nil || c.AfterConnect != nil)
}

// OfOneCall is a key of a context whose value belongs to one call and no other:
// its transaction, its session, the statements that it counts.
type OfOneCall interface{ OfOneCall() }

// Shared returns the context of what several callers share: it has the values of
// ctx, which is one caller's, without what belongs to that call alone, and never
// ends.
func Shared(ctx context.Context) context.Context {
	return shared{context.WithoutCancel(ctx)}
}

type shared struct{ context.Context }

// Value leaves out what belongs to one call. The keys of traces are of other
// modules, and known by their packages.
func (c shared) Value(key any) any {
	if _, ok := key.(OfOneCall); ok {
		return nil
	}
	if t := reflect.TypeOf(key); t != nil && isTrace(t.PkgPath()) {
		return nil
	}
	return c.Context.Value(key)
}

func isTrace(pkg string) bool {
	return pkg == "go.opentelemetry.io/otel/trace" || pkg == "runtime/trace"
}
