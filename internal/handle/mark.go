// Package mark lets a context say how the statements sent under it are meant. It is a package of its own, without
// imports, because whoever sends statements by design many times and whoever counts them must not know each other.
package handle

import "context"

type uncountedKey struct{}

// WithoutCounting returns a context under which repeating a statement is by design: children read chunk by chunk, batches
// that serve several callers.
func WithoutCounting(ctx context.Context) context.Context {
	return context.WithValue(ctx, uncountedKey{}, true)
}

// IsUncounted tells whether repeating a statement under ctx is by design.
func IsUncounted(ctx context.Context) bool {
	deliberate, _ := ctx.Value(uncountedKey{}).(bool)
	return deliberate
}

// WithCounting returns a context on which no such mark lies. A loop over requests may be deliberate; what each of them does
// inside is looked at anew.
func WithCounting(ctx context.Context) context.Context {
	if !IsUncounted(ctx) {
		return ctx
	}
	return context.WithValue(ctx, uncountedKey{}, false)
}
