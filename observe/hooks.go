package observe

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"unsafe"
)

// Hook is told of each call. It sees and never changes or stops one. Goroutines that
// send at the same time call it at the same time.
//
// An event is used again once the hook has returned: save a copy and not the
// pointer. A hook that panics is none of the caller's business: the panic is logged,
// and after the third the hook is switched off.
type Hook interface {
	// Before is called before a call, in the order of Config.Hooks. What values
	// the context has that it returns, later hooks and tracers see, and After.
	// That it ends, or ends earlier than ctx, has no effect.
	Before(ctx context.Context, e *Event) context.Context

	// After is called when the call has ended, in the reverse order. For rows that
	// is when they are closed. The statements of a batch, of the kind Queued, have
	// no Before.
	After(ctx context.Context, e *Event)
}

// HookFuncs is a [Hook] made of functions. Each may be nil.
type HookFuncs struct {
	OnBefore func(ctx context.Context, e *Event) context.Context
	OnAfter  func(ctx context.Context, e *Event)
}

// Before implements [Hook].
func (h HookFuncs) Before(ctx context.Context, e *Event) context.Context {
	if h.OnBefore == nil {
		return ctx
	}
	return h.OnBefore(ctx, e)
}

// After implements [Hook].
func (h HookFuncs) After(ctx context.Context, e *Event) {
	if h.OnAfter != nil {
		h.OnAfter(ctx, e)
	}
}

// maxPanics is how often a hook may panic before it is switched off.
const maxPanics = 3

// hook is a Hook and how often it has panicked.
type hook struct {
	Hook
	panics atomic.Int32
}

func (h *hook) off() bool { return h.panics.Load() >= maxPanics }

// before calls the hooks before a call. Each gets an event of its own to look at:
// what it writes there has no effect.
func (o *Observer) before(ctx context.Context, f *flight) context.Context {
	for _, h := range o.hooks {
		if h.off() {
			continue
		}
		f.shown = f.event
		if next := o.callBefore(ctx, h, &f.shown); next != nil && !same(ctx, next) {
			ctx = values{ctx, next}
		}
	}
	return ctx
}

// same reports whether two contexts are one. To compare them with == would panic if
// their type cannot be compared, such as a struct with a slice.
func same(a, b context.Context) bool {
	return *(*[2]uintptr)(unsafe.Pointer(&a)) == *(*[2]uintptr)(unsafe.Pointer(&b))
}

// callBefore calls one hook. It returns nil if that panics.
func (o *Observer) callBefore(ctx context.Context, h *hook, e *Event) (next context.Context) {
	defer o.guard(ctx, h)
	return h.Before(ctx, e)
}

// after calls the hooks after a call, those that were called last first.
func (o *Observer) after(ctx context.Context, f *flight) {
	for i := len(o.hooks) - 1; i >= 0; i-- {
		if h := o.hooks[i]; !h.off() {
			f.shown = f.event
			o.callAfter(ctx, h, &f.shown)
		}
	}
	f.shown.Args, f.shown.Err, f.shown.Sharers = nil, nil, nil // not to keep what they refer to
}

// callAfter calls one hook.
func (o *Observer) callAfter(ctx context.Context, h *hook, e *Event) {
	defer o.guard(ctx, h)
	h.After(ctx, e)
}

// guard is deferred around a hook.
func (o *Observer) guard(ctx context.Context, h *hook) {
	p := recover()
	if p == nil {
		return
	}
	n := h.panics.Add(1)
	message := "observe: a hook panicked"
	if n >= maxPanics {
		message = "observe: a hook panicked again and is switched off"
	}
	o.logger().ErrorContext(ctx, message, slog.Any("panic", p), slog.Int("times", int(n)), slog.String("stack", string(debug.Stack())))
}

// values is a context that ends with one and has the values of another.
type values struct {
	context.Context
	of context.Context
}

// Value implements context.Context.
func (v values) Value(key any) any { return v.of.Value(key) }
