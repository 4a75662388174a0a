package handle

import "context"

type uncountedKey struct{}

// WithoutCounting returns a context under which statements are repeated by
// design: children read chunk by chunk, batches that serve several callers.
func WithoutCounting(ctx context.Context) context.Context {
	return context.WithValue(ctx, uncountedKey{}, true)
}

// IsUncounted reports whether statements are repeated by design under ctx.
func IsUncounted(ctx context.Context) bool {
	uncounted, _ := ctx.Value(uncountedKey{}).(bool)
	return uncounted
}

// WithCounting returns a context without such a mark. A loop over requests may be
// marked; what each of them does is counted again.
func WithCounting(ctx context.Context) context.Context {
	if !IsUncounted(ctx) {
		return ctx
	}
	return context.WithValue(ctx, uncountedKey{}, false)
}
